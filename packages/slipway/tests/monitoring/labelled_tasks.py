"""Made-up predictions with labels of classes, numbers and quantiles; years of weekly checks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slipway.monitoring.label_monitors import (
    LabelMonitor,
    QuantileMonitor,
    RegressionMonitor,
    multiclass_monitor,
)
from slipway.monitoring.labelled import Labelled
from slipway.monitoring.performance import evidence_by_series
from slipway.monitoring.sequential_test import windows_between_alarms
from slipway.settings import read_params
from slipway.tasks import declared_task

RATE, WEEKS, HOLDOUT = 0.1, 52, 10_000

CLASSES = declared_task("multiclass", ["a", "b", "c"])
NUMBERS = declared_task("regression", ())
QUANTILES = declared_task("quantile", (), 0.9)

Draw = Callable[[np.random.Generator, int, int, float, float], Labelled]


def of_classes(
    random: np.random.Generator, rows: int, days: int, rest: float, change: float
) -> Labelled:
    """Labels that follow their probabilities; `change` is the share of labels that do not.

    A day's odds differ by `rest`, whatever the probabilities are.
    """
    day = np.sort(random.integers(0, days, rows))
    logits = random.normal(0, 1.5, (rows, 3))
    scores = _softmax(logits)
    truth = _softmax(logits * (1 + rest * random.normal(0, 1, days)[day][:, None]))
    labels = (random.random((rows, 1)) > np.cumsum(truth, axis=1)).sum(axis=1).astype("float64")
    other = random.random(rows) < change
    labels[other] = random.integers(0, 3, int(other.sum()))
    return Labelled(labels, scores, _dates(day), scores.max(axis=1))


def of_numbers(
    random: np.random.Generator, rows: int, days: int, rest: float, change: float
) -> Labelled:
    """Labels with heavy tails (log-normal noise); `change` is what all of them rise by, relative.

    A day's labels differ by `rest`, relative.
    """
    day = np.sort(random.integers(0, days, rows))
    scores = random.gamma(2.0, 10.0, rows)
    noise = np.exp(0.5 * random.standard_normal(rows) - 0.125)
    labels = scores * noise * (1 + rest * random.normal(0, 1, days)[day]) * (1 + change)
    return Labelled(labels, scores, _dates(day), scores)


def of_quantiles(
    random: np.random.Generator, rows: int, days: int, rest: float, change: float
) -> Labelled:
    """The labels of `of_numbers`, with the 0.9 quantile of their noise."""
    part = of_numbers(random, rows, days, rest, change)
    scores = part.scores * np.exp(0.5 * 1.2816 - 0.125)
    return Labelled(part.labels, scores, part.days, scores)


def monitor_of(draw: Draw, random: np.random.Generator, rest: float) -> LabelMonitor:
    holdout = draw(random, HOLDOUT, 30, rest, 0.0)
    if holdout.scores.ndim > 1:
        return multiclass_monitor(CLASSES, holdout.labels, holdout.scores, holdout.days)
    if draw is of_quantiles:
        return QuantileMonitor.of(QUANTILES, holdout.labels, holdout.scores, holdout.days)
    return RegressionMonitor.of(NUMBERS, holdout.labels, holdout.scores, holdout.days)


def first_alarm(
    draw: Draw, seed: int, rows: int, rest: float = 0.0, change: float = 0.0, weeks: int = WEEKS
) -> float:
    """Return the week of the first alarm, from 1; infinite if there is none."""
    random = np.random.default_rng(seed)
    monitor = monitor_of(draw, random, rest)
    shifts = [monitor.shifts(draw(random, rows, 7, rest, change)) for _ in range(weeks)]
    windows = windows_between_alarms(RATE, len(monitor.series), 7)
    evidence = evidence_by_series(shifts, monitor, read_params(), windows)
    hit = np.any([each.values >= 1 for each in evidence.values()], axis=0)
    return float(np.argmax(hit) + 1) if hit.any() else np.inf


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _dates(day: np.ndarray) -> np.ndarray:
    return np.datetime64("2024-01-01") + day
