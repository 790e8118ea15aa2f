"""Permutation importance of a model's features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.comparison.report import Importance
from slipway.metrics import stats
from slipway.training.score import Model

if TYPE_CHECKING:
    from slipway.project import Columns


def permutation_importance(model: Model, features: Columns, labels: np.ndarray) -> list[Importance]:
    """Return the AUC that is lost when a feature is shuffled, largest loss first.

    Correlated features share their importance: each of them loses little.
    """
    random = np.random.default_rng(0)
    unshuffled = stats.auc(labels, model.score_features(features)).value
    losses = []
    for name, values in features.items():
        shuffled = {**features, name: random.permutation(values)}
        loss = unshuffled - stats.auc(labels, model.score_features(shuffled)).value
        losses.append(Importance(feature=name, auc_decrease=loss))
    return sorted(losses, key=lambda row: -row.auc_decrease)
