"""A Docker engine as a target: a proxy that switches traffic between two slots, blue and green."""
