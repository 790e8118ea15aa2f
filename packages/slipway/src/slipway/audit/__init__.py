"""Questions about single predictions, and whether their records can be trusted."""
