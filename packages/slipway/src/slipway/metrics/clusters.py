"""Rows that depend on each other, and the standard error of a sum over such rows.

Rows of one day, customer or machine move together. A cluster is a set of such rows; rows of
different clusters are independent, but for neighbouring days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import inf, pi, sqrt
from typing import NamedTuple

import numpy as np

# What a cluster is called whose rows have the same calendar day.
DAY = "day"

# What it is called if no rows depend on each other.
ROW = "row"

# Fewer clusters decide nothing: intervals would cover less than they state (docs/benchmarks.md).
FEWEST = 25

TINY = 1e-300

# Lazarus, Lewis, Stock and Watson (2018): degrees of freedom of EWC for T periods are 0.41 T^(2/3).
EWC_SCALE, EWC_POWER = 0.41, 2 / 3


@dataclass(frozen=True)
class Way:
    """One way in which rows depend on each other.

    Attributes
    ----------
    codes
        The cluster of each row, from 0, shape (rows,). No cluster is empty.
    count
        Number of clusters.
    ordered
        Whether codes follow time, so that neighbours may depend on each other too.
    name
        What a cluster is, such as *day*.
    """

    codes: np.ndarray
    count: int
    ordered: bool = False
    name: str = "cluster"

    @classmethod
    def of(cls, values: np.ndarray, *, ordered: bool = False, name: str = "cluster") -> Way:
        """Return the clusters of rows with equal values, such as days or customers."""
        if len(values) and values.dtype.kind in "iu" and np.can_cast(values.dtype, "int64"):
            lowest, highest = int(values.min()), int(values.max())
            if highest - lowest < len(values):
                codes = np.subtract(values, lowest, dtype="int64")
                return _without_gaps(cls(codes, highest - lowest + 1, ordered, name))
        found, codes = np.unique(values, return_inverse=True)
        return cls(codes.astype("int32"), len(found), ordered, name)

    def take(self, rows: np.ndarray) -> Way:
        """Return the clusters of some rows; those without a row are left out."""
        return _without_gaps(replace(self, codes=self.codes[rows]))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over the rows of each cluster, shape (clusters,)."""
        return np.bincount(self.codes, weights=values, minlength=self.count)

    @property
    def is_rows(self) -> bool:
        """Whether every row is its own cluster."""
        return not self.ordered and self.count == len(self.codes)

    @cached_property
    def shares(self) -> np.ndarray:
        """The share of all rows that each cluster has, shape (clusters,)."""
        return np.bincount(self.codes, minlength=self.count) / len(self.codes)

    @cached_property
    def dof(self) -> float:
        """Degrees of freedom of Student's t."""
        if self.is_rows or self.count < 2:
            return max(1, self.count - 1)
        return ewc_dof(self.count) if self.ordered else cr2_dof(self.shares)


def _without_gaps(way: Way) -> Way:
    """Return the clusters that have rows, without sorting rows."""
    has_rows = np.bincount(way.codes, minlength=way.count) > 0
    if has_rows.all():
        return replace(way, codes=way.codes.astype("int32", copy=False))
    renumbered = np.cumsum(has_rows, dtype="int32") - np.int32(1)
    return replace(way, codes=renumbered[way.codes], count=int(has_rows.sum()))


@dataclass(frozen=True)
class Clusters:
    """The ways, at most two, in which rows depend on each other; without one they do not."""

    ways: tuple[Way, ...] = ()
    both: Way | None = field(default=None, repr=False)  # rows that share a cluster of each way

    def __post_init__(self) -> None:
        if self.both is None and len(self.ways) > 1:
            object.__setattr__(self, "both", _intersection(*self.ways))

    def take(self, rows: np.ndarray) -> Clusters:
        ways = tuple(way.take(rows) for way in self.ways)
        return Clusters(ways, self.both.take(rows) if self.both else None)

    def unordered(self) -> Clusters:
        """Return the same clusters, independent also of their neighbours in time."""
        ways = tuple(replace(way, ordered=False) for way in self.ways)
        return Clusters(ways, self.both)

    def count(self, rows: int) -> int:
        """Return the number of clusters of the coarsest way."""
        return min((way.count for way in self.ways), default=rows)

    @property
    def unit(self) -> str:
        """What a cluster of the coarsest way is called; without a way, a row."""
        coarsest = min(self.ways, key=lambda way: way.count, default=None)
        return coarsest.name if coarsest else ROW


def _intersection(first: Way, second: Way) -> Way:
    return Way.of(first.codes.astype("int64") * second.count + second.codes)


class Spread(NamedTuple):
    """A standard error, and the degrees of freedom of Student's t that belongs to it."""

    se: float
    dof: float


def spread_of(pull: np.ndarray, clusters: Clusters) -> Spread:
    """Return the standard error of the sum of `pull`, shape (rows,).

    Parameters
    ----------
    pull
        What each row adds to the error of a value. The sum over all rows is 0.

    Notes
    -----
    Rows that do not depend on each other: √Σ pull², as the pull has the finite-sample factor.
    One way: `covariance_of` the clusters' sums. Two ways: `combine`.
    """
    if not clusters.ways:
        return _spread_of_rows(pull)
    return combine(clusters, lambda way: _spread_of_way(pull, way))


def combine(clusters: Clusters, spread_of_way: Callable[[Way], Spread]) -> Spread:
    """Return the spread for all ways, from that of each and of their intersection.

    Notes
    -----
    Two ways: the variance of the first plus that of the second less that of their intersection
    (Cameron, Gelbach and Miller 2011), but at least the larger one; and the fewer degrees of
    freedom.
    """
    found = [spread_of_way(way) for way in clusters.ways]
    if clusters.both is None:
        return found[0]
    variances = [each.se**2 for each in found]
    if inf in variances:
        return Spread(inf, 1)
    variance = sum(variances) - spread_of_way(clusters.both).se ** 2
    return Spread(sqrt(max(variance, *variances)), min(each.dof for each in found))


def covariance_of(sums: np.ndarray, way: Way, first: int = 0) -> np.ndarray:
    """Return the covariance of the totals of some columns.

    Parameters
    ----------
    sums
        The sum of each cluster, shape (clusters, columns); each column adds up to 0.
    first
        If `sums` has only some unordered clusters, the first of them: the covariances of all parts
        add up to that of the whole.

    Notes
    -----
    Independent clusters: CR2 of Bell and McCaffrey (2002) for a mean, a cluster's sum divided by
    √(1 - its share of rows). Ordered ones: EWC, the mean of the squares of the first cosine
    transforms of the series (Lazarus, Lewis, Stock and Watson 2018).
    """
    if way.ordered:
        dof = ewc_dof(way.count)
        scaled = _cosines(way.count, dof) @ sums * sqrt(way.count / dof)
    else:
        scaled = sums / np.sqrt(1 - way.shares[first : first + len(sums), None])
    return np.asarray(scaled.T @ scaled)


def _spread_of_rows(pull: np.ndarray) -> Spread:
    return Spread(sqrt(float(pull @ pull)), max(1, len(pull) - 1))


def _spread_of_way(pull: np.ndarray, way: Way) -> Spread:
    if way.is_rows:
        return _spread_of_rows(pull)
    if way.count < 2:
        return Spread(inf, 1)
    sums = way.sums(pull)[:, None]
    return Spread(sqrt(float(covariance_of(sums, way)[0, 0])), way.dof)


@lru_cache(maxsize=64)
def _cosines(periods: int, count: int) -> np.ndarray:
    """Return the first cosines over the periods, orthonormal, of shape (count, periods)."""
    when = pi * (np.arange(periods) + 0.5) / periods
    return np.asarray(sqrt(2 / periods) * np.cos(np.outer(np.arange(1, count + 1), when)))


def ewc_dof(periods: int) -> int:
    """Return the degrees of freedom of EWC, the number of its cosines."""
    return max(1, int(EWC_SCALE * periods**EWC_POWER))


def cr2_dof(shares: np.ndarray) -> float:
    """Return Satterthwaite's degrees of freedom of CR2 for a mean.

    Parameters
    ----------
    shares
        The share of all rows that each cluster has, shape (clusters,).

    Notes
    -----
    tr(B)² / tr(B²), where B is the covariance of the corrected sums if every row of a cluster errs
    alike: the case with the fewest. The covariance of the sums of residuals is
    C = diag(s) - ps' - sp' + pp' Σs, where p are the shares and s = p²; B_gh = √(f_g f_h) C_gh with
    the factor f = 1 / (1 - p).
    """
    factor, p, s = 1 / (1 - shares), shares, np.square(shares)
    total = float(s.sum())
    change = total * p * p - 2 * p * s  # diagonal of C - diag(s)
    trace = float(factor @ (s + change))
    own = float(np.square(factor) @ (s * s + 2 * s * change))
    fpp, fps, fss = (float((factor * a * b).sum()) for a, b in ((p, p), (p, s), (s, s)))
    # Σ f_g f_h (C - diag(s))_gh², multiplied out.
    rest = 2 * fpp * fss + 2 * fps**2 - 4 * total * fpp * fps + total**2 * fpp**2
    # Rounding must not give more than equal clusters have, or fewer than one.
    return min(max(trace**2 / max(own + rest, TINY), 1.0), len(shares) - 1.0)
