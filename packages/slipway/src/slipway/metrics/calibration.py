"""Calibration: predicted and observed values of bins, and the mean distance of both.

The mean distance, the calibration error, has no influence function where a bin is well calibrated.
Its standard error is that of a bootstrap over clusters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from slipway.metrics import inference, influence
from slipway.metrics.clusters import Clusters, Spread, Way, combine, covariance_of, spread_of
from slipway.metrics.sample import Sample
from slipway.metrics.stats import Estimate, bins_of, drawn_errors

ROUNDS = 1000
SEED = 0


@dataclass(frozen=True)
class Binned:
    """The bin and the gap, label less score, of each row, each of shape (rows,)."""

    bins: np.ndarray
    gaps: np.ndarray

    @classmethod
    def of(
        cls, labels: np.ndarray, scores: np.ndarray, periods: Iterable[slice], bins: int
    ) -> Binned:
        """Return bins of equal count within each period; together they give the mean error."""
        parts = [
            np.uint32(number * bins) + bins_of(scores[rows], bins)
            for number, rows in enumerate(periods)
        ]
        return cls(np.concatenate(parts), labels - scores)

    @property
    def count(self) -> int:
        return int(self.bins.max()) + 1

    def equals(self, other: Binned) -> bool:
        return np.array_equal(self.bins, other.bins) and np.array_equal(self.gaps, other.gaps)

    def total(self) -> np.ndarray:
        """Return the sum of the gaps of each bin, shape (bins,)."""
        return np.bincount(self.bins, weights=self.gaps, minlength=self.count)

    def table(self, codes: np.ndarray, rows: np.ndarray, clusters: int) -> np.ndarray:
        """Return the sum of the gaps of each cluster and bin, shape (clusters, bins)."""
        cells = codes.astype("int64") * self.count
        cells += self.bins[rows]
        size = clusters * self.count
        return np.bincount(cells, weights=self.gaps[rows], minlength=size).reshape(clusters, -1)

    @property
    def error(self) -> float:
        return float(np.abs(self.total()).sum()) / len(self.gaps)


def spread_of_errors(models: Sequence[Binned], clusters: Clusters) -> Spread:
    """Return the spread of the last model's error less that of the first; of one model, its own.

    Notes
    -----
    A bootstrap over clusters with normal weights. The sums of the bins are then normal, so they
    are drawn with the covariance that their clusters give them.
    """
    if not clusters.ways:
        return _spread_of_rows(models)
    return combine(clusters, lambda way: _spread_of_way(models, way))


def _spread_of_rows(models: Sequence[Binned]) -> Spread:
    first, last = models[0], models[-1]
    drawn = drawn_errors(first.bins, first.gaps, last.bins, last.gaps, SEED)[2:]
    return Spread(_deviation(drawn[: len(models)]), max(1, len(first.gaps) - 1))


def _spread_of_way(models: Sequence[Binned], way: Way) -> Spread:
    if way.is_rows:
        return _spread_of_rows(models)
    if way.count < 2:
        return Spread(inf, 1)
    if len(models) > 1 and models[0].equals(models[1]):
        return Spread(0.0, way.dof)  # without the rounding of a root
    totals = np.concatenate([model.total() for model in models])
    scale, axes = np.linalg.eigh(covariance_of_bins(models, way))
    root = axes * np.sqrt(np.maximum(scale, 0)) @ axes.T
    drawn = np.random.default_rng(SEED).standard_normal((ROUNDS, len(root))) @ root
    drawn += totals
    np.abs(drawn, out=drawn)
    starts = np.cumsum([0, *(model.count for model in models[:-1])])
    errors = np.add.reduceat(drawn, starts, axis=1) / len(models[0].gaps)
    return Spread(_deviation(errors.T), way.dof)


def covariance_of_bins(models: Sequence[Binned], way: Way) -> np.ndarray:
    """Return the covariance of the sums of all models' bins, from parts as large as the rows."""
    totals = np.concatenate([model.total() for model in models])
    step = way.count if way.ordered else max(1, len(way.codes) // len(totals))
    starts = range(0, way.count, step)
    parts = [slice(first, min(first + step, way.count)) for first in starts]
    return np.sum([_covariance_of_part(models, totals, way, part) for part in parts], axis=0)


def _covariance_of_part(
    models: Sequence[Binned], totals: np.ndarray, way: Way, part: slice
) -> np.ndarray:
    rows = np.flatnonzero((way.codes >= part.start) & (way.codes < part.stop))
    codes = way.codes[rows] - np.int32(part.start)
    count = part.stop - part.start
    sums = np.concatenate([model.table(codes, rows, count) for model in models], axis=1)
    sums -= np.outer(way.shares[part], totals)
    return covariance_of(sums, way, part.start)


def _deviation(drawn: Sequence[np.ndarray] | np.ndarray) -> float:
    return float((drawn[1] - drawn[0] if len(drawn) > 1 else drawn[0]).std())


def rate_curve(
    sample: Sample, outcomes: np.ndarray, scores: np.ndarray, bins: int, confidence: float = 0.95
) -> list[dict[str, float]]:
    """Return, for each bin of equal count, its rows, mean score and label rate with interval.

    Parameters
    ----------
    outcomes
        0 or 1 for each row of the sample, such as whether it is of a class.
    """
    return [
        {**_of_bin(rows, scores), "label_rate": rate.value, "low": rate.low, "high": rate.high}
        for rows in _rows_of_bins(scores, bins)
        for rate in [_rate(outcomes[rows], sample.clusters.take(rows), confidence)]
    ]


def mean_curve(
    sample: Sample, scores: np.ndarray, bins: int, confidence: float = 0.95
) -> list[dict[str, float]]:
    """Return, for each bin of equal count, its rows, mean score and mean label with interval.

    The interval is cut to the range of the labels, since too few clusters bound nothing.
    """
    ends = float(sample.labels.min()), float(sample.labels.max())
    return [
        {**_of_bin(rows, scores), "mean_label": mean.value, "low": mean.low, "high": mean.high}
        for rows in _rows_of_bins(scores, bins)
        for mean in [_mean(sample.labels[rows], sample.clusters.take(rows), confidence, ends)]
    ]


@dataclass(frozen=True)
class BinCurves:
    """The calibration curves of a sample, in bins of equal count."""

    sample: Sample
    bins: int

    def of_rates(self, outcomes: np.ndarray, scores: np.ndarray) -> list[dict[str, float]]:
        """As `rate_curve`."""
        return rate_curve(self.sample, outcomes, scores, self.bins)

    def of_means(self, scores: np.ndarray) -> list[dict[str, float]]:
        """As `mean_curve`."""
        return mean_curve(self.sample, scores, self.bins)


def _rows_of_bins(scores: np.ndarray, bins: int) -> Iterator[np.ndarray]:
    in_bin = bins_of(scores, bins)
    return (np.flatnonzero(in_bin == each) for each in range(int(in_bin.max()) + 1))


def _of_bin(rows: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    return {"rows": len(rows), "mean_score": float(scores[rows].mean())}


def _rate(outcomes: np.ndarray, clusters: Clusters, confidence: float) -> Estimate:
    found, count = influence.mean(outcomes), len(outcomes)
    spread = spread_of(found.pull, clusters)
    return inference.share_interval(found.value or 0.0, spread, clusters.count(count), confidence)


def _mean(
    labels: np.ndarray, clusters: Clusters, confidence: float, ends: tuple[float, float]
) -> Estimate:
    found = influence.mean(labels)
    value = float(found.value or 0.0)
    if not found.has_spread:
        return Estimate(value, *ends)
    return inference.interval(value, spread_of(found.pull, clusters), confidence, ends)
