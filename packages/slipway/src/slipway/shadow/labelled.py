"""The metrics of two models on the requests that have labels, at any look.

The report on a model in shadow mode is read day after day, so its verdicts come from confidence
sequences: the probability that any of them is wrong at any look is at most that of one test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from slipway.comparison import verdict
from slipway.metrics import sequential
from slipway.metrics.clusters import Way
from slipway.metrics.registry import (
    ALL,
    ByInfluence,
    Options,
    Predictions,
    Sample,
    reported_of,
)
from slipway.numbers import counted
from slipway.predictions.answers import class_name
from slipway.shadow.paired_scores import PairedScores
from slipway.untrusted import shown

if TYPE_CHECKING:
    from slipway.metrics.paired import Difference
    from slipway.settings import Judge

Labels = Mapping[str, object]
"""Key to a label, as `Task.stored` has it."""


@dataclass(frozen=True)
class LabelledMetric:
    """A metric of both models on the labelled requests.

    Attributes
    ----------
    days_needed
        Days with labels that would decide if the estimate were right; None if it is decided, or
        if no number of days would decide.
    """

    name: str
    live: float | None
    candidate: float | None
    difference: Difference
    margin: float
    verdict: str
    days_needed: int | None = None


@dataclass(frozen=True)
class LabelledMetrics:
    """All metrics on the labelled requests.

    Attributes
    ----------
    positives
        Of the labels; None if the task has no positive class.
    days
        Days of requests that have labels.
    level
        Probability that all intervals of a metric, at every look, hold the true difference.
    """

    rows: int
    positives: int | None
    days: int
    level: float
    metrics: list[LabelledMetric]


def labelled_metrics(
    scores: PairedScores, labels: Labels, judge: Judge, precision: float = Options().precision
) -> LabelledMetrics | None:
    """Return the metrics of both models on the labelled requests.

    A row that was sent more than once counts once, with its last answer.

    Parameters
    ----------
    precision
        At which the recall counts.
    """
    last = scores.newest_of_each_key()
    codes, _ = codes_of(scores, labels)
    at = np.array([row for row in last.tolist() if scores.keys[row] in codes], dtype=int)
    if not len(at):
        return None
    truth = np.array([codes[key] for key in scores.keys[at].tolist()], dtype="float64")
    live, candidate = scores.live.take(at), scores.candidate.take(at)
    days = Way.of(scores.days[at], ordered=True)
    options = Options(1 - 2 * judge.alpha, precision=precision)
    metrics = [
        _measure(name, _difference(name, truth, live, candidate, days, options), days.count, judge)
        for name in reported_of(scores.task.name, judge.primary, judge.guards)
    ]
    positives = scores.task.counts(truth).get("positives")
    return LabelledMetrics(len(at), positives, days.count, options.confidence, metrics)


def codes_of(scores: PairedScores, labels: Labels) -> tuple[dict[str, float], list[str]]:
    """Return the labels as the task of the models codes them, and those that it does not have."""
    known = [(key, labels[key]) for key in dict.fromkeys(scores.keys.tolist()) if key in labels]
    values = np.empty(len(known), dtype=object)
    # The classes of answers are the names of members in JSON.
    named = bool(scores.task.classes)
    values[:] = [class_name(value) if named else value for _, value in known]
    codes, bad = scores.task.read(values)
    pairs = zip(known, codes.tolist(), bad.tolist(), strict=True)
    found = [(key, str(value), code, wrong) for (key, value), code, wrong in pairs]
    read = {key: code for key, _, code, wrong in found if not wrong}
    return read, [value for _, value, _, wrong in found if wrong]


def unknown_labels(scores: PairedScores, labels: Labels) -> list[str]:
    """Return a sentence about labels that the task of the models does not have."""
    _, bad = codes_of(scores, labels)
    if not bad:
        return []
    count = counted(len(bad), "label")
    return [f"not used, because not of these models: {count}, such as {shown(bad[0])}"]


def _difference(
    name: str,
    labels: np.ndarray,
    live: Predictions,
    candidate: Predictions,
    days: Way,
    options: Options,
) -> Difference:
    measure = ALL[name].measure
    if isinstance(measure, ByInfluence):
        first, second = (measure.of(labels, model, options) for model in (live, candidate))
        return sequential.difference(first, second, days, options.confidence)
    fixed = ALL[name].difference(Sample.of(labels), live, candidate, options)
    return replace(
        fixed,
        se=0.0,
        low=0.0,
        high=0.0,
        p_up=1.0,
        p_down=1.0,
        insufficient_reason="no interval of this metric holds at every look",
    )


def _measure(name: str, difference: Difference, days: int, judge: Judge) -> LabelledMetric:
    margin, alpha = judge.margins[name], judge.alpha
    word = verdict.classify(name, difference, margin, alpha, alpha)
    measured = LabelledMetric(name, difference.first, difference.second, difference, margin, word)
    if word != "inconclusive" or difference.insufficient_reason:
        return measured
    return replace(measured, days_needed=_days_needed(name, difference, days, margin, alpha))


def _days_needed(
    name: str, difference: Difference, days: int, margin: float, alpha: float
) -> int | None:
    """Return the days that would show that a loss is within the margin, or that there is one."""
    gain = ALL[name].sign * difference.value
    needed = [
        sequential.clusters_needed(effect, difference.se, days, 1 - 2 * alpha)
        for effect in (gain + margin, -gain)
        if effect > 0
    ]
    return min((count for count in needed if count is not None), default=None)
