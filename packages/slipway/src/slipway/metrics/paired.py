"""Paired differences between two models.

Comparisons are paired, row by row: two models agree on most rows, and rows on which they agree
add no noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from slipway.metrics import stats
from slipway.metrics.stats import NORMAL

# Below this many rows of a class, DeLong's interval is unreliable.
ENOUGH = 50

# A smaller standard error of a difference is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """A metric of the second model less that of the first, on the same rows.

    Parameters
    ----------
    first, second
        The metric of each model; None if it does not exist.
    value, se, low, high
        `second` less `first`, its standard error and its interval, in the metric's own unit.
    p_up, p_down
        One-sided p-values: a small `p_up` is evidence for a true difference above zero, a small
        `p_down` for one below. Models that do not differ at all have 1 and 1.
    rows
        Number of rows.
    dof
        Degrees of freedom of Student's t, by which the interval and the p-values are computed;
        None for the normal distribution.
    insufficient_reason
        Why the numbers must not decide anything; empty if they may.
    """

    first: float | None
    second: float | None
    value: float
    se: float
    low: float
    high: float
    p_up: float
    p_down: float
    rows: int
    dof: float | None = None
    insufficient_reason: str = ""


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
        return unknown(len(labels), "fewer than 2 rows of a class")
    gained = stats.placements(positive, second)
    after = float(gained[positive].mean())
    placed = stats.placements(positive, first)
    before = float(placed[positive].mean())
    gained -= placed
    del placed
    se = sqrt(stats.delong_variance(gained, positive))
    return difference(before, after, se, len(labels), confidence, _few(few, "rows of a class"))


def mean(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Difference:
    """Return the mean of `second` less that of `first`, per-row values of shape (rows,)."""
    count = len(first)
    if count < 2:
        return unknown(count, "fewer than 2 rows")
    se = stats.standard_error(second - first)
    before, after = float(first.mean(dtype="float64")), float(second.mean(dtype="float64"))
    return difference(before, after, se, count, confidence, _few(count, "rows"))


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
        return unknown(count, "a model calls no row positive")
    before, after = float(labels[first].mean()), float(labels[second].mean())
    pull = np.where(second, labels - after, 0) / second.mean()
    pull -= np.where(first, labels - before, 0) / first.mean()
    se = stats.standard_error(pull)
    return difference(before, after, se, count, confidence, _few(few, "rows called positive"))


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

    The interval comes from the bootstrap of `slipway.metrics.stats.calibration_error`, both
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
    return difference(before, after, se, len(labels), confidence, _few(len(labels), "rows"))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value that two models are right equally often.

    Parameters
    ----------
    only_first, only_second
        Rows that only the first, or only the second model gets right.
    """
    from scipy.special import bdtr

    flips = only_first + only_second
    if flips == 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), flips, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values (1979): the chance of any below alpha by luck is alpha."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    raised = np.minimum(1, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    adjusted = np.empty(len(p_values))
    adjusted[order] = raised
    return [float(value) for value in adjusted]


def rows_to_see(effect: float, se: float, rows: int, alpha: float, power: float = 0.8) -> int:
    """Return the rows at which a true difference of `effect` is significant with this power.

    Parameters
    ----------
    effect
        Distance of the true difference from the tested value, above 0.
    se, rows
        The measured standard error, and its rows.
    """
    reach = NORMAL.inv_cdf(1 - alpha) + NORMAL.inv_cdf(power)
    return ceil(rows * (reach * se / effect) ** 2)


def difference(
    first: float,
    second: float,
    se: float,
    rows: int,
    confidence: float,
    reason: str = "",
) -> Difference:
    """Return a difference with its normal interval; one without any noise decides by its sign."""
    value = second - first
    if se <= ROUNDING:
        value = 0.0 if abs(value) <= ROUNDING else value
        p_up, p_down = float(value <= 0), float(value >= 0)
        return Difference(first, second, value, 0.0, value, value, p_up, p_down, rows, None, reason)
    reach, z = stats.quantile(confidence) * se, value / se
    return Difference(
        first,
        second,
        value,
        se,
        value - reach,
        value + reach,
        NORMAL.cdf(-z),
        NORMAL.cdf(z),
        rows,
        None,
        reason,
    )


def unknown(rows: int, reason: str) -> Difference:
    """Return a difference without information, and why."""
    return Difference(None, None, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, rows, None, reason)


def _few(count: int, of_what: str) -> str:
    return "" if count >= ENOUGH else f"fewer than {ENOUGH} {of_what}"
