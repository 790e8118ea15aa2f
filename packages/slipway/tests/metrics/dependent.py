"""Rows in clusters, two models that score them, and how often intervals hold the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr, ndtri, stdtr

from slipway.errors import Refused
from slipway.metrics import inference
from slipway.metrics.clusters import Clusters, Spread, Way, spread_of
from slipway.metrics.paired import Difference
from slipway.metrics.registry import METRICS, Options, Predictions, Sample
from slipway.metrics.stats import Estimate
from slipway.settings import Evaluate
from slipway.training.evaluate import check_baselines

LEVEL = 0.025  # of each one-sided test

CONFIDENCE = 0.95

BASE, SHIFT, NOISE, THRESHOLD, BINS = -1.0, 0.5, 0.5, 0.5, 10

OPTIONS = Options(CONFIDENCE, BINS)

SKEW = 0.7

WARM_UP = 40  # clusters before the first, so that the series is stationary


@dataclass(frozen=True)
class Case:
    """How rows depend on each other.

    Attributes
    ----------
    clusters, rows
        Number of clusters, and the mean number of rows in each.
    correlation
        Within clusters: of the errors of two rows.
    serial
        Of the effects of two neighbouring clusters.
    unequal
        Whether sizes differ; the standard deviation of their logarithm is 0.6.
    ordered
        Whether the clusters follow time.
    gain
        By how much less noise the second model has; 0 if the models are equal.
    periods
        Into how many periods the clusters are divided.
    entities
        If it is not 0, each row is also of one of that many entities, whose effects are as large as
        those of the clusters: two-way.
    largest
        The part of all rows that the first cluster has; 0 if it is like the others.
    base, threshold
        The rarity of a positive label, on the scale of a normal score; from which probability on a
        row is called positive.
    """

    clusters: int
    correlation: float
    serial: float = 0.0
    unequal: bool = False
    ordered: bool = True
    rows: int = 20
    gain: float = 0.0
    periods: int = 1
    entities: int = 0
    largest: float = 0.0
    base: float = BASE
    threshold: float = THRESHOLD

    def draw(self, random: np.random.Generator) -> Rows:
        sizes = np.full(self.clusters, self.rows)
        if self.unequal:
            sizes = 1 + (self.rows * np.exp(random.normal(-0.18, 0.6, self.clusters))).astype(int)
        if self.largest:
            sizes[0] = sizes[1:].sum() * self.largest / (1 - self.largest)
        codes = np.repeat(np.arange(self.clusters, dtype="int32"), sizes)
        entity = random.integers(0, self.entities, len(codes)) if self.entities else None
        truth, *errors = (self._errors(random, codes, entity) for _ in range(3))
        signal = random.standard_normal(len(codes))
        labels = (self.base + signal + truth > 0).astype("float32")
        first, second = (
            ndtr(self.base + SHIFT + signal + noise * error)
            for noise, error in zip((NOISE, NOISE - self.gain), errors, strict=True)
        )
        ways: tuple[Way, ...] = (Way(codes, self.clusters, self.ordered),)
        ways += () if entity is None else (Way.of(entity, name="entity"),)
        starts = [self.clusters * number // self.periods for number in range(self.periods + 1)]
        ends = np.searchsorted(codes, starts).tolist()
        periods = tuple(slice(start, end) for start, end in pairwise(ends))
        sample = Sample(labels, Clusters(ways), periods)
        models = (Predictions.at(scores, self.threshold) for scores in (first, second))
        return Rows(sample, *models)

    def _errors(
        self, random: np.random.Generator, codes: np.ndarray, entity: np.ndarray | None
    ) -> np.ndarray:
        """Return errors of variance 1 with the correlation of rows and of clusters."""
        of_cluster = np.sqrt(self.correlation) * series(random, (self.clusters,), self.serial)
        alone = 1 - self.correlation * (1 if entity is None else 2)
        errors = of_cluster[codes] + np.sqrt(alone) * random.standard_normal(len(codes))
        if entity is not None:
            of_entity = np.sqrt(self.correlation) * random.standard_normal(self.entities)
            errors += of_entity[entity]
        return np.asarray(errors)


def series(random: np.random.Generator, shape: tuple[int, ...], serial: float) -> np.ndarray:
    """Return normal series of variance 1 along the last axis, neighbours with this correlation."""
    steps = random.standard_normal((*shape[:-1], shape[-1] + WARM_UP)) * np.sqrt(1 - serial**2)
    return np.asarray(lfilter([1], [1, -serial], steps)[..., WARM_UP:])


@dataclass(frozen=True)
class Rows:
    """Labelled rows that depend on each other, and the predictions of two models for them."""

    sample: Sample
    first: Predictions
    second: Predictions

    def difference(self, metric: str) -> Difference:
        return METRICS[metric].difference(self.sample, self.first, self.second, OPTIONS)

    def first_value(self, metric: str) -> Estimate:
        return METRICS[metric].estimate(self.sample, self.first, OPTIONS)


def true_values(
    noise: float = NOISE, base: float = BASE, threshold: float = THRESHOLD
) -> dict[str, float]:
    """Return the metrics of a model for infinitely many rows, from a grid over its scores."""
    width = 1 + noise**2
    grid = np.sqrt(width) * ndtri((np.arange(20_000) + 0.5) / 20_000)
    chance = ndtr((base + grid / width) / np.sqrt(1 + noise**2 / width))
    scores = ndtr(base + SHIFT + grid)
    positive, negative = chance / chance.sum(), (1 - chance) / (1 - chance).sum()
    chosen = scores >= threshold
    tail = np.cumsum(chance[::-1])[::-1] - chance / 2
    ranked = np.arange(len(chance), 0, -1) - 0.5
    gaps = (chance - scores).reshape(BINS, -1).mean(1)
    return {
        "auc": float(positive @ (np.cumsum(negative) - negative / 2)),
        "average_precision": float(positive @ (tail / ranked)),
        "log_loss": float(-(chance * np.log(scores) + (1 - chance) * np.log(1 - scores)).mean()),
        "brier": float((chance * (1 - scores) ** 2 + (1 - chance) * scores**2).mean()),
        "precision": float(chance[chosen].mean()),
        "recall": float(positive[chosen].sum()),
        "calibration_error": float(np.abs(gaps).mean()),
    }


@dataclass(frozen=True)
class Rates:
    """Shares of runs.

    Attributes
    ----------
    better
        Equal models were called different in one direction: the mean over both directions.
    held
        The interval of a model's value held the true one; 1 for a metric without a formula in
        `true_values`.
    """

    better: float
    held: float


def rates_of(case: Case, runs: int, seed: int = 0) -> dict[str, Rates]:
    """Return the rates of each metric over simulated rows."""
    truth = true_values(base=case.base, threshold=case.threshold)
    better, held = (dict.fromkeys(METRICS, 0) for _ in range(2))
    for rows in drawn(case, runs, seed):
        for metric in METRICS:
            found, single = rows.difference(metric), rows.first_value(metric)
            better[metric] += min(found.p_up, found.p_down) <= LEVEL
            held[metric] += metric not in truth or single.low <= truth[metric] <= single.high
    return {each: Rates(better[each] / runs / 2, held[each] / runs) for each in METRICS}


def power_of(case: Case, metric: str, pilots: int, runs: int, seed: int = 0) -> tuple[int, float]:
    """Return the clusters that a true difference needs, and the share of runs that then show it.

    The formula gets the true effect and the mean variance of `pilots` runs of the case.
    """
    effect = abs(true_values(NOISE - case.gain)[metric] - true_values()[metric])
    found = [rows.difference(metric) for rows in drawn(case, pilots, seed)]
    se = float(np.sqrt(np.mean([each.se**2 for each in found])))
    dof = float(np.mean([each.dof for each in found]))
    needed = inference.clusters_needed(effect, Spread(se, dof), case.clusters, LEVEL)
    entities = round(case.entities * needed / case.clusters)
    many = drawn(replace(case, clusters=needed, entities=entities), runs, seed + 1)
    shown = [rows.difference(metric) for rows in many]
    return needed, float(np.mean([min(each.p_up, each.p_down) <= LEVEL for each in shown]))


def refused_as_worse(case: Case, runs: int, *, by_rows: bool = False, seed: int = 0) -> float:
    """Return how often a model that is as good as its baseline is refused as worse.

    Parameters
    ----------
    by_rows
        Whether rows count as independent.
    """
    refused = 0
    for rows in drawn(case, runs, seed):
        sample = Sample.of(rows.sample.labels) if by_rows else rows.sample
        mean = np.full(sample.rows, sample.labels.mean())
        baselines = {"constant": mean, "other": rows.first.scores}
        try:
            check_baselines(sample, rows.second.scores, baselines, Evaluate())
        except Refused:
            refused += 1
    return refused / runs


def drawn(case: Case, runs: int, seed: int) -> Iterator[Rows]:
    random = np.random.default_rng(seed)
    for _ in range(runs):
        yield case.draw(random)


def rate_of_levels(
    clusters: int, serial: float, skewed: bool, levels: Sequence[float], runs: int
) -> list[float]:
    """Return how often each one-sided test rejects the true mean of a series of cluster means.

    A skewed series is log-normal, with a skewness of 2.9.
    """
    values = series(np.random.default_rng(0), (runs, clusters), serial)
    truth = np.exp(SKEW**2 / 2) if skewed else 0.0
    values = np.exp(SKEW * values) if skewed else values
    means = values.mean(1)
    days = Clusters((Way(np.arange(clusters), clusters, ordered=True),))
    pulls = (values - means[:, None]) / clusters
    spreads = [spread_of(pull, days) for pull in pulls]
    t = np.abs(means - truth) / [spread.se for spread in spreads]
    p = stdtr(spreads[0].dof, -t)
    return [float((p <= level).mean() / 2) for level in levels]
