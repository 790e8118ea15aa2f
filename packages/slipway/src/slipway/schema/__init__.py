"""The schema of a row, exported from pandera and checked in microseconds.

`export` turns the pandera schema into plain JSON when a model is trained; the service reads that
from the manifest and checks requests with `validator`, which needs neither pandera nor pandas.
"""
