"""The only interface between `slipway` and the user's `model` package.

Nothing of the package is imported before it is used: a command that does not need the model
works with one that is broken, and the service never loads the heavy parts (pandera,
scikit-learn). What the package raises is reported with its file and line (`user_code`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.errors import Refused, SlipwayError
from slipway.user_code import UserCodeError, user_code

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema
    from sklearn.base import ClassifierMixin

    RULES: Mapping[str, Callable[[Mapping[str, Any]], Any]]
    TARGET: str

__all__ = [
    "BINARY",
    "RULES",
    "TARGET",
    "Columns",
    "Scorer",
    "as_binary",
    "behaviours",
    "check_served",
    "estimator",
    "event_time",
    "features",
    "inputs",
    "key",
    "known_before",
    "label",
    "label_definition",
    "read_labels",
    "schema",
    "slices",
]

BINARY = "0 or 1 (false, true), and NaN where it is not known"
ONLY_BINARY = (
    "only two classes are supported: return whether a row is of the positive one, such as "
    "`columns['amount'] > 100`"
)
MOST_VALUES = 5

Columns = Mapping[str, np.ndarray]
"""A table: column name to array, all arrays of shape (rows,)."""

Scorer = Callable[[Columns], np.ndarray]
"""Raw columns to the probability of the positive class, shape (rows,), float64."""


def __getattr__(name: str) -> Any:
    """Load `RULES` and `TARGET` when they are first read."""
    if name == "RULES":
        return _load("rules", "RULES")
    if name == "TARGET":
        return _load("target", "NAME")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _load(module: str, name: str) -> Any:
    """Return what a module of the package defines."""
    with user_code():
        loaded = import_module(f"model.{module}")
    try:
        return getattr(loaded, name)
    except AttributeError:
        raise SlipwayError(
            f"src/model/{module}.py defines no `{name}`", "define it, as docs/model.md shows"
        ) from None


def check_served() -> None:
    """Load what a service needs of the package, so that it fails before any worker starts."""
    _load("rules", "RULES")
    _load("features", "features")


def schema() -> DataFrameSchema:
    r"""Return the schema of a row; in its patterns `$` means the end of the text, as `\Z` does."""
    from slipway.patterns import with_true_ends

    rows: DataFrameSchema = _load("schema", "schema")
    return with_true_ends(rows)


def key() -> str:
    return str(_load("schema", "KEY"))


def event_time() -> str:
    return str(_load("schema", "EVENT_TIME"))


def inputs() -> list[str]:
    """Names of the columns known when the prediction is asked for."""
    return [name for name, column in schema().columns.items() if known_before(column)]


def known_before(column: Any) -> bool:
    return bool((column.metadata or {}).get("known") == "before")


def features(columns: Columns) -> dict[str, np.ndarray]:
    """Return the features of some rows; missing text is ''.

    Raises
    ------
    Refused
        The feature code reads a column that `columns` does not hold: one that is known
        only after the prediction is asked for, or that does not exist.
    """
    make = _load("features", "features")
    with user_code("src/model/features.py: what `features` returns is not a dict of arrays"):
        found = dict(make(_OnlyThese(columns)))
    return {name: _without_none(values) for name, values in found.items()}


def _without_none(values: np.ndarray) -> np.ndarray:
    """Return a feature with '' for missing text: ONNX has no other way to write it."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "O":
        return values
    missing = values == None  # noqa: E711
    return np.where(missing, "", values) if missing.any() else values


def label(columns: Columns) -> np.ndarray:
    """Return the label of some rows, shape (rows,), float32: 0 or 1, NaN where it is not known.

    Raises
    ------
    SlipwayError
        The label code returns something else: more than two classes, text, or not one value a row.
    """
    labels, bad, found = read_labels(columns)
    if bad.any():
        values = list(dict.fromkeys(repr(value) for value in found[bad][:1000].tolist()))
        listed = ", ".join(values[:MOST_VALUES]) + (", …" if len(values) > MOST_VALUES else "")
        raise SlipwayError(
            f"{_label_code()} returns {listed} in {int(bad.sum()):,} of {len(labels):,} rows; "
            f"expected {BINARY}",
            ONLY_BINARY,
        )
    return labels


def read_labels(columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `label` does, where the label code returns something else, and what it returns.

    Raises
    ------
    SlipwayError
        It does not return one value a row.
    """
    rows = len(next(iter(columns.values())))
    make = _load("target", "label")
    with user_code():
        found = np.asarray(make(columns))
    if found.shape != (rows,):
        raise SlipwayError(
            f"{_label_code()} returns an array of shape {found.shape} for {rows:,} rows",
            f"return one value for each row: shape ({rows},)",
        )
    return (*as_binary(found), found)


def _label_code() -> str:
    return f"src/model/target.py: `label`, which makes `{_load('target', 'NAME')}`,"


def label_definition() -> str | None:
    """Return what the label means: the docstring of the function that makes it."""
    return inspect.getdoc(_load("target", "label"))


def as_binary(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values as labels, float32, NaN for None and missing ones; and which ones are not.

    0 and 1 are labels as numbers of any type and as booleans; text is not.
    """
    if values.dtype.kind in "biuf":
        labels = values.astype("float64")
    elif values.dtype.kind == "O":
        labels = np.array([_number(value) for value in values.tolist()], dtype="float64")
    else:
        labels = np.full(values.shape, np.inf)
    bad = ~(np.isnan(labels) | (labels == 0) | (labels == 1))
    return labels.astype("float32"), bad


def _number(value: Any) -> float:
    """Return a number or boolean as a float, NaN for a missing value, infinity for the rest."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return np.nan
    return float(value) if isinstance(value, (bool, int, float, np.number, np.bool_)) else np.inf


def estimator(params: Mapping[str, Any], categories: list[str]) -> ClassifierMixin:
    build = _load("estimator", "build")
    try:
        with user_code():
            return build(params, categories)
    except UserCodeError as error:
        if isinstance(missing := error.__cause__, KeyError):
            raise SlipwayError(
                f"src/model/estimator.py reads {missing} from `train`, and params.yaml has no "
                "such key",
                "add it to the section `train` of params.yaml",
            ) from missing
        raise


def slices(columns: Columns) -> dict[str, np.ndarray]:
    """Return every slice's labels, name to array of text, shape (rows,)."""
    with user_code():
        return {
            name: np.asarray(function(columns))
            for name, function in _load("slices", "SLICES").items()
        }


def behaviours(columns: Columns, score: Scorer) -> Iterator[tuple[str, str, np.ndarray, float]]:
    """Yield each behaviour: its name, what it says, where it holds, and the least share.

    Where it holds is an array of bool, shape (rows,).
    """
    for name, behaviour in _load("behaviours", "BEHAVIOURS").items():
        says = (behaviour.holds.__doc__ or "").strip().partition("\n")[0]
        with user_code():
            holds = np.asarray(behaviour.holds(columns, score))
        yield name, says, holds, behaviour.at_least


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
