"""Batch scoring: files of any size, checked as requests are, scored and logged as by the service.

Rows are scored in chunks, each of which is written in full or not at all, so that a run that was
interrupted continues where it stopped.
"""
