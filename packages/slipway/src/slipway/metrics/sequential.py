"""Paired differences whose intervals hold at every look at growing data.

An interval for one look is exceeded at some look by chance if it is looked at again and again. The
intervals here form a confidence sequence: with the stated probability, all of them together hold
the true difference, however often and whenever they are looked at (docs/shadow.md).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import partial
from math import exp, log, sqrt

import numpy as np
from scipy.fft import dct
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from slipway.metrics.clusters import Spread, Way
from slipway.metrics.inference import by_t
from slipway.metrics.influence import Influence
from slipway.metrics.paired import ROUNDING, Difference, unknown

# Fewer clusters decide nothing: the sequence is asymptotic, and starts here.
FEWEST = 14

# The number of clusters at which the intervals are about as narrow as such a sequence can be.
TYPICAL = 30

# The cosines for T clusters are SCALE x T^POWER. EWC for one look (`slipway.metrics.clusters`)
# takes about half as many; its few degrees of freedom would cost most of the power here.
SCALE, POWER = 0.75, 2 / 3

# No use is made of an estimate that more clusters would be needed.
MOST_NEEDED = 3650


@dataclass(frozen=True)
class Boundary:
    """The boundary of a standardised sum that a process without a difference rarely crosses.

    Attributes
    ----------
    mixing
        t sigma² rho² for t clusters, whose sums have the standard deviation sigma.
    alpha
        Probability that it is crossed at any t, on either side.

    Notes
    -----
    The two-sided normal mixture of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024):
    √(2 (x + 1) / (t² rho²) log(√(x + 1) / alpha)) with x = `mixing`, here as a multiple of the
    standard error sigma / √t. As they propose, rho² is (-2 log alpha + log(-2 log alpha) + 1) /
    (t sigma²) at the t of `TYPICAL`.
    """

    mixing: float
    alpha: float

    @classmethod
    def at(cls, clusters: int, alpha: float) -> Boundary:
        tuned = -2 * log(alpha) + log(-2 * log(alpha)) + 1
        return cls(tuned * clusters / TYPICAL, alpha)

    @property
    def z(self) -> float:
        x = self.mixing
        return sqrt(2 * (x + 1) / x * log(sqrt(x + 1) / self.alpha))

    def p_value(self, z: float) -> float:
        """Return the smallest level at which `z` is beyond the boundary, for the same `mixing`."""
        x = self.mixing
        return min(1.0, sqrt(x + 1) * exp(-z * z * x / (2 * (x + 1))))


def difference(first: Influence, second: Influence, days: Way, confidence: float) -> Difference:
    """Return the value of `second` less that of `first`, on the rows that are known so far.

    Parameters
    ----------
    days
        The cluster of each row, in the sequence of time.
    confidence
        Probability that the intervals of all looks hold the true difference.

    Notes
    -----
    The one-sided p-values are half of the two-sided one, so they agree with the interval, and they
    hold at every look too. The sequence is asymptotic: its rate of errors for few, heavy-tailed or
    dependent days, and for pulls that are estimated anew at each look, is measured
    (docs/benchmarks.md).
    """
    rows = len(first.pull)
    if first.value is None or second.value is None or not (first.has_spread and second.has_spread):
        return unknown(rows, first.insufficient_reason or second.insufficient_reason)
    if days.count < FEWEST:
        few = unknown(rows, f"days with labels: {days.count}, and {FEWEST} are needed")
        value = second.value - first.value
        return replace(few, first=first.value, second=second.value, value=value)
    reason = first.insufficient_reason or second.insufficient_reason
    sums = np.bincount(days.codes, weights=second.pull - first.pull, minlength=days.count)
    se, dof = float(standard_errors(sums)), cosines(days.count)
    if se <= ROUNDING:
        return by_t(first.value, second.value, Spread(se, dof), rows, confidence, reason)
    value = second.value - first.value
    distance = reach(days.count, confidence) * se
    z = -float(ndtri(stdtr(dof, -abs(value) / se)))
    one_sided = Boundary.at(days.count, 1 - confidence).p_value(z) / 2
    return Difference(
        first=first.value,
        second=second.value,
        value=value,
        se=se,
        low=value - distance,
        high=value + distance,
        p_up=one_sided if value > 0 else 1.0,
        p_down=one_sided if value < 0 else 1.0,
        rows=rows,
        insufficient_reason=reason,
    )


def standard_errors(sums: np.ndarray) -> np.ndarray:
    """Return the standard error of the total of each series.

    Parameters
    ----------
    sums
        The sums of clusters in the sequence of time, shape (..., clusters); each series adds up
        to 0 and has at least 2.

    Notes
    -----
    The larger one of two variances: that of independent clusters, and the long-run variance, which
    is the mean of the squares of the first cosine transforms (EWC; Lazarus, Lewis, Stock and
    Watson 2018).
    """
    count = sums.shape[-1]
    transforms = dct(sums, norm="ortho")[..., 1 : cosines(count) + 1]
    long_run = np.square(transforms).mean(-1)
    independent = np.square(sums).sum(-1) / (count - 1)
    return np.asarray(np.sqrt(count * np.maximum(long_run, independent)))


def cosines(clusters: int) -> int:
    """Return the number of cosine transforms, which is that of the degrees of freedom."""
    return int(SCALE * clusters**POWER)


def reach(clusters: int, confidence: float) -> float:
    """Return how many standard errors the interval reaches on either side.

    Notes
    -----
    The variance is an estimate with few degrees of freedom, so a boundary for known variances
    would be crossed too often. This is the quantile of Student's t at the boundary's probability.
    """
    z = Boundary.at(clusters, 1 - confidence).z
    return -float(stdtrit(cosines(clusters), ndtr(-z)))


def clusters_needed(effect: float, se: float, clusters: int, confidence: float) -> int | None:
    """Return the number of clusters whose interval is as wide as `effect` on either side.

    Parameters
    ----------
    effect
        Distance of the difference from the tested value, above 0.
    se, clusters
        The measured standard error, and its number of clusters.

    Returns
    -------
    int or None
        If the estimate is right, the sequence decides by then in about half of the cases. None if
        `MOST_NEEDED` are not enough.
    """
    shows = partial(_shows, effect / (se * sqrt(clusters)), confidence)
    found = bisect_left(range(MOST_NEEDED), True, lo=FEWEST, key=shows)
    return found if found < MOST_NEEDED else None


def _shows(effect: float, confidence: float, clusters: int) -> bool:
    """Return whether an effect, in standard deviations of a cluster's sum, is decided."""
    return effect * sqrt(clusters) >= reach(clusters, confidence)
