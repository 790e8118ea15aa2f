"""The data: files, periods and validation."""
