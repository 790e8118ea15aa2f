"""What was tried and what was released, from git and its records alone."""
