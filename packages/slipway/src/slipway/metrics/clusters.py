"""Rows that depend on each other, and the standard error of a sum over such rows.

Rows of one day, customer or machine move together. A cluster is a set of such rows; rows of
different clusters are independent, but for neighbouring days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, pi, sqrt
from typing import NamedTuple

import numpy as np

# Fewer clusters decide nothing: intervals would cover less than they state (docs/benchmarks.md).
FEWEST = 25

# Lazarus, Lewis, Stock and Watson (2018): degrees of freedom of EWC for T periods are 0.41 T^(2/3).
EWC_SCALE, EWC_POWER = 0.41, 2 / 3


@dataclass(frozen=True)
class Way:
    """One way in which rows depend on each other.

    Attributes
    ----------
    codes
        The cluster of each row, from 0, shape (rows,).
    count
        Number of clusters.
    ordered
        Whether codes follow time, so that neighbours may depend on each other too.
    """

    codes: np.ndarray
    count: int
    ordered: bool = False

    @classmethod
    def of(cls, values: np.ndarray, *, ordered: bool = False) -> Way:
        """Return the clusters of rows with equal values, such as days or customers."""
        found, codes = np.unique(values, return_inverse=True)
        return cls(codes.astype("int32"), len(found), ordered)

    def take(self, rows: np.ndarray) -> Way:
        """Return the clusters of some rows; those without a row are left out."""
        return Way.of(self.codes[rows], ordered=self.ordered)


@dataclass(frozen=True)
class Clusters:
    """The ways, at most two, in which rows depend on each other; without one they do not."""

    ways: tuple[Way, ...] = ()

    def take(self, rows: np.ndarray) -> Clusters:
        return Clusters(tuple(way.take(rows) for way in self.ways))

    def count(self, rows: int) -> int:
        """Return the number of clusters of the coarsest way."""
        return min((way.count for way in self.ways), default=rows)


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
    One way: `_spread_of_way`. Two ways: variance of the first plus that of the second less that
    of their intersection (Cameron, Gelbach and Miller 2011), and at least the larger one.
    """
    if not clusters.ways:
        return Spread(sqrt(float(pull @ pull)), max(1, len(pull) - 1))
    return combine(clusters, lambda way: _spread_of_way(pull, way))


def combine(clusters: Clusters, spread_of_way: Callable[[Way], Spread]) -> Spread:
    """Return the spread for all ways, from that of each and of their intersection."""
    found = [spread_of_way(way) for way in clusters.ways]
    if len(found) == 1:
        return found[0]
    first, second = clusters.ways
    both = Way.of(first.codes.astype("int64") * second.count + second.codes)
    variances = [each.se**2 for each in found]
    variance = sum(variances) - spread_of_way(both).se ** 2
    return Spread(sqrt(max(variance, *variances)), min(each.dof for each in found))


def multipliers(way: Way, rounds: int, random: np.random.Generator) -> np.ndarray:
    """Return random weights of shape (rounds, clusters) for a bootstrap over clusters.

    Weights times cluster sums that add up to 0 have the variance of `spread_of`: for independent
    clusters they are independent, for ordered ones they are random sums of EWC's cosines.
    """
    if not way.ordered:
        shares = np.bincount(way.codes, minlength=way.count) / len(way.codes)
        return random.standard_normal((rounds, way.count)) / np.sqrt(1 - shares)
    dof = ewc_dof(way.count)
    return random.standard_normal((rounds, dof)) @ _cosines(way.count, dof) * sqrt(way.count / dof)


def _spread_of_way(pull: np.ndarray, way: Way) -> Spread:
    if way.count < 2:
        return Spread(inf, 1)
    sums = np.bincount(way.codes, weights=pull, minlength=way.count)
    if way.ordered:
        return _ewc(sums)
    return _cr2(sums, np.bincount(way.codes, minlength=way.count) / len(pull))


def _ewc(sums: np.ndarray) -> Spread:
    """Return the spread of the total of a series by equal-weighted cosines.

    Notes
    -----
    The long-run variance is the mean of the squares of the first dof cosine transforms, and the
    statistic is Student's t with dof degrees of freedom (Lazarus, Lewis, Stock and Watson 2018).
    """
    periods, dof = len(sums), ewc_dof(len(sums))
    transforms = _cosines(periods, dof) @ sums
    return Spread(sqrt(periods * float(np.square(transforms).mean())), dof)


def _cosines(periods: int, count: int) -> np.ndarray:
    """Return the first cosines over the periods, orthonormal, of shape (count, periods)."""
    when = pi * (np.arange(periods) + 0.5) / periods
    return np.asarray(sqrt(2 / periods) * np.cos(np.outer(np.arange(1, count + 1), when)))


def ewc_dof(periods: int) -> int:
    return max(1, int(EWC_SCALE * periods**EWC_POWER))


def _cr2(sums: np.ndarray, shares: np.ndarray) -> Spread:
    """Return the spread of the total of independent clusters, corrected for few of them.

    Notes
    -----
    CR2 of Bell and McCaffrey (2002) for a mean: a cluster's sum is divided by √(1 - its share of
    rows). The degrees of freedom are Satterthwaite's, tr(B)² / tr(B²), where B is the covariance
    of those sums if every row of a cluster errs alike: the case with the fewest.
    """
    factor = 1 / (1 - shares)
    variance = float(factor @ np.square(sums))
    # Covariance of the sums of residuals: C = diag(s²) - p(s²)ᵀ - (s²)pᵀ + ppᵀ Σs², where p are
    # the shares and s² = p² times the number of rows. B = √(ff')C.
    squares = np.square(shares)
    total = float(squares.sum())
    diagonal = squares - 2 * shares * squares + np.square(shares) * total
    trace = float(factor @ diagonal)
    return Spread(sqrt(variance), trace**2 / _square_of(factor, shares, squares, total))


def _square_of(factor: np.ndarray, p: np.ndarray, s: np.ndarray, total: float) -> float:
    """Return tr(B²) = Σ f_g f_h C_gh², with C = diag(s) + M and M = -ps' - sp' + total pp'."""
    m = -2 * p * s + total * p * p
    own = float((factor**2 * (s * s + 2 * s * m)).sum())
    fpp, fps, fss = (float((factor * a * b).sum()) for a, b in ((p, p), (p, s), (s, s)))
    # Σ f_g f_h M_gh², multiplied out.
    rest = 2 * fpp * fss + 2 * fps**2 - 4 * total * fpp * fps + total**2 * fpp**2
    return own + rest
