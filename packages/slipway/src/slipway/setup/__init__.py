"""Commands for a new fork."""
