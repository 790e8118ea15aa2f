"""The only interface between `slipway` and the user's `model` package.

Modules of the package are imported when they are first used: a command that does not need the
model works with a broken one, and the service never loads the heavy parts (pandera,
scikit-learn). Exceptions of the package are reported with file and line (`user_code`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway.errors import Refused, SlipwayError, first_line
from slipway.tasks import Task, declared_task
from slipway.tasks.base import listed
from slipway.user_code import UserCodeError, find_line, user_code

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema
    from sklearn.base import BaseEstimator

    from slipway.settings import TrainSettings

    RULES: Mapping[str, Rule]
    TARGET: str

__all__ = [
    "ROW_KEY",
    "RULES",
    "SCHEMA",
    "TARGET",
    "Columns",
    "Recorder",
    "Row",
    "Rule",
    "Scorer",
    "apply_rule",
    "behaviours",
    "check_served",
    "columns_read",
    "dependence",
    "entity",
    "estimator",
    "event_time",
    "features",
    "inputs",
    "joined_key",
    "key_columns",
    "key_entry",
    "key_names",
    "known_before",
    "label",
    "label_definition",
    "not_retrainable",
    "personal",
    "personal_of",
    "protected",
    "protected_slices",
    "read_labels",
    "row_keys",
    "schema",
    "sliced",
    "slices",
    "task",
    "time_column",
]

SCHEMA = "src/model/schema.py"

ROW_KEY = "slipway_row"
"""The column of rows without a key: the file and the number of the row in it."""

Row = dict[str, object]
"""A row of a table: column name to value, as in JSON."""

Columns = Mapping[str, np.ndarray]
"""A table: column name to array, all arrays of shape (rows,)."""

Rule = Callable[[Columns], object]
"""A cross-column check: columns, or a DataFrame, to whether each row passes, shape (rows,)."""

Scorer = Callable[[Columns], np.ndarray]
"""Raw columns to scores, as the task has them: float64, shape (rows,) or (rows, classes)."""


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
    """Load the parts that a service needs, so that it fails before any worker starts."""
    _load("rules", "RULES")
    _load("features", "features")


def schema() -> DataFrameSchema:
    r"""Return the schema of a row; in its patterns `$` means the end of the text, as `\Z` does."""
    from slipway.patterns import with_true_ends

    rows: DataFrameSchema = _load("schema", "schema")
    return with_true_ends(rows)


def key_columns() -> tuple[str, ...]:
    """Return the columns that identify a row together: `KEY`; none if it is None.

    Raises
    ------
    SlipwayError
        It is neither a name, nor a list of different names, nor None.
    """
    declared = _load("schema", "KEY")
    is_list = isinstance(declared, list | tuple) and all(isinstance(n, str) for n in declared)
    names = key_names(declared) if is_list or isinstance(declared, str | None) else ()
    if len(set(names)) < len(names) or (not names and declared is not None):
        raise SlipwayError(
            f"{SCHEMA}: `KEY` is {declared!r}; expected the name of a column, a list of different "
            "names, or None",
            'such as `KEY = "customer_id"`, or `KEY = ["customer_id", "month"]`',
        )
    return names


def key_names(key: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns of a key, as the schema and a manifest have it: one, several or none."""
    if key is None:
        return ()
    return (key,) if isinstance(key, str) else tuple(key)


def key_entry() -> str | list[str] | None:
    """Return the key as a manifest has it."""
    names = key_columns()
    return names[0] if len(names) == 1 else list(names) or None


def row_keys(columns: Columns, names: Sequence[str] | None = None) -> np.ndarray:
    """Return the key of each row, shape (rows,): text or integers.

    Of several columns it is the JSON of their values; without a key it is the column `ROW_KEY`,
    which the reader of data/ adds.

    Parameters
    ----------
    names
        The columns of the key; default: those that the project declares.
    """
    names = (key_columns() if names is None else names) or (ROW_KEY,)
    if len(names) == 1:
        return columns[names[0]]
    rows = zip(*(columns[name].tolist() for name in names), strict=True)
    return np.array([joined_key(row) for row in rows], dtype=object)


def joined_key(values: Iterable[object]) -> str:
    """Return a key of several values as one text: compact JSON of the list of them."""
    return orjson.dumps(list(values)).decode()


def event_time() -> str | None:
    """Return the column with the time of the event: `EVENT_TIME`; None if rows have no time.

    Raises
    ------
    SlipwayError
        It is neither a name nor None.
    """
    return time_column(_load("schema", "EVENT_TIME"))


def time_column(name: object) -> str | None:
    """Return `EVENT_TIME`; raises SlipwayError if it is neither a name nor None."""
    if name is not None and not isinstance(name, str):
        raise SlipwayError(
            f"{SCHEMA}: `EVENT_TIME` is {name!r}; expected the name of a column, or None",
            "name the column with the time of the event, or None if rows have no time",
        )
    return name


def personal() -> dict[str, str]:
    """Return the personal columns, and whether the prediction log drops or hashes their values.

    Raises
    ------
    SlipwayError
        A column has another entry, or is one that the log cannot do without.
    """
    columns = schema().columns
    found = {name: personal_of(name, column) for name, column in columns.items()}
    marked = {name: way for name, way in found.items() if way}
    if event_time() in marked:
        raise SlipwayError(
            f"{SCHEMA}: column `{event_time()}` is personal, and it is the time of the event",
            "each day of the log is found by it: take the mark away",
        )
    if dropped := [name for name in key_columns() if marked.get(name) == "drop"]:
        raise SlipwayError(
            f"{SCHEMA}: column `{dropped[0]}` is in the key, and would be dropped from the log",
            'labels are joined by it: use "personal": "hash"',
        )
    return marked


def personal_of(name: str, column: Any) -> str:
    """Return "drop", "hash" or, for a column that is not personal, ""; raises SlipwayError."""
    way = (column.metadata or {}).get("personal", "")
    if way not in ("", "drop", "hash"):
        raise SlipwayError(
            f"{SCHEMA}: column `{name}`: its metadata has personal: {way!r}",
            'use "drop" or "hash" (docs/privacy.md)',
        )
    return str(way)


def not_retrainable() -> str:
    """Return why rows of the prediction log cannot be added to data/; "" if they can."""
    if lost := [name for name in inputs() if name in personal()]:
        return f"{SCHEMA}: `{lost[0]}` is personal, so the log does not have its values"
    if event_time() is None:
        return f"{SCHEMA}: `EVENT_TIME` is None, so no period can be added"
    if len(key_columns()) != 1:
        return f"{SCHEMA}: `KEY` is {key_entry()}, and a key of one column is needed to add rows"
    return ""


def dependence() -> dict[str, object]:
    """Return the settings of which rows depend on each other, those that are set."""
    _load("schema", "EVENT_TIME")
    module = import_module("model.schema")
    names = ("EVENT_TIME", "CLUSTERS", "TIME_ZONE")
    return {name: getattr(module, name) for name in names if hasattr(module, name)}


def schema_source() -> bytes:
    """Return the content of the file that declares the schema."""
    _load("schema", "EVENT_TIME")
    return Path(str(import_module("model.schema").__file__)).read_bytes()


def entity() -> str:
    """Return the first column of `CLUSTERS` other than the event time; "" if there is none.

    `slipway.dataset.dependence` refuses settings that are not valid.
    """
    columns = dependence().get("CLUSTERS", ())
    names = columns if isinstance(columns, list | tuple) else ()
    others = (name for name in names if isinstance(name, str) and name != event_time())
    return next(others, "")


def inputs() -> list[str]:
    """Names of the columns known when the prediction is requested."""
    return [name for name, column in schema().columns.items() if known_before(column)]


def known_before(column: Any) -> bool:
    return bool((column.metadata or {}).get("known") == "before")


def features(columns: Columns) -> dict[str, np.ndarray]:
    """Return the features of some rows; missing text is ''.

    The code returns a dict of arrays, or of columns of pandas, or a DataFrame.

    Raises
    ------
    Refused
        The feature code reads a column that `columns` does not hold: one that is known
        only after the prediction is requested, or that does not exist.
    """
    make = _load("features", "features")
    with user_code("src/model/features.py: what `features` returns is not a dict of arrays"):
        made = make(_OnlyThese(columns))
        found = {str(name): _as_array(values) for name, values in dict(made).items()}
    return {name: _without_none(values) for name, values in found.items()}


def _as_array(values: Any) -> np.ndarray:
    """Return a feature as an array; a column of pandas has the types that a model takes."""
    if isinstance(values, np.ndarray) or not hasattr(values, "to_numpy"):
        return values
    if values.dtype.kind in "biuf":
        return np.asarray(values.to_numpy(dtype="float32", na_value=np.nan))
    text = values.astype(object)
    return np.asarray(text.where(text.notna(), None).to_numpy())


def _without_none(values: np.ndarray) -> np.ndarray:
    """Return a feature with '' for missing text: ONNX has no missing text."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "O":
        return values
    missing = values == None  # noqa: E711
    return np.where(missing, "", values) if missing.any() else values


def task() -> Task:
    """Return what the model predicts: `TASK`, `CLASSES` and `QUANTILE` of the target.

    The default of the task is binary.

    Raises
    ------
    SlipwayError
        There is no such task, or its classes or its quantile are not valid.
    """
    _load("target", "NAME")
    module = import_module("model.target")
    name, classes = getattr(module, "TASK", "binary"), getattr(module, "CLASSES", ())
    return declared_task(name, classes, getattr(module, "QUANTILE", None))


def label(columns: Columns) -> np.ndarray:
    """Return the label of some rows, shape (rows,), as the task reads it; NaN: it is not known.

    Raises
    ------
    SlipwayError
        The label code returns what is no label of the task, or not one value a row.
    """
    labels, bad, found = read_labels(columns)
    if bad.any():
        values = list(dict.fromkeys(found[bad][:1000].tolist()))
        raise SlipwayError(
            f"{_label_code()} returns {listed(values)} in {int(bad.sum()):,} of {len(labels):,} "
            f"rows; expected {task().expected}",
            task().remedy,
        )
    return labels


def read_labels(columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the labels of some rows, which of them are not valid, and the code's own values.

    Raises
    ------
    SlipwayError
        The label code does not return one value a row.
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
    return (*task().read(found), found)


def _label_code() -> str:
    return f"src/model/target.py: `label`, which computes `{_load('target', 'NAME')}`,"


def label_definition() -> str | None:
    """Return the docstring of the function that computes the label."""
    return inspect.getdoc(_load("target", "label"))


def estimator(params: TrainSettings, categories: list[str]) -> BaseEstimator:
    build = _load("estimator", "build")
    try:
        with user_code():
            built = build(params, categories)
    except UserCodeError as error:
        if isinstance(missing := error.__cause__, KeyError):
            raise SlipwayError(
                f"src/model/estimator.py reads {missing} from `train`, and params.yaml has no "
                "such key",
                "add it to the section `train` of params.yaml",
            ) from missing
        raise
    if isinstance(built, type) or not hasattr(built, "fit"):
        raise SlipwayError(
            f"`build` of src/model/estimator.py returns {built!r}, which is no estimator",
            "return an object with the interface of scikit-learn, not yet fitted",
        )
    return built


def slices(columns: Columns) -> dict[str, np.ndarray]:
    """Return every slice's labels, name to array of text, shape (rows,).

    Raises
    ------
    SlipwayError
        The labels of a slice are values of a personal column.
    """
    return _not_personal(sliced(columns), columns)


def protected() -> tuple[str, ...]:
    """Return the slices whose values are protected groups: `PROTECTED`; none if it is not defined.

    Raises
    ------
    SlipwayError
        It is not a list of names of slices.
    """
    known = _load("slices", "SLICES")
    names = getattr(import_module("model.slices"), "PROTECTED", ())
    is_list = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if not is_list or len(set(names)) < len(names) or not set(names) <= set(known):
        raise SlipwayError(
            f"src/model/slices.py: `PROTECTED` is {names!r}; expected names of `SLICES`, each once",
            f"name some of: {', '.join(known) or 'none is defined'} (docs/fairness.md)",
        )
    return tuple(names)


def protected_slices(columns: Columns) -> dict[str, np.ndarray]:
    """Return the labels of each slice that is protected, as `slices` does."""
    return _not_personal(sliced(columns, protected()), columns)


def sliced(columns: Columns, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Return the labels of slices, by default of all, without the schema: an image has none.

    Raises
    ------
    SlipwayError
        A slice does not return one value a row.
    """
    functions = _load("slices", "SLICES")
    rows = len(next(iter(columns.values()), ()))
    with user_code():
        found = {
            name: np.asarray(functions[name](columns))
            for name in (functions if names is None else names)
        }
    for name, labels in found.items():
        if labels.shape != (rows,):
            raise SlipwayError(
                f"src/model/slices.py: `{name}` returns an array of shape {labels.shape} for "
                f"{rows:,} rows",
                f"return one label for each row: shape ({rows},)",
            )
    return found


def _not_personal(found: dict[str, np.ndarray], columns: Columns) -> dict[str, np.ndarray]:
    for name, labels in found.items():
        _refuse_personal(name, labels, columns)
    return found


def _refuse_personal(name: str, labels: np.ndarray, columns: Columns) -> None:
    """Refuse a slice whose labels are values of a personal column: a report lists them."""
    for column in personal().keys() & columns.keys():
        values = columns[column]
        if np.isin(np.unique(labels.astype(str)), np.unique(values.astype(str))).any():
            raise SlipwayError(
                f"src/model/slices.py: the labels of `{name}` are values of `{column}`, which is "
                "personal, and a report would list them",
                "make groups of several values, under names of their own",
            )


def behaviours(columns: Columns, score: Scorer) -> Iterator[tuple[str, str, np.ndarray, float]]:
    """Yield each behaviour: its name, its statement, where it holds, and the least share.

    Where it holds is an array of bool, shape (rows,).
    """
    for name, behaviour in _load("behaviours", "BEHAVIOURS").items():
        description = (behaviour.holds.__doc__ or "").strip().partition("\n")[0]
        with user_code():
            holds = np.asarray(behaviour.holds(columns, score))
        yield name, description, holds, behaviour.at_least


def apply_rule(name: str, rule: Rule, columns: Columns, rows: int) -> np.ndarray:
    """Return whether each row passes a rule, shape (rows,), bool.

    Raises
    ------
    SlipwayError
        The rule raises, reads a column that does not exist, or does not return one value a row.
    """
    where = f"src/model/rules.py: the rule `{name}`"
    try:
        passes = np.asarray(rule(columns), dtype=bool)
    except KeyError as missing:
        raise SlipwayError(
            f"{where} reads {missing}, which is not known when the prediction is requested",
            f"check it in {SCHEMA} instead (`checks=` of the schema), for files only",
        ) from None
    except SlipwayError:
        raise
    except (Exception, SystemExit) as error:  # a rule is the user's code
        line = find_line(error)
        raise UserCodeError(
            f"{where} stopped: {first_line(error)}{f' ({line})' if line else ''}",
            "use what arrays and DataFrames share: comparisons, arithmetic, numpy functions",
        ) from error
    if passes.shape != (rows,):
        raise SlipwayError(
            f"{where} returns {passes.shape} values for {rows} rows", "return one for each row"
        )
    return passes


def columns_read(name: str, rule: Rule, columns: Columns) -> list[str]:
    """Return the names of the columns that a rule reads, found by running it on no rows.

    Raises
    ------
    SlipwayError
        As `apply_rule`.
    """
    recorder = Recorder(columns)
    apply_rule(name, rule, recorder, 0)
    return recorder.read


class Recorder(dict[str, np.ndarray]):
    """Columns that record which of them are read, each once."""

    def __init__(self, columns: Columns) -> None:
        super().__init__(columns)
        self._read: dict[str, None] = {}

    @property
    def read(self) -> list[str]:
        return list(self._read)

    def __getitem__(self, name: str) -> np.ndarray:
        self._read[name] = None
        return super().__getitem__(name)


class _OnlyThese(Mapping[str, np.ndarray]):
    """Columns with an error that names the one that feature code must not read."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self._columns[name]
        except KeyError:
            raise Refused(
                f"src/model/features.py reads `{name}`, which is not known when the prediction "
                "is requested",
                f"use a column that src/model/schema.py declares with `before`, or declare "
                f"`{name}` so if it is known by then",
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
