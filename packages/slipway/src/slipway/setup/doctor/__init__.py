"""`slipway doctor`: check the configuration of a repository, here and on GitHub."""
