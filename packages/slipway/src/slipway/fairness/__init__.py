"""Whether a model treats the protected groups of its rows alike (docs/fairness.md)."""
