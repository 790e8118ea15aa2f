"""The machine: judges, promotes, deploys and watches a model it knows nothing about."""
