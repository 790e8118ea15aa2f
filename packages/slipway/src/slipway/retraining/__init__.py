"""`slipway retrain`: train on newer labels, and compare with the champion.

Everything happens in a copy of the last commit; the result is in `build/retrain`.
"""

from slipway.retraining.run import Retrained, retrain

__all__ = ["Retrained", "retrain"]
