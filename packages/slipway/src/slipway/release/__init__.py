"""A release: from a verified model to an image that passed its checks. Targets deploy it."""
