"""Permutation importance of a model's features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.comparison.report import Importance
from slipway.metrics.registry import ALL, Options, Sample, headline_of
from slipway.training.score import Model

if TYPE_CHECKING:
    from slipway.project import Columns


def permutation_importance(model: Model, features: Columns, labels: np.ndarray) -> list[Importance]:
    """Return what the task's first headline metric loses when a feature is shuffled.

    The largest loss is first. Correlated features share their importance: each of them loses
    little.
    """
    random, threshold = np.random.default_rng(0), model.manifest.get("threshold")
    metric, sample = ALL[headline_of(model.task.name)[0]], Sample.of(labels)

    def value(rows: Columns) -> float:
        scored = model.task.predictions(model.score_features(rows), threshold)
        return metric.sign * metric.estimate(sample, scored, Options()).value

    unshuffled = value(features)
    losses = [
        Importance(
            feature=name,
            decrease=unshuffled - value({**features, name: random.permutation(values)}),
        )
        for name, values in features.items()
    ]
    return sorted(losses, key=lambda row: -row.decrease)
