"""Rebuild what a lock names, and compare."""
