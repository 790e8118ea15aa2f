"""The prediction log: records, writer, readers, and the labels that arrive later."""
