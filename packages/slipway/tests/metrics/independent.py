"""Intervals and paired tests for rows that do not depend on each other, by their own formulas.

`slipway.metrics` has one function for all metrics and clusters. These are what it must agree with
where every row is its own cluster.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from slipway.metrics import paired, stats
from slipway.metrics.influence import ENOUGH
from slipway.metrics.paired import Difference
from slipway.metrics.stats import Estimate


def mean_estimate(values: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Return the mean of per-row values, shape (rows,), with its normal interval.

    Raises
    ------
    ValueError
        There are no values.
    """
    if not len(values):
        raise ValueError("the mean of no rows")
    value = float(values.mean(dtype="float64"))
    reach = stats.quantile(confidence) * standard_error(values)
    return Estimate(value, value - reach, value + reach)


def wilson(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """Return a share with Wilson's interval (1927); without trials it is 0, from 0 to 1."""
    if n == 0:
        return Estimate(0.0, 0.0, 1.0)
    z2 = stats.quantile(confidence) ** 2
    share = successes / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = sqrt(z2) * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low, high = min(share, middle - reach), max(share, middle + reach)
    return Estimate(share, max(0.0, low), min(1.0, high))  # beyond these by rounding only


def calibration_estimate(
    labels: np.ndarray,
    scores: np.ndarray,
    bins: int = 10,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return the mean distance of predicted and observed shares over equal-count bins.

    Notes
    -----
    The interval is a Poisson bootstrap of the bins: a row is drawn Poisson(1) times, so a
    bin's sum has a known mean and variance and is drawn as one normal number. That costs
    O(rows + rounds) instead of O(rows) a round.
    """
    bin_of, gaps = stats.bins_of(scores, bins), labels - scores
    value, drawn = stats.drawn_errors(bin_of, gaps, bin_of, gaps, seed)[::2]
    reach = stats.quantile(confidence) * float(drawn.std())
    return Estimate(value, max(0.0, value - reach), min(1.0, value + reach))


def auc(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float = 0.95
) -> Difference:
    """Return the AUC of `second` less that of `first`, by the paired DeLong test.

    Notes
    -----
    se² = var(d of positives) / positives + var(d of negatives) / negatives, where d is the
    difference of the row's placements: the share of the other class that it is ranked correctly
    against.
    """
    positive = labels == 1
    few = min(int(positive.sum()), int((~positive).sum()))
    if few < 2:
        return paired.unknown(len(labels), "fewer than 2 rows of a class")
    gained = stats.placements(positive, second)
    after = float(gained[positive].mean())
    placed = stats.placements(positive, first)
    before = float(placed[positive].mean())
    gained -= placed
    del placed
    se = sqrt(stats.delong_variance(gained, positive))
    return paired.difference(
        before, after, se, len(labels), confidence, _few(few, "rows of a class")
    )


def mean(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Difference:
    """Return the mean of `second` less that of `first`, per-row values of shape (rows,)."""
    count = len(first)
    if count < 2:
        return paired.unknown(count, "fewer than 2 rows")
    se = standard_error(second - first)
    before, after = float(first.mean(dtype="float64")), float(second.mean(dtype="float64"))
    return paired.difference(before, after, se, count, confidence, _few(count, "rows"))


def precision(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float = 0.95
) -> Difference:
    """Return the precision of the decisions `second` less that of `first` (both boolean).

    Notes
    -----
    A ratio of two sums: its error is that of its linear approximation (delta method),
    taken row by row, so that it is paired too.
    """
    count, few = len(labels), min(int(first.sum()), int(second.sum()))
    if few == 0:
        return paired.unknown(count, "a model calls no row positive")
    before, after = float(labels[first].mean()), float(labels[second].mean())
    pull = np.where(second, labels - after, 0) / second.mean()
    pull -= np.where(first, labels - before, 0) / first.mean()
    se = standard_error(pull)
    return paired.difference(
        before, after, se, count, confidence, _few(few, "rows called positive")
    )


def recall(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float = 0.95
) -> Difference:
    """Return the recall of the decisions `second` less that of `first` (both boolean)."""
    positive = labels == 1
    return mean(first[positive].astype("float64"), second[positive].astype("float64"), confidence)


def calibration_error(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    bins: int = 10,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Return the calibration error of `second` less that of `first`.

    The interval comes from the bootstrap of `calibration_estimate`, both
    models drawn together.
    """
    before, after, drawn_before, drawn_after = stats.drawn_errors(
        stats.bins_of(first, bins),
        labels - first,
        stats.bins_of(second, bins),
        labels - second,
        seed,
    )
    se = float((drawn_after - drawn_before).std())
    return paired.difference(before, after, se, len(labels), confidence, _few(len(labels), "rows"))


def standard_error(values: np.ndarray) -> float:
    if len(values) < 2:
        return 0.0
    return float(values.std(ddof=1, dtype="float64")) / sqrt(len(values))


def _few(count: int, of_what: str) -> str:
    return "" if count >= ENOUGH else f"fewer than {ENOUGH} {of_what}"
