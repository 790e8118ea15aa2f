"""Scores of the training rows by models that had not seen them.

A model fits the rows that it learned from: on those its scores are surer and follow each day more
closely than they will follow any day to come (measured on the starter data: they wobble from week
to week three quarters more). So the past of the score is made by two models of the same
settings, each fitted on one half of the training time and asked about the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from slipway.tables import take

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

    from slipway.contract import Columns

Fit = Callable[[dict[str, np.ndarray], np.ndarray], "ClassifierMixin"]


def unseen_scores(
    fit: Fit,
    labelled: tuple[Columns, np.ndarray, np.ndarray],
    every: tuple[Columns, np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return a score for each row of the training time, shape (rows,).

    Parameters
    ----------
    fit
        From features and labels to a fitted classifier.
    labelled
        Features, labels and keys of the rows to learn from.
    every
        Features, times and keys of all rows, with a label or not.
    """
    import pandas as pd

    features, labels, keys = labelled
    wanted, times, names = every
    days = times.astype("datetime64[D]")
    early = days < np.sort(days)[len(days) // 2]
    learns = np.isin(keys, names[early])
    scores = np.empty(len(days))
    for half, asked in ((learns, ~early), (~learns, early)):
        if not asked.any():
            continue
        enough = len(np.unique(labels[half])) > 1
        # Half a file without both labels teaches nothing: then the whole has to do.
        fitted = fit(
            take(features, half if enough else slice(None)), labels[half] if enough else labels
        )
        scores[asked] = fitted.predict_proba(pd.DataFrame(take(wanted, asked)))[:, 1]
    return scores
