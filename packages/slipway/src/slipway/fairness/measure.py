"""Rates of each protected group, and disparities between groups, with clustered intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, sqrt

import numpy as np

from slipway.fairness.registry import Disparity, Rate, disparities_of, rates_of
from slipway.metrics import inference
from slipway.metrics.clusters import Clusters, Spread, Way, combine, covariance_of
from slipway.metrics.groups import Group, Groups
from slipway.metrics.influence import Influence
from slipway.metrics.registry import ByInfluence, Options
from slipway.metrics.sample import Predictions, Sample
from slipway.metrics.stats import Estimate

# Groups of an attribute that are compared with each other, the largest; the others are counted.
MOST_GROUPS = 50


@dataclass(frozen=True)
class GroupRate:
    """A rate of a group; `is_tested` if it is compared with that of other groups."""

    value: float
    low: float
    high: float
    is_tested: bool


@dataclass(frozen=True)
class GroupRow:
    """A group that is large enough to be tested, and its rates that exist."""

    group: str
    rows: int
    clusters: int
    rates: dict[str, GroupRate]


@dataclass(frozen=True)
class Gap:
    """A disparity between the groups of an attribute.

    Attributes
    ----------
    value, low, high
        Its interval holds the true one; None if fewer than two groups could be compared.
    rate, smallest, largest
        The rate, and the groups with the smallest and the largest one.
    p_beyond
        Probability of such numbers if it is at the limit or within it: of the smallest p-value of
        all pairs of groups, times their number (Bonferroni). 1 without a limit.
    p_within
        Probability of such numbers if it is at the limit or beyond: the largest p-value of all
        pairs (intersection-union test). 1 without a limit.
    """

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rate: str = ""
    smallest: str = ""
    largest: str = ""
    limit: float | None = None
    p_beyond: float = 1.0
    p_within: float = 1.0


@dataclass(frozen=True)
class Attribute:
    """The groups of one slice that is protected.

    Attributes
    ----------
    small
        Groups that are counted and not tested, and their rows.
    """

    attribute: str
    groups: list[GroupRow] = field(default_factory=list)
    small: dict[str, int] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True)
class Scope:
    """What is measured: the task's classes, the smallest group, limits by disparity, intervals."""

    classes: Sequence[object]
    min_rows: int
    limits: Mapping[str, float]
    options: Options


def measure(sample: Sample, model: Predictions, groups: Groups, scope: Scope) -> list[Attribute]:
    """Return the protected groups of some labelled rows, by attribute.

    Notes
    -----
    Rates are those of all rows of a group, whatever the period that they are from, as in
    fairlearn's `MetricFrame`.
    """
    pooled = replace(sample, periods=(slice(0, sample.rows),))
    return [_attribute(name, pooled, model, group, scope) for name, group in groups.items()]


def _attribute(
    name: str, sample: Sample, model: Predictions, group: Group, scope: Scope
) -> Attribute:
    parts, small = _split(sample, model, group, scope.min_rows)
    rates = rates_of(model.task, scope.classes)
    influences = {
        rate.key: {value: part.influence(rate) for value, part in parts.items()}
        for each in rates.values()
        for rate in each
    }
    rows = [
        GroupRow(
            value,
            part.sample.rows,
            part.sample.clusters.count(part.sample.rows),
            {
                rate.key: part.estimate(rate, influences[rate.key][value], scope.options)
                for each in rates.values()
                for rate in each
                if influences[rate.key][value].value is not None
            },
        )
        for value, part in parts.items()
    ]
    gaps = []
    for disparity in disparities_of(model.task):
        pairs = [
            pair
            for key in disparity.rates
            for rate in rates[key]
            for pair in _pairs(rate, disparity, influences[rate.key], parts, sample.clusters)
        ]
        gaps.append(_gap(disparity, pairs, scope))
    return Attribute(name, rows, small, gaps)


def _split(
    sample: Sample, model: Predictions, group: Group, min_rows: int
) -> tuple[dict[str, _Members], dict[str, int]]:
    """Return the groups that are large enough, the largest first, and the rows of the others."""
    parts: dict[str, _Members] = {}
    small: dict[str, int] = {}
    for value, members in sorted(group.members(), key=lambda each: (-len(each[1]), each[0])):
        part = _Members(sample.take(members), model.take(members), members)
        if len(members) < min_rows or part.is_concentrated or len(parts) == MOST_GROUPS:
            small[value] = len(members)
        else:
            parts[value] = part
    return parts, small


@dataclass(frozen=True)
class _Members:
    """The rows of a group: their sample, their predictions and their positions."""

    sample: Sample
    model: Predictions
    rows: np.ndarray

    @property
    def is_concentrated(self) -> bool:
        """Whether its clusters are too few to decide anything."""
        return bool(inference.insufficient_reason(self.sample.clusters, self.sample.rows))

    @property
    def dof(self) -> float:
        """Degrees of freedom of the group's rows alone."""
        ways = self.sample.clusters.ways
        return min((way.dof for way in ways), default=max(1.0, self.sample.rows - 1))

    def influence(self, rate: Rate) -> Influence:
        return rate.influence(self.sample.labels, self.model)

    def estimate(self, rate: Rate, found: Influence, options: Options) -> GroupRate:
        measure = ByInfluence(rate.influence, rate.is_share)
        ends = (rate.smallest, rate.largest)
        shown: Estimate = measure.estimate(self.sample, self.model, options, ends)
        return GroupRate(
            shown.value, shown.low, shown.high, is_tested=not found.insufficient_reason
        )


@dataclass(frozen=True)
class _Pair:
    """How much worse one group is than another, larger is worse: minus the ratio, or a difference.

    `smallest` and `largest` are the groups with the smaller and the larger rate, if it is worse.
    """

    rate: str
    smallest: str
    largest: str
    value: float
    spread: Spread


def _pairs(
    rate: Rate,
    disparity: Disparity,
    influences: Mapping[str, Influence],
    parts: Mapping[str, _Members],
    clusters: Clusters,
) -> Iterator[_Pair]:
    """Yield each pair of groups that can be compared, in either direction.

    Notes
    -----
    A ratio has its linear approximation (delta method). A pair has the degrees of freedom of the
    group with fewer.
    """
    tested = {name: each for name, each in influences.items() if not each.insufficient_reason}
    sums = _Sums(tested, parts, clusters)
    for first, one in tested.items():
        for second, other in tested.items():
            small, large = one.value or 0.0, other.value or 0.0
            if first == second or (disparity.is_ratio and not large):
                continue
            weights = {first: -1.0, second: 1.0}
            value = large - small
            if disparity.is_ratio:
                value = -small / large
                weights = {first: -1 / large, second: small / large**2}
            dof = min(parts[first].dof, parts[second].dof)
            se = sums.standard_error(weights)
            yield _Pair(rate.key, first, second, value, Spread(se, dof))


class _Sums:
    """The sums of the pulls of each group over each cluster, from which all pairs follow."""

    def __init__(
        self,
        influences: Mapping[str, Influence],
        parts: Mapping[str, _Members],
        clusters: Clusters,
    ) -> None:
        self._clusters = clusters
        self._pulls = {name: each.pull for name, each in influences.items()}
        ways = [*clusters.ways, *([clusters.both] if clusters.both else [])]
        self._sums = {
            id(way): {
                name: np.bincount(way.codes[parts[name].rows], each.pull, way.count)
                for name, each in influences.items()
            }
            for way in ways
            if not way.is_rows
        }

    def standard_error(self, weights: Mapping[str, float]) -> float:
        """Return the standard error of a weighted sum of the groups' values."""
        if not self._clusters.ways:
            return self._of_rows(weights)
        return combine(self._clusters, lambda way: self._of_way(way, weights)).se

    def _of_rows(self, weights: Mapping[str, float]) -> float:
        pulls = ((weight, self._pulls[name]) for name, weight in weights.items())
        return sqrt(sum(weight**2 * float(pull @ pull) for weight, pull in pulls))

    def _of_way(self, way: Way, weights: Mapping[str, float]) -> Spread:
        if way.is_rows:
            return Spread(self._of_rows(weights), way.dof)
        if way.count < 2:
            return Spread(inf, 1)
        total = sum(weight * self._sums[id(way)][name] for name, weight in weights.items())
        variance = covariance_of(np.asarray(total)[:, None], way)[0, 0]
        return Spread(sqrt(float(variance)), way.dof)


def _gap(disparity: Disparity, pairs: Sequence[_Pair], scope: Scope) -> Gap:
    """Return a disparity from all pairs of groups.

    Notes
    -----
    The ends of its interval are one-sided bounds. The one towards equal groups is the largest of
    all pairs at alpha over their number; the other, the largest at alpha: it holds for the pair
    that truly differs most.
    """
    limit = scope.limits.get(disparity.key)
    if not pairs:
        return Gap(disparity.key, limit=limit)
    alpha = (1 - scope.options.confidence) / 2
    worst = max(pairs, key=lambda pair: pair.value)
    fair = max(_bound(pair, -1, alpha / len(pairs)) for pair in pairs)
    unfair = max(_bound(pair, 1, alpha) for pair in pairs)
    gap = Gap(
        disparity.key,
        rate=worst.rate,
        smallest=worst.smallest,
        largest=worst.largest,
        limit=limit,
        **_oriented(disparity, worst.value, fair, unfair),
    )
    if limit is None:
        return gap
    tests = [_test(pair, -limit if disparity.is_ratio else limit) for pair in pairs]
    smallest = min(above for above, _ in tests)
    return replace(
        gap,
        p_beyond=min(1.0, len(pairs) * smallest),
        p_within=max(below for _, below in tests),
    )


def _bound(pair: _Pair, sign: int, alpha: float) -> float:
    if pair.spread.se == inf:
        return sign * inf
    return pair.value + sign * inference.t_quantile(1 - 2 * alpha, pair.spread.dof) * pair.spread.se


def _oriented(disparity: Disparity, value: float, fair: float, unfair: float) -> dict[str, float]:
    """Return a value and its interval in the disparity's own unit, within its range."""
    top = min(disparity.largest, inference.UNBOUNDED)
    if disparity.is_ratio:
        value, fair, unfair = -value, -fair, -unfair
        return {"value": value, "low": max(0.0, unfair), "high": max(value, min(top, fair))}
    return {"value": value, "low": min(value, max(0.0, fair)), "high": min(top, unfair)}


def _test(pair: _Pair, limit: float) -> tuple[float, float]:
    """Return the one-sided p-values that a pair is beyond a limit, and that it is within."""
    found = inference.by_t(limit, pair.value, pair.spread, 0, 0.95)
    return found.p_up, found.p_down
