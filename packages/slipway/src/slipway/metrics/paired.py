"""Paired differences between two models.

Comparisons are paired, row by row: two models agree on most rows, and rows on which they agree
add no noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from slipway.metrics import stats
from slipway.metrics.stats import NORMAL

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
    clusters
        Number of clusters of rows that depend on each other; that of rows if they do not.
    effective_rows
        How many independent rows would give the same standard error.
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
    clusters: int = 0
    effective_rows: float = 0.0


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
