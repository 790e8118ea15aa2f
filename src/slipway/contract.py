"""The one door from the machine to the user's `model` package.

Everything that `slipway` knows of the model passes through here. The heavy parts (pandera,
scikit-learn) are imported when they are asked for, so the service never loads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from model import features as _features
from model.rules import RULES
from model.target import NAME as TARGET
from model.target import label
from slipway.errors import Refused

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema
    from sklearn.base import ClassifierMixin

__all__ = [
    "RULES",
    "TARGET",
    "Columns",
    "Scorer",
    "behaviours",
    "estimator",
    "event_time",
    "features",
    "inputs",
    "key",
    "known_before",
    "label",
    "schema",
    "slices",
]

Columns = Mapping[str, np.ndarray]
"""A table: column name to array, all arrays of shape (rows,)."""

Scorer = Callable[[Columns], np.ndarray]
"""Raw columns to the probability of the positive class, shape (rows,), float64."""


def schema() -> DataFrameSchema:
    from model.schema import schema as rows

    return rows


def key() -> str:
    from model.schema import KEY

    return KEY


def event_time() -> str:
    from model.schema import EVENT_TIME

    return EVENT_TIME


def inputs() -> list[str]:
    """Names of the columns known when the prediction is asked for."""
    return [name for name, column in schema().columns.items() if known_before(column)]


def known_before(column: Any) -> bool:
    return bool((column.metadata or {}).get("known") == "before")


def features(columns: Columns) -> dict[str, np.ndarray]:
    """Return the features of some rows.

    Raises
    ------
    Refused
        The feature code reads a column that `columns` does not hold: one that is known
        only after the prediction is asked for, or that does not exist.
    """
    return dict(_features.features(_OnlyThese(columns)))


def estimator(params: Mapping[str, Any], categories: list[str]) -> ClassifierMixin:
    from model.estimator import build

    return build(params, categories)


def slices(columns: Columns) -> dict[str, np.ndarray]:
    """Return every slice's labels, name to array of text, shape (rows,)."""
    from model.slices import SLICES

    return {name: np.asarray(function(columns)) for name, function in SLICES.items()}


def behaviours(columns: Columns, score: Scorer) -> Iterator[tuple[str, str, np.ndarray, float]]:
    """Yield each behaviour: its name, what it says, where it holds, and the least share.

    Where it holds is an array of bool, shape (rows,).
    """
    from model.behaviours import BEHAVIOURS

    for name, behaviour in BEHAVIOURS.items():
        says = (behaviour.holds.__doc__ or "").strip().partition("\n")[0]
        yield name, says, np.asarray(behaviour.holds(columns, score)), behaviour.at_least


class _OnlyThese(Mapping[str, np.ndarray]):
    """Columns that name themselves when feature code asks for one that it must not see."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self._columns[name]
        except KeyError:
            raise Refused(
                f"src/model/features.py reads `{name}`, which is not known when the prediction "
                "is asked for",
                f"use a column that src/model/schema.py declares with `before`, or declare "
                f"`{name}` so if it really is known by then",
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
