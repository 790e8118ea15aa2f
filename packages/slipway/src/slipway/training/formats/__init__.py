"""Formats of the model file.

A format is one module here with a `Format`, and one entry in `registry.FORMATS`. The first one that
gives the predictions of the fitted estimator is used (`choose`).
"""
