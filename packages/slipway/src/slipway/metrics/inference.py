"""Intervals and paired differences of metrics on rows that depend on each other.

One function for the interval of a value and one for a paired difference, for every metric.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import inf, sqrt

import numpy as np

from slipway.metrics.clusters import DAY, FEWEST, Clusters, Spread, ewc_dof, spread_of
from slipway.metrics.influence import Influence
from slipway.metrics.paired import ROUNDING, Difference, unknown
from slipway.metrics.stats import Estimate

# The end of an interval of a loss that nothing bounds; infinity is not valid JSON.
UNBOUNDED = 1e6

# More clusters than any table has.
MOST_CLUSTERS = 10**9


def t_quantile(confidence: float, dof: float) -> float:
    """Return t such that Student's t lies within ±t with this probability."""
    from scipy.special import stdtrit  # the service, which reads settings, has no SciPy

    return float(stdtrit(dof, (1 + confidence) / 2))


def interval(
    value: float, spread: Spread, confidence: float, ends: tuple[float, float]
) -> Estimate:
    """Return a value with its interval, cut to the `ends` of the metric's values.

    One cluster bounds nothing: its interval is the whole range, up to `UNBOUNDED` either way.
    """
    reach = t_quantile(confidence, spread.dof) * spread.se
    low, high = value - reach, value + reach
    if reach == inf:
        low, high = min(value, -UNBOUNDED), max(value, UNBOUNDED)
    return Estimate(value, max(ends[0], low), min(ends[1], high))


def share_interval(value: float, spread: Spread, trials: int, confidence: float) -> Estimate:
    """Return a share with Wilson's interval (1927).

    Parameters
    ----------
    trials
        The rows, or clusters of rows, that the share is of.

    Notes
    -----
    The number of trials is that of independent rows with the same standard error,
    share x (1 - share) / se². A share of 0 or 1 has no error: there it is `trials`.
    """
    if spread.se == inf:
        return Estimate(value, 0.0, 1.0)
    n = value * (1 - value) / spread.se**2 if spread.se else trials
    t2 = t_quantile(confidence, spread.dof) ** 2
    middle = (value + t2 / (2 * n)) / (1 + t2 / n)
    reach = sqrt(t2) * sqrt(value * (1 - value) / n + t2 / (4 * n * n)) / (1 + t2 / n)
    low, high = min(value, middle - reach), max(value, middle + reach)
    return Estimate(value, max(0.0, low), min(1.0, high))  # beyond these by rounding only


def difference(
    first: Influence, second: Influence, clusters: Clusters, confidence: float
) -> Difference:
    """Return the value of `second` less that of `first`, on the same rows.

    Few clusters are a reason not to decide.
    """
    rows = len(first.pull)
    reason = first.insufficient_reason or second.insufficient_reason
    if first.value is None or second.value is None or not (first.has_spread and second.has_spread):
        return unknown(rows, reason)
    pull = second.pull - first.pull
    spread = spread_of(pull, clusters)
    reason = reason or insufficient_reason(clusters, rows)
    found = by_t(first.value, second.value, spread, rows, confidence, reason)
    return replace(
        found, clusters=clusters.count(rows), effective_rows=effective_rows(pull, clusters)
    )


def insufficient_reason(clusters: Clusters, rows: int) -> str:
    """Return why so few clusters must not decide anything; empty if they may."""
    count = clusters.count(rows)
    if not clusters.ways or count >= FEWEST:
        return ""
    what = "days" if clusters.unit == DAY else "clusters of rows"
    return f"{count} {what} and {FEWEST} are needed"


def by_t(
    first: float, second: float, spread: Spread, rows: int, confidence: float, reason: str = ""
) -> Difference:
    """Return a difference with its interval and p-values by Student's t.

    One without any noise decides by its sign. One from a single cluster is unknown.
    """
    from scipy.special import stdtr

    value = second - first
    if spread.se == inf:
        return unknown(rows, reason or "one cluster of rows")
    if spread.se <= ROUNDING:
        value = 0.0 if abs(value) <= ROUNDING else value
        p_up, p_down = float(value <= 0), float(value >= 0)
        low, high, se = value, value, 0.0
    else:
        reach, t = t_quantile(confidence, spread.dof) * spread.se, value / spread.se
        p_up, p_down = float(stdtr(spread.dof, -t)), float(stdtr(spread.dof, t))
        low, high, se = value - reach, value + reach, spread.se
    return Difference(
        first=first,
        second=second,
        value=value,
        se=se,
        low=low,
        high=high,
        p_up=p_up,
        p_down=p_down,
        rows=rows,
        dof=spread.dof,
        insufficient_reason=reason,
    )


def effective_rows(pull: np.ndarray, clusters: Clusters) -> float:
    """Return how many independent rows would give the same standard error."""
    alone, together = spread_of(pull, Clusters()).se, spread_of(pull, clusters).se
    return len(pull) * (alone / together) ** 2 if together else float(len(pull))


def mean_of(parts: Sequence[Influence]) -> Influence:
    """Return the mean of a metric over parts with rows of their own, weighted by their rows.

    The parts are the periods of a rolling-origin evaluation, each scored by another fit. The metric
    does not exist if it does not exist for a part.

    Notes
    -----
    A row also pulls by the distance of its part's value from the mean. Without it the pulls of each
    part would sum to 0, and EWC would miss the low frequencies that it estimates from.
    """
    if len(parts) == 1:
        return parts[0]
    rows = sum(len(part.pull) for part in parts)
    weights = [len(part.pull) / rows for part in parts]
    support, name = sum(part.support for part in parts), parts[0].support_name
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts):
        return Influence(None, np.zeros(rows), support, name)
    value = float(np.dot(weights, values))
    pulls = [
        weight * part.pull + (own - value) / rows
        for weight, part, own in zip(weights, parts, values, strict=True)
    ]
    return Influence(value, np.concatenate(pulls), support, name)


def clusters_needed(
    effect: float, spread: Spread, clusters: int, alpha: float, power: float = 0.8
) -> int:
    """Return how many clusters of the same kind show a true difference of `effect`.

    Parameters
    ----------
    effect
        Distance of the true difference from the tested value, above 0.
    spread, clusters
        The measured spread, and its number of clusters, at least 2.
    alpha, power
        Level of the one-sided test, and the chance to be significant.

    Notes
    -----
    The standard error falls with the root of the number of clusters. The power is that of
    Student's noncentral t with the degrees of freedom of that number.
    """
    shows = partial(_power, effect, spread, clusters, alpha)
    enough = FEWEST
    while shows(enough) < power and enough < MOST_CLUSTERS:
        enough *= 2
    return bisect_left(range(enough), power, lo=FEWEST, key=shows)


def _power(effect: float, spread: Spread, clusters: int, alpha: float, count: int) -> float:
    from scipy.special import nctdtr, stdtrit

    if not spread.se:
        return 1.0
    is_ewc = spread.dof == ewc_dof(clusters)
    dof = ewc_dof(count) if is_ewc else spread.dof * count / clusters
    distance = effect / spread.se * sqrt(count / clusters)
    return 1 - float(nctdtr(dof, distance, stdtrit(dof, 1 - alpha)))
