"""The metrics of a binary model. A new metric is one entry of `METRICS` and its test.

Settings, evaluation, comparison, search, monitoring and reports read this table and no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from slipway.metrics import paired, stats
from slipway.metrics.paired import Difference
from slipway.metrics.stats import Estimate


@dataclass(frozen=True)
class Predictions:
    """A model's probabilities and the decisions made from them, each of shape (rows,)."""

    scores: np.ndarray
    decisions: np.ndarray

    @classmethod
    def at(cls, scores: np.ndarray, threshold: float) -> Predictions:
        """Return predictions that are positive from a probability of `threshold` on."""
        return cls(scores, scores >= threshold)

    def take(self, rows: np.ndarray) -> Predictions:
        return Predictions(self.scores[rows], self.decisions[rows])


@dataclass(frozen=True)
class Options:
    """Level of the intervals, and bins of the calibration error."""

    confidence: float = 0.95
    bins: int = 10


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    estimate
        From labels (0 or 1, shape (rows,)) and predictions to the value with its interval.
    difference
        From labels and two models' predictions to the paired difference, second less first.
    margin
        Default of `judge.margins`: the loss that does not matter, in the metric's own unit.
    largest
        Upper end of its values.
    may_be_primary
        Whether `judge.primary` may name it: it needs no threshold and has a closed form.
    headline
        Whether it is tested on every slice, must beat the baselines and is plotted over time.
    needs_both_classes
        Whether it does not exist for rows that all have the same label.
    """

    key: str
    label: str
    higher_is_better: bool
    margin: float
    estimate: Callable[[np.ndarray, Predictions, Options], Estimate]
    difference: Callable[[np.ndarray, Predictions, Predictions, Options], Difference]
    largest: float = 1.0
    may_be_primary: bool = False
    headline: bool = False
    needs_both_classes: bool = False

    @property
    def sign(self) -> int:
        """1 if higher values are better, else -1."""
        return 1 if self.higher_is_better else -1

    @property
    def direction(self) -> str:
        return "higher" if self.higher_is_better else "lower"


def _auc(labels: np.ndarray, model: Predictions, options: Options) -> Estimate:
    return stats.auc(labels, model.scores, options.confidence)


def _auc_difference(
    labels: np.ndarray, first: Predictions, second: Predictions, options: Options
) -> Difference:
    return paired.auc(labels, first.scores, second.scores, options.confidence)


def _mean_loss(
    key: str,
    label: str,
    margin: float,
    losses: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    largest: float = 1.0,
    headline: bool = False,
) -> Metric:
    """Return the mean over rows of `losses`, a function of labels and scores."""

    def estimate(labels: np.ndarray, model: Predictions, options: Options) -> Estimate:
        return stats.mean(losses(labels, model.scores), options.confidence)

    def difference(
        labels: np.ndarray, first: Predictions, second: Predictions, options: Options
    ) -> Difference:
        before, after = losses(labels, first.scores), losses(labels, second.scores)
        return paired.mean(before, after, options.confidence)

    return Metric(
        key=key,
        label=label,
        higher_is_better=False,
        margin=margin,
        estimate=estimate,
        difference=difference,
        largest=largest,
        may_be_primary=True,
        headline=headline,
    )


def _calibration_error(labels: np.ndarray, model: Predictions, options: Options) -> Estimate:
    return stats.calibration_error(labels, model.scores, options.bins, options.confidence)


def _calibration_error_difference(
    labels: np.ndarray, first: Predictions, second: Predictions, options: Options
) -> Difference:
    return paired.calibration_error(
        labels, first.scores, second.scores, options.bins, options.confidence
    )


def _precision(labels: np.ndarray, model: Predictions, options: Options) -> Estimate:
    hits = int((model.decisions & (labels == 1)).sum())
    return stats.wilson(hits, int(model.decisions.sum()), options.confidence)


def _precision_difference(
    labels: np.ndarray, first: Predictions, second: Predictions, options: Options
) -> Difference:
    return paired.precision(labels, first.decisions, second.decisions, options.confidence)


def _recall(labels: np.ndarray, model: Predictions, options: Options) -> Estimate:
    hits = int((model.decisions & (labels == 1)).sum())
    return stats.wilson(hits, int((labels == 1).sum()), options.confidence)


def _recall_difference(
    labels: np.ndarray, first: Predictions, second: Predictions, options: Options
) -> Difference:
    return paired.recall(labels, first.decisions, second.decisions, options.confidence)


_ENTRIES = (
    Metric(
        key="auc",
        label="AUC",
        higher_is_better=True,
        margin=0.005,
        estimate=_auc,
        difference=_auc_difference,
        may_be_primary=True,
        headline=True,
        needs_both_classes=True,
    ),
    _mean_loss("log_loss", "log loss", 0.003, stats.log_losses, largest=math.inf, headline=True),
    _mean_loss("brier", "Brier score", 0.002, stats.brier),
    Metric(
        key="calibration_error",
        label="calibration error",
        higher_is_better=False,
        margin=0.01,
        estimate=_calibration_error,
        difference=_calibration_error_difference,
    ),
    Metric(
        key="precision",
        label="precision",
        higher_is_better=True,
        margin=0.03,
        estimate=_precision,
        difference=_precision_difference,
    ),
    Metric(
        key="recall",
        label="recall",
        higher_is_better=True,
        margin=0.03,
        estimate=_recall,
        difference=_recall_difference,
    ),
)

METRICS: dict[str, Metric] = {metric.key: metric for metric in _ENTRIES}

PRIMARY = tuple(metric.key for metric in _ENTRIES if metric.may_be_primary)

HEADLINE = tuple(metric.key for metric in _ENTRIES if metric.headline)
