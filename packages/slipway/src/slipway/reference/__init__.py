"""What a model's manifest remembers for monitoring."""
