"""Metrics as a value and the pull of every row on it.

The pull of a row is what it adds to the error of the value: its influence function, divided by the
number of rows. The pulls of all rows sum to 0. Variances, intervals, paired differences and slices
follow from them in `slipway.metrics.inference`.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from slipway.metrics.stats import placements

# With fewer rows of a class the normal approximation is unreliable.
ENOUGH = 50


class Influence(NamedTuple):
    """A metric on some rows.

    Attributes
    ----------
    value
        None if the metric does not exist for these rows.
    pull
        Shape (rows,), float64; the sum is 0.
    insufficient_reason
        Why the value must not decide anything; empty if it may.
    """

    value: float | None
    pull: np.ndarray
    insufficient_reason: str = ""


def mean(losses: np.ndarray) -> Influence:
    """Return the mean of per-row values, shape (rows,)."""
    return _mean_of(losses, np.ones(len(losses), bool), "rows")


def auc(labels: np.ndarray, scores: np.ndarray) -> Influence:
    """Return the area under the ROC curve; ties count half.

    Notes
    -----
    A row pulls by its placement, the share of the other class that it is ranked correctly
    against (DeLong, DeLong and Clarke-Pearson 1988; in clusters: Obuchowski 1997).
    """
    positive = labels == 1
    few = min(int(positive.sum()), int((~positive).sum()))
    if few < 2:
        return _unknown(len(labels), "fewer than 2 rows of a class")
    placed = placements(positive, scores)
    value = float(placed[positive].mean())
    placed -= value
    for rows in (positive, ~positive):
        placed[rows] *= _share_of_a_row(int(rows.sum()))
    return Influence(value, placed, _few(few, "rows of a class"))


def precision(labels: np.ndarray, decisions: np.ndarray) -> Influence:
    """Return the share of positive labels among the rows that are decided positive.

    Notes
    -----
    A ratio of two sums, by its linear approximation (delta method).
    """
    count, chosen = len(labels), int(decisions.sum())
    if not chosen:
        return _unknown(count, "a model calls no row positive")
    value = float(labels[decisions].mean())
    pull = np.where(decisions, labels - value, 0.0) / chosen
    pull *= sqrt(count / max(1, count - 1))
    return Influence(value, pull, _few(chosen, "rows called positive"))


def recall(labels: np.ndarray, decisions: np.ndarray) -> Influence:
    """Return the share of the positive rows that are decided positive."""
    return _mean_of(decisions.astype("float64"), labels == 1, "positive rows")


def _mean_of(values: np.ndarray, rows: np.ndarray, name: str) -> Influence:
    count = int(rows.sum())
    if count < 2:
        return _unknown(len(values), f"fewer than 2 {name}")
    value = float(values[rows].mean(dtype="float64"))
    pull = np.where(rows, values - value, 0.0) * _share_of_a_row(count)
    return Influence(value, pull, _few(count, name))


def _share_of_a_row(count: int) -> float:
    """Return 1 / count, with the finite-sample factor of independent rows, √(n / (n - 1))."""
    return sqrt(1 / (count * (count - 1)))


def _unknown(rows: int, reason: str) -> Influence:
    return Influence(None, np.zeros(rows), reason)


def _few(count: int, of_what: str) -> str:
    return "" if count >= ENOUGH else f"fewer than {ENOUGH} {of_what}"
