"""Cost of running a model: its size, and the time for one row."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from slipway.comparison.report import Cost, CostEntry, Rule
from slipway.dataset.tables import take
from slipway.training.formats.registry import model_path
from slipway.training.score import Model

if TYPE_CHECKING:
    from slipway.project import Columns

ROUNDS = 500


def costs(champion: Path | None, challenger: Path, features: Columns, rule: Rule) -> Cost:
    """Return size and one-row time of both models, and their limits.

    Parameters
    ----------
    champion, challenger
        Model folders; None if there is no champion.
    features
        Rows to time with, as the challenger's feature code makes them.

    Notes
    -----
    Both run in this process, turn by turn, so that other load affects both alike; the result is
    the median of `ROUNDS` rows. Only the model file is timed, not the features. A champion that
    does not run with the code of this commit is not timed; its own commit scores it.
    """
    loaded = {"champion": load_champion(champion, features), "challenger": Model.load(challenger)}
    models = {name: model for name, model in loaded.items() if model}
    times = _row_times(list(models.values()), features)
    medians = dict(zip(models, times, strict=True))
    return Cost(
        row_ms=CostEntry(
            champion=medians.get("champion"),
            challenger=medians["challenger"],
            limit=rule.max_row_ms,
        ),
        model_mb=CostEntry(
            champion=_megabytes(champion) if champion else None,
            challenger=_megabytes(challenger),
            limit=rule.max_model_mb,
        ),
    )


def load_champion(folder: Path | None, features: Columns) -> Model | None:
    """Return the champion if it runs here, with features and types of another commit; else None."""
    if folder is None:
        return None
    try:
        model = Model.load(folder)
        model.predict(features_for(model, take(features, slice(0, 1))))
    except Exception:  # noqa: BLE001 - its estimator may raise anything
        return None
    return model


def _row_times(models: list[Model], features: Columns) -> list[float]:
    """Return the median time of each model for one row, in milliseconds."""
    count = len(next(iter(features.values())))
    times: list[list[float]] = [[] for _ in models]
    for turn in range(ROUNDS):
        row = take(features, np.array([turn % count]))
        for model, taken in zip(models, times, strict=True):
            inputs = features_for(model, row)
            start = perf_counter()
            model.score_features(inputs)
            taken.append((perf_counter() - start) * 1000)
    return [median(taken) for taken in times]


def features_for(model: Model, rows: Columns) -> dict[str, np.ndarray]:
    """Return the features of a model; one that only the other model has is 0 or empty."""
    count = len(next(iter(rows.values())))
    return {
        feature["name"]: rows.get(feature["name"], _placeholder(feature["type"], count))
        for feature in model.manifest["features"]
    }


def _placeholder(kind: str, count: int) -> np.ndarray:
    return np.zeros(count, "float32") if kind == "number" else np.full(count, "", object)


def _megabytes(folder: Path) -> float:
    return model_path(folder).stat().st_size / 1e6
