"""The stages of the pipeline, and the trained model."""
