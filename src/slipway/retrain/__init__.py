"""`slipway retrain`: is a model better that also learned from the newest labels?

Everything happens in a copy of the last commit. What a person may merge is left beside it, in
`build/retrain`; nothing of this repository is changed.

========= ======================================================================
`run`     from the last commit to an answer
`months`  which months can be added, from the source or from log and labels
`logged`  a month's rows, put together from the prediction log and the labels
`steps`   what is done in the copy: add, validate, search, train, judge
========= ======================================================================
"""

from slipway.retrain.run import Retrained, retrain

__all__ = ["Retrained", "retrain"]
