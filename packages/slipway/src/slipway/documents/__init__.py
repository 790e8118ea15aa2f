"""Documents, and their renderers for terminals, Markdown and HTML."""
