"""Scores as columns of a parquet file: `score`, or one column for each class."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from slipway.reference.profile import DECIDED, SCORE

if TYPE_CHECKING:
    from slipway.project import Columns
    from slipway.tasks import Task


def score_columns(scores: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores of shape (rows,) or (rows, classes) as columns."""
    if scores.ndim == 1:
        return {SCORE: scores}
    return {f"{SCORE}_{code}": scores[:, code] for code in range(scores.shape[1])}


def predicted_columns(task: Task, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Return the series that are watched of some scores, those of `PREDICTED` that the task has."""
    decided = task.decided(scores)
    watched = {SCORE: task.monitored(scores)}
    return watched if decided is None else watched | {DECIDED: decided}


def is_score(column: str) -> bool:
    """Return whether a column of such a file holds scores."""
    return re.fullmatch(rf"{SCORE}(_\d+)?", column) is not None


def read_scores(columns: Columns) -> np.ndarray | None:
    """Return the scores of a file that has them and a key, or None if it has other columns."""
    names = [name for name in columns if name != "key"]
    numbered = [f"{SCORE}_{code}" for code in range(len(names))]
    if "key" not in columns or names not in ([SCORE], numbered):
        return None
    if any(columns[name].dtype != np.float64 for name in names):
        return None
    return columns[SCORE] if names == [SCORE] else np.stack([columns[n] for n in names], axis=1)
