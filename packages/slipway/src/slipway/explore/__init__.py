"""For a notebook: data and models of any commit, a change that is tried, and its verdict.

Everything runs in temporary checkouts, with the code of their commit: no file of the working tree
is read or written, but for `candidates` and the environments in `build/environments`.
"""

from slipway.explore.models import Model, model
from slipway.explore.rows import data
from slipway.explore.trial import Report, Trial, candidates, try_change

__all__ = ["Model", "Report", "Trial", "candidates", "data", "model", "try_change"]
