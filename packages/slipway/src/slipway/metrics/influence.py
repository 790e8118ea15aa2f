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

# With fewer rows the variance does not exist.
FEWEST = 2


class Influence(NamedTuple):
    """A metric on some rows.

    Attributes
    ----------
    value
        None if the metric does not exist for these rows.
    pull
        Shape (rows,), float64; the sum is 0.
    support
        Number of rows that the value rests on, such as those of the rarer class.
    support_name
        What these rows are called.
    """

    value: float | None
    pull: np.ndarray
    support: int
    support_name: str

    @property
    def has_spread(self) -> bool:
        """Whether there are enough rows for a standard error."""
        return self.value is not None and self.support >= FEWEST

    @property
    def insufficient_reason(self) -> str:
        """Why the value must not decide anything; empty if it may."""
        if self.has_spread and self.support >= ENOUGH:
            return ""
        return f"fewer than {ENOUGH if self.has_spread else FEWEST} {self.support_name}"


def mean(losses: np.ndarray) -> Influence:
    """Return the mean of per-row values, shape (rows,)."""
    count = len(losses)
    if not count:
        return _unknown(0, 0, "rows")
    value = float(losses.mean(dtype="float64"))
    if count < FEWEST:
        return Influence(value, np.zeros(count), count, "rows")
    pull = np.subtract(losses, value, dtype="float64")
    pull *= _share_of_a_row(count)
    return Influence(value, pull, count, "rows")


def auc(labels: np.ndarray, scores: np.ndarray) -> Influence:
    """Return the area under the ROC curve; ties count half.

    Notes
    -----
    A row pulls by its placement, the share of the other class that it is ranked correctly
    against (DeLong, DeLong and Clarke-Pearson 1988; in clusters: Obuchowski 1997).
    """
    positive = labels == 1
    few = min(int(positive.sum()), int((~positive).sum()))
    if not few:
        return _unknown(len(labels), few, "rows of a class")
    placed = placements(positive, scores)
    value = float(placed[positive].mean())
    if few < FEWEST:
        return Influence(value, np.zeros(len(labels)), few, "rows of a class")
    placed -= value
    of_class = [_share_of_a_row(int(rows.sum())) for rows in (~positive, positive)]
    placed *= np.array(of_class)[positive.view("int8")]
    return Influence(value, placed, few, "rows of a class")


def precision(labels: np.ndarray, decisions: np.ndarray) -> Influence:
    """Return the share of positive labels among the rows that are decided positive.

    Notes
    -----
    A ratio of two sums, by its linear approximation (delta method).
    """
    count, chosen = len(labels), int(decisions.sum())
    if not chosen:
        return _unknown(count, chosen, "rows called positive")
    value = float(labels[decisions].mean(dtype="float64"))
    if chosen < FEWEST:
        return Influence(value, np.zeros(count), chosen, "rows called positive")
    pull = np.subtract(labels, value, dtype="float64")
    pull *= decisions
    pull *= sqrt(count / (count - 1)) / chosen
    return Influence(value, pull, chosen, "rows called positive")


def recall(labels: np.ndarray, decisions: np.ndarray) -> Influence:
    """Return the share of the positive rows that are decided positive."""
    positive = labels == 1
    count = int(positive.sum())
    if not count:
        return _unknown(len(labels), count, "positive rows")
    value = float((decisions & positive).sum()) / count
    if count < FEWEST:
        return Influence(value, np.zeros(len(labels)), count, "positive rows")
    pull = np.subtract(decisions, value, dtype="float64")
    pull *= positive
    pull *= _share_of_a_row(count)
    return Influence(value, pull, count, "positive rows")


def _share_of_a_row(count: int) -> float:
    """Return 1 / count, with the finite-sample factor of independent rows, √(n / (n - 1))."""
    return sqrt(1 / (count * (count - 1)))


def _unknown(rows: int, support: int, name: str) -> Influence:
    return Influence(None, np.zeros(rows), support, name)
