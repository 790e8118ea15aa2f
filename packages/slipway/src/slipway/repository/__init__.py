"""The repository: git, DVC's pointers, worktrees, and the one checked restore."""
