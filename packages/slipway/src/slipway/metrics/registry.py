"""The metrics of all tasks. A new metric is one entry of `_ENTRIES` and its test.

Settings, evaluation, comparison, search, reports and the page read this table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Protocol

import numpy as np

from slipway.metrics import inference, influence, stats
from slipway.metrics.calibration import Binned, spread_of_errors
from slipway.metrics.clusters import spread_of
from slipway.metrics.inference import UNBOUNDED
from slipway.metrics.influence import ENOUGH, Influence
from slipway.metrics.paired import Difference, unknown
from slipway.metrics.sample import Predictions, Sample
from slipway.metrics.stats import Estimate
from slipway.numbers import plain

__all__ = [
    "HEADLINE",
    "METRICS",
    "PRIMARY",
    "ByInfluence",
    "Measure",
    "Metric",
    "Options",
    "Predictions",
    "Sample",
]

BINARY, MULTICLASS = "binary", "multiclass"
REGRESSION, QUANTILE = "regression", "quantile"


@dataclass(frozen=True)
class Options:
    """Level of the intervals, bins of the calibration error, precision at which recall counts."""

    confidence: float = 0.95
    bins: int = 10
    precision: float = 0.9


class Measure(Protocol):
    """How a metric and its standard error are computed."""

    def estimate(
        self, sample: Sample, model: Predictions, options: Options, ends: tuple[float, float]
    ) -> Estimate:
        """Return the value with its interval, cut to the `ends` of the metric's values."""

    def difference(
        self, sample: Sample, first: Predictions, second: Predictions, options: Options
    ) -> Difference:
        """Return the value of `second` less that of `first`."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    measure
        Its value, interval and paired difference.
    margin
        Default of `judge.margins`: the loss that does not matter, in the metric's own unit.
    tasks
        The tasks that have it.
    smallest, largest
        The ends of its values.
    may_be_primary
        Whether `judge.primary` may name it: it needs no threshold and has an influence function.
    headline
        Tasks in which it is tested on every slice and against the baselines, and plotted over time.
    in_label_units
        Whether its unit is that of the labels, so that no margin suits every project.
    on_request
        Whether a report has it only if `judge.primary` or `judge.guards` name it.
    is_compared
        Whether one of two values is better. The others are reported of each model alone.
    since
        The version of the judge's report that has it first.
    needs_both_classes
        Whether it does not exist for rows that all have the same label.
    """

    key: str
    label: str
    higher_is_better: bool
    margin: float
    measure: Measure
    tasks: tuple[str, ...] = (BINARY,)
    smallest: float = 0.0
    largest: float = 1.0
    may_be_primary: bool = False
    headline: tuple[str, ...] = ()
    in_label_units: bool = False
    on_request: bool = False
    is_compared: bool = True
    since: int = 1
    needs_both_classes: bool = False

    @property
    def sign(self) -> int:
        """1 if higher values are better, else -1."""
        return 1 if self.higher_is_better else -1

    @property
    def direction(self) -> str:
        return "higher" if self.higher_is_better else "lower"

    def shown(self, value: float) -> str:
        """Return a value as a text."""
        return plain(value, 4 if self.in_label_units else 3)

    def estimate(self, sample: Sample, model: Predictions, options: Options) -> Estimate:
        """Return the value of a model with its interval.

        Raises
        ------
        ValueError
            The metric does not exist for these rows.
        """
        return self.measure.estimate(sample, model, options, (self.smallest, self.largest))

    def difference(
        self, sample: Sample, first: Predictions, second: Predictions, options: Options
    ) -> Difference:
        """Return the paired difference of two models, `second` less `first`."""
        return self.measure.difference(sample, first, second, options)


@dataclass(frozen=True)
class ByInfluence:
    """A metric with an influence function.

    Attributes
    ----------
    influence
        From labels and predictions to the value and the pull of each row.
    is_share
        Whether it is a share of rows, whose interval is Wilson's. A share of no rows is 0.
    """

    influence: Callable[[np.ndarray, Predictions], Influence]
    is_share: bool = False

    def parts(self, sample: Sample, model: Predictions, options: Options) -> list[Influence]:
        """Return the influences on each period."""
        return [
            self.of(sample.labels[period], model.take(period), options) for period in sample.periods
        ]

    def of(self, labels: np.ndarray, model: Predictions, _options: Options) -> Influence:
        """Return the influences on the rows of a period."""
        return self.influence(labels, model)

    def estimate(
        self, sample: Sample, model: Predictions, options: Options, ends: tuple[float, float]
    ) -> Estimate:
        parts = self.parts(sample, model, options)
        exist = [part.value is not None for part in parts]
        if not any(exist):
            if self.is_share:
                return Estimate(0.0, *ends)
            raise ValueError(parts[0].insufficient_reason)
        kept, _ = sample.keep(list(compress(sample.periods, exist)))
        found = inference.mean_of(list(compress(parts, exist)))
        value = float(found.value or 0.0)
        if not found.has_spread:
            return Estimate(value, max(ends[0], -UNBOUNDED), min(ends[1], UNBOUNDED))
        spread = spread_of(found.pull, kept.clusters)
        if self.is_share:
            trials = min(found.support, kept.clusters.count(found.support))
            return inference.share_interval(value, spread, trials, options.confidence)
        return inference.interval(value, spread, options.confidence, ends)

    def difference(
        self, sample: Sample, first: Predictions, second: Predictions, options: Options
    ) -> Difference:
        """Return the difference on the periods for which it exists."""
        models = (self.parts(sample, model, options) for model in (first, second))
        pairs = list(zip(*models, strict=True))
        exist = [all(part.has_spread for part in pair) for pair in pairs]
        if not any(exist):
            return unknown(sample.rows, _reason(pairs))
        kept, _ = sample.keep(list(compress(sample.periods, exist)))
        before, after = zip(*compress(pairs, exist), strict=True)
        means = inference.mean_of(before), inference.mean_of(after)
        return inference.difference(*means, kept.clusters, options.confidence)


def _reason(pairs: Sequence[tuple[Influence, Influence]]) -> str:
    """Return why no period of two models has a difference."""
    return next(part.insufficient_reason for pair in pairs for part in pair if not part.has_spread)


class AtPrecision(ByInfluence):
    """The recall at the precision of the options."""

    def of(self, labels: np.ndarray, model: Predictions, options: Options) -> Influence:
        return influence.recall_at_precision(labels, model.scores, options.precision)


class ByBins:
    """The calibration error, whose standard error is that of a bootstrap over clusters."""

    def estimate(
        self, sample: Sample, model: Predictions, options: Options, ends: tuple[float, float]
    ) -> Estimate:
        binned = self._binned(sample, model, options)
        spread = spread_of_errors([binned], sample.clusters)
        return inference.interval(binned.error, spread, options.confidence, ends)

    def difference(
        self, sample: Sample, first: Predictions, second: Predictions, options: Options
    ) -> Difference:
        models = [self._binned(sample, model, options) for model in (first, second)]
        spread = spread_of_errors(models, sample.clusters)
        reason = inference.insufficient_reason(sample.clusters, sample.rows)
        if sample.rows < ENOUGH:
            reason = f"fewer than {ENOUGH} rows"
        before, after = (model.error for model in models)
        found = inference.by_t(before, after, spread, sample.rows, options.confidence, reason)
        return replace(found, clusters=sample.clusters.count(sample.rows))

    def _binned(self, sample: Sample, model: Predictions, options: Options) -> Binned:
        claims = model.claims(sample.labels)
        if claims is None:
            raise ValueError("there are no probabilities")
        return Binned.of(*claims, sample.periods, options.bins)


def _mean_loss(losses: Callable[[np.ndarray, Predictions], np.ndarray]) -> ByInfluence:
    """Return the mean over rows of `losses`, a function of labels and predictions."""
    return ByInfluence(lambda labels, model: influence.mean(losses(labels, model)))


def _of_errors(metric: Callable[[np.ndarray], Influence]) -> ByInfluence:
    """Return a metric of the predicted values less the labels."""
    return ByInfluence(lambda labels, model: metric(model.scores - labels))


_ENTRIES = (
    Metric(
        key="auc",
        label="AUC",
        higher_is_better=True,
        margin=0.005,
        measure=ByInfluence(lambda labels, model: influence.auc(labels, model.scores)),
        may_be_primary=True,
        headline=(BINARY,),
        needs_both_classes=True,
    ),
    Metric(
        key="macro_auc",
        label="macro AUC",
        higher_is_better=True,
        margin=0.005,
        measure=ByInfluence(lambda labels, model: influence.macro_auc(labels, model.scores)),
        tasks=(MULTICLASS,),
        may_be_primary=True,
        needs_both_classes=True,
    ),
    Metric(
        key="average_precision",
        label="average precision",
        higher_is_better=True,
        margin=0.01,
        measure=ByInfluence(
            lambda labels, model: influence.average_precision(labels, model.scores)
        ),
        may_be_primary=True,
        needs_both_classes=True,
        since=3,
    ),
    Metric(
        key="log_loss",
        label="log loss",
        higher_is_better=False,
        margin=0.003,
        measure=_mean_loss(lambda labels, model: stats.surprises(model.of_truth(labels))),
        tasks=(BINARY, MULTICLASS),
        largest=math.inf,
        may_be_primary=True,
        headline=(BINARY, MULTICLASS),
    ),
    Metric(
        key="brier",
        label="Brier score",
        higher_is_better=False,
        margin=0.002,
        measure=_mean_loss(lambda labels, model: stats.brier(labels, model.scores)),
        may_be_primary=True,
    ),
    Metric(
        key="accuracy",
        label="accuracy",
        higher_is_better=True,
        margin=0.01,
        measure=ByInfluence(
            lambda labels, model: influence.mean(model.decisions == labels), is_share=True
        ),
        tasks=(MULTICLASS,),
        may_be_primary=True,
        headline=(MULTICLASS,),
    ),
    Metric(
        key="macro_f1",
        label="macro F1",
        higher_is_better=True,
        margin=0.01,
        measure=ByInfluence(lambda labels, model: influence.macro_f1(labels, model.decisions)),
        tasks=(MULTICLASS,),
        may_be_primary=True,
    ),
    Metric(
        key="calibration_error",
        label="calibration error",
        higher_is_better=False,
        margin=0.01,
        measure=ByBins(),
        tasks=(BINARY, MULTICLASS),
    ),
    Metric(
        key="precision",
        label="precision",
        higher_is_better=True,
        margin=0.03,
        measure=ByInfluence(
            lambda labels, model: influence.precision(labels, model.decisions), is_share=True
        ),
    ),
    Metric(
        key="recall",
        label="recall",
        higher_is_better=True,
        margin=0.03,
        measure=ByInfluence(
            lambda labels, model: influence.recall(labels, model.decisions), is_share=True
        ),
    ),
    Metric(
        key="recall_at_precision",
        label="recall at a fixed precision",
        higher_is_better=True,
        margin=0.03,
        measure=AtPrecision(lambda labels, model: influence.recall(labels, model.decisions)),
        may_be_primary=True,
        on_request=True,
        needs_both_classes=True,
        since=3,
    ),
    Metric(
        key="mae",
        label="mean absolute error",
        higher_is_better=False,
        margin=0.01,
        measure=_of_errors(lambda errors: influence.mean(np.abs(errors))),
        tasks=(REGRESSION,),
        largest=math.inf,
        may_be_primary=True,
        headline=(REGRESSION,),
        in_label_units=True,
    ),
    Metric(
        key="rmse",
        label="root mean square error",
        higher_is_better=False,
        margin=0.01,
        measure=_of_errors(influence.root_mean_square),
        tasks=(REGRESSION,),
        largest=math.inf,
        may_be_primary=True,
        headline=(REGRESSION,),
        in_label_units=True,
    ),
    Metric(
        key="r2",
        label="R²",
        higher_is_better=True,
        margin=0.01,
        measure=ByInfluence(lambda labels, model: influence.r2(labels, model.scores)),
        tasks=(REGRESSION,),
        smallest=-math.inf,
        may_be_primary=True,
    ),
    Metric(
        key="bias",
        label="bias",
        higher_is_better=False,
        margin=0.01,
        measure=_of_errors(influence.distance_from_zero),
        tasks=(REGRESSION,),
        largest=math.inf,
        in_label_units=True,
    ),
    Metric(
        key="pinball_loss",
        label="pinball loss",
        higher_is_better=False,
        margin=0.01,
        measure=_mean_loss(
            lambda labels, model: stats.pinball(labels, model.scores, model.quantile)
        ),
        tasks=(QUANTILE,),
        largest=math.inf,
        may_be_primary=True,
        headline=(QUANTILE,),
        in_label_units=True,
    ),
    Metric(
        key="coverage",
        label="coverage",
        higher_is_better=True,
        margin=0.01,
        measure=ByInfluence(
            lambda labels, model: influence.mean(labels <= model.scores), is_share=True
        ),
        tasks=(QUANTILE,),
        is_compared=False,
    ),
    Metric(
        key="coverage_error",
        label="coverage error",
        higher_is_better=False,
        margin=0.01,
        measure=ByInfluence(
            lambda labels, model: influence.distance_from_zero(
                (labels <= model.scores) - model.quantile
            )
        ),
        tasks=(QUANTILE,),
    ),
)

ALL: dict[str, Metric] = {metric.key: metric for metric in _ENTRIES}


def metrics_of(task: str) -> dict[str, Metric]:
    """Return the metrics of a task."""
    return {metric.key: metric for metric in _ENTRIES if task in metric.tasks}


def compared_of(task: str) -> list[str]:
    """Return the metrics of a task by which two models are compared."""
    return [key for key, metric in metrics_of(task).items() if metric.is_compared]


def reported_of(task: str, primary: str, guards: Sequence[str]) -> list[str]:
    """Return the metrics that a report of a task has: those on request only if they are named."""
    named = {primary, *guards}
    return [key for key in compared_of(task) if not ALL[key].on_request or key in named]


def headline_of(task: str) -> tuple[str, ...]:
    """Return the metrics that are tested on every slice of a task's rows."""
    return tuple(metric.key for metric in _ENTRIES if task in metric.headline)


def primary_of(task: str) -> tuple[str, ...]:
    """Return the metrics of a task that `judge.primary` may name."""
    return tuple(key for key, metric in metrics_of(task).items() if metric.may_be_primary)


METRICS = {key: metric for key, metric in metrics_of(BINARY).items() if not metric.on_request}

PRIMARY = primary_of(BINARY)

HEADLINE = headline_of(BINARY)
