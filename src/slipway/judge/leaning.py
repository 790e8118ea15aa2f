"""What a model leans on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import stats
from slipway.score import Model

if TYPE_CHECKING:
    from slipway.contract import Columns


def leaning(model: Model, features: Columns, labels: np.ndarray) -> list[dict[str, Any]]:
    """Return how much AUC is lost when a feature is shuffled, largest loss first.

    The order is all that it says: a feature that another one can stand in for loses little.
    """
    draw = np.random.default_rng(0)
    whole = stats.auc(labels, model.score_features(features)).value
    found = []
    for name, values in features.items():
        shuffled = {**features, name: draw.permutation(values)}
        loss = whole - stats.auc(labels, model.score_features(shuffled)).value
        found.append({"feature": name, "auc_lost": loss})
    return sorted(found, key=lambda row: -row["auc_lost"])
