"""Permutation importance of the features of both models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from slipway.comparison.report import Importance, Loss
from slipway.metrics.registry import ALL, Options, Sample, headline_of
from slipway.training.score import Model

if TYPE_CHECKING:
    from slipway.project import Columns


def permutation_importance(
    model: Model,
    features: Columns,
    sample: Sample,
    confidence: float,
    champion: Mapping[str, Loss] | None = None,
) -> list[Importance]:
    """Return what the task's first headline metric loses when a feature is shuffled.

    The largest loss is first. Correlated features share their importance: each of them loses
    little.

    Parameters
    ----------
    sample
        The labels of the rows, and which of them depend on each other.
    confidence
        Of the intervals.
    champion
        The losses of the champion on the same rows.
    """
    losses = losses_of(model, features, sample, confidence)
    found = [
        Importance(
            feature=name,
            decrease=loss.value,
            low=loss.low,
            high=loss.high,
            champion=(champion or {}).get(name),
        )
        for name, loss in losses.items()
    ]
    return sorted(found, key=lambda row: -row.decrease)


def losses_of(
    model: Model, features: Columns, sample: Sample, confidence: float
) -> dict[str, Loss]:
    """Return the loss by each feature, the paired difference of scores with and without it."""
    random, threshold = np.random.default_rng(0), model.manifest.get("threshold")
    metric, options = ALL[headline_of(model.task.name)[0]], Options(confidence=confidence)
    unshuffled = model.task.predictions(model.score_features(features), threshold)
    whole = metric.estimate(sample, unshuffled, options).value

    def loss(rows: Columns) -> Loss:
        shuffled = model.task.predictions(model.score_features(rows), threshold)
        value = metric.sign * (whole - metric.estimate(sample, shuffled, options).value)
        found = metric.difference(sample, shuffled, unshuffled, options)
        if found.first is None:
            return Loss(value=value)
        low, high = sorted((metric.sign * found.low, metric.sign * found.high))
        return Loss(value=value, low=low, high=high)

    return {
        name: loss({**features, name: random.permutation(values)})
        for name, values in features.items()
    }
