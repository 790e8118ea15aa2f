"""The calibration error: the mean distance of predicted and observed shares over bins.

It has no influence function where a bin is well calibrated. Its standard error is that of a
bootstrap over clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from slipway.metrics.clusters import Clusters, Spread, Way, combine, ewc_dof, multipliers
from slipway.metrics.stats import bins_of, drawn_errors

ROUNDS = 1000
SEED = 0


@dataclass(frozen=True)
class Binned:
    """The bin and the gap, label less score, of each row, each of shape (rows,)."""

    bins: np.ndarray
    gaps: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray, bins: int) -> Binned:
        return cls(bins_of(scores, bins), labels - scores)

    @property
    def count(self) -> int:
        return int(self.bins.max()) + 1

    @property
    def error(self) -> float:
        sums = np.bincount(self.bins, weights=self.gaps, minlength=self.count)
        return float(np.abs(sums).sum()) / len(self.gaps)


def spread_of_errors(models: Sequence[Binned], clusters: Clusters) -> Spread:
    """Return the spread of the last model's error less that of the first; of one model, its own."""
    if not clusters.ways:
        first, last = models[0], models[-1]
        drawn = drawn_errors(first.bins, first.gaps, last.bins, last.gaps, SEED)[2:]
        return Spread(_deviation(drawn[: len(models)]), len(first.gaps) - 1)
    return combine(clusters, lambda way: _spread_of_way(models, way))


def _spread_of_way(models: Sequence[Binned], way: Way) -> Spread:
    if way.count < 2:
        return Spread(inf, 1)
    random = np.random.default_rng(SEED)
    weights = multipliers(way, ROUNDS, random)
    shares = np.bincount(way.codes, minlength=way.count) / len(way.codes)
    drawn = []
    for model in models:
        cell = way.codes.astype("int64") * model.count + model.bins
        size = way.count * model.count
        table = np.bincount(cell, weights=model.gaps, minlength=size).reshape(way.count, -1)
        total = table.sum(0)
        moved = weights @ (table - np.outer(shares, total))
        drawn.append(np.abs(total + moved).sum(1) / len(model.gaps))
    dof = ewc_dof(way.count) if way.ordered else way.count - 1
    return Spread(_deviation(drawn), dof)


def _deviation(drawn: Sequence[np.ndarray]) -> float:
    return float((drawn[1] - drawn[0] if len(drawn) > 1 else drawn[0]).std())
