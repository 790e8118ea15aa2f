"""Releases and judgements in the form of other systems."""
