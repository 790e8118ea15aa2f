"""The model card as data: its hand-written part, its content, its metadata and its check."""
