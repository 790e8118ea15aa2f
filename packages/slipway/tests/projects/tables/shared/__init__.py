"""A model of a generated table."""
