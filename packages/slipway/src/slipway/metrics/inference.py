"""Intervals and paired differences of metrics on rows that depend on each other.

Everything that states an interval or a p-value of a metric calls `estimate` or `difference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from slipway.metrics.clusters import FEWEST, Clusters, Spread, spread_of
from slipway.metrics.influence import Influence
from slipway.metrics.paired import ROUNDING, Difference, unknown
from slipway.metrics.stats import Estimate


def t_quantile(confidence: float, dof: float) -> float:
    """Return t such that Student's t lies within ±t with this probability."""
    return float(stdtrit(dof, (1 + confidence) / 2))


def interval(
    value: float, spread: Spread, confidence: float, lowest: float, highest: float
) -> Estimate:
    """Return a value with its interval, cut to the range of the metric."""
    reach = t_quantile(confidence, spread.dof) * spread.se
    return Estimate(value, max(lowest, value - reach), min(highest, value + reach))


def share_interval(value: float, spread: Spread, confidence: float) -> Estimate:
    """Return a share with Wilson's interval (1927).

    Notes
    -----
    The number of trials is that of independent rows with the same standard error,
    share x (1 - share) / se². Without an error, as for a share of 0 or 1, the interval is a point.
    """
    if not spread.se:
        return Estimate(value, value, value)
    n = value * (1 - value) / spread.se**2
    t2 = t_quantile(confidence, spread.dof) ** 2
    middle = (value + t2 / (2 * n)) / (1 + t2 / n)
    reach = sqrt(t2) * sqrt(value * (1 - value) / n + t2 / (4 * n * n)) / (1 + t2 / n)
    return Estimate(value, min(value, middle - reach), max(value, middle + reach))


def difference(
    first: Influence, second: Influence, clusters: Clusters, confidence: float
) -> Difference:
    """Return the value of `second` less that of `first`, on the same rows.

    Few clusters are a reason not to decide.
    """
    rows = len(first.pull)
    reason = first.insufficient_reason or second.insufficient_reason
    if first.value is None or second.value is None:
        return unknown(rows, reason)
    spread = spread_of(second.pull - first.pull, clusters)
    count = clusters.count(rows)
    if not reason and clusters.ways and count < FEWEST:
        reason = f"{count} clusters of rows; at least {FEWEST} are needed"
    return by_t(first.value, second.value, spread, rows, confidence, reason)


def by_t(
    first: float, second: float, spread: Spread, rows: int, confidence: float, reason: str = ""
) -> Difference:
    """Return a difference with its interval and p-values by Student's t.

    One without any noise decides by its sign.
    """
    value = second - first
    if spread.se <= ROUNDING:
        value = 0.0 if abs(value) <= ROUNDING else value
        p_up, p_down = float(value <= 0), float(value >= 0)
        return Difference(first, second, value, 0.0, value, value, p_up, p_down, rows, reason)
    reach, t = t_quantile(confidence, spread.dof) * spread.se, value / spread.se
    return Difference(
        first,
        second,
        value,
        spread.se,
        value - reach,
        value + reach,
        float(stdtr(spread.dof, -t)),
        float(stdtr(spread.dof, t)),
        rows,
        reason,
    )


def effective_rows(pull: np.ndarray, clusters: Clusters) -> float:
    """Return how many independent rows would give the same standard error."""
    alone, together = spread_of(pull, Clusters()).se, spread_of(pull, clusters).se
    return len(pull) * (alone / together) ** 2 if together else float(len(pull))


def mean_of(parts: Sequence[Influence]) -> Influence:
    """Return the mean of a metric over parts with rows of their own, as the origins of a test."""
    if any(part.value is None for part in parts):
        pulls = np.concatenate([part.pull for part in parts])
        return Influence(None, pulls, next(p.insufficient_reason for p in parts if p.value is None))
    values = [part.value for part in parts if part.value is not None]
    reasons = [part.insufficient_reason for part in parts if part.insufficient_reason]
    pull = np.concatenate([part.pull for part in parts]) / len(parts)
    return Influence(float(np.mean(values)), pull, reasons[0] if reasons else "")
