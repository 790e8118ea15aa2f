"""A file of labels, which is imported only if all of it is valid.

It has the key, or without one the id of the prediction; and either the label itself, in a column
named after the target, or the columns that the label is derived from, as in a monthly file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.dataset.chunks import Source, values_of
from slipway.dataset.csv_format import FOUND, Stated
from slipway.dataset.keys import keys_of
from slipway.dataset.outcomes import array_of, columns_of_label, outcomes
from slipway.dataset.reader import TEXT, open_table
from slipway.dataset.zone import stated_zone
from slipway.errors import Refused
from slipway.predictions.personal import Hasher
from slipway.schema.expected import HIDDEN, NOUNS, describe
from slipway.schema.export import column_type
from slipway.untrusted import folded, shown, shown_name

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pandera.pandas import Check

CHUNK_ROWS = 250_000
MOST_FAULTS = 5

# Two ways to the same number may differ in its last digits.
SAME = 1e-6

OUTCOME = "outcome."

ID = "prediction_id"
"""The column of labels with the id of a prediction, if rows have no key."""


@dataclass(frozen=True)
class Arrivals:
    """The labels of a file, and the number of its rows that have no label yet.

    The rows have `key`, `label` (as `Task.stored` has it) and, if the file has them, the columns
    known only afterwards, as ``outcome.<name>``. Each key occurs once.
    """

    rows: pd.DataFrame
    unlabelled: int


def read_arrivals(path: Path, stated: Stated = FOUND) -> Arrivals:
    """Read a parquet or CSV file of labels, which is written as `stated`.

    Raises
    ------
    Refused
        Something in it is not valid; names the first rows and their columns.
    SlipwayError
        The file does not exist or cannot be read.
    """
    source, faults = open_table(path, stated), _Faults(path)
    names = _columns_to_read(source, faults)
    columns = {name: _read(source, name, faults) for name in names}
    if not len(columns[names[0]]):
        faults.add("the file has no rows")
    faults.stop()
    for name in _key():
        values = columns[name]
        faults.rows(name, values.isna().to_numpy(), "a key in every row", values)
    key = keys_of([_logged(name, columns[name]) for name in _key()])
    for name in (name for name in names if name in project.schema().columns):
        _check(name, columns[name], faults)
    faults.stop()
    rows = _frame(key, _labels(key, columns, faults), columns)
    faults.stop()
    _find_contradictions(rows, faults)
    faults.stop()
    labelled = rows[rows["label"].notna()].drop_duplicates("key", ignore_index=True)
    labelled["label"] = project.task().stored(labelled["label"].to_numpy())
    return Arrivals(labelled, int(rows["label"].isna().sum()))


def _logged(name: str, values: pd.Series) -> pd.Series:
    """Return a column of the key as the log has it: hashed, if it is personal."""
    if name not in project.personal():
        return values
    hasher = Hasher()
    words = [None if is_missing else hasher.text(_plain(value))
             for value, is_missing in zip(values, values.isna(), strict=True)]  # fmt: skip
    return _objects(np.array(words, dtype=object))


def _shown(column: str, value: Any) -> str:
    return HIDDEN if column in project.personal() else shown(_plain(value))


def _key() -> tuple[str, ...]:
    """Return the columns of the key; without one, the id of the prediction."""
    return project.key_columns() or (ID,)


class _Faults:
    """The faults of a file: their number, and the first few in words."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: list[str] = []
        self._count = 0

    def add(self, words: str, count: int = 1) -> None:
        self._first.append(words)
        self._count += count

    def rows(self, column: str, bad: np.ndarray, expected: str, values: pd.Series) -> None:
        """Add the invalid rows, given as a mask."""
        at = np.flatnonzero(bad)
        for row in at[:MOST_FAULTS].tolist():
            got = _shown(column, values.iloc[row])
            self.add(f"row {row:,}, column `{column}`: expected {expected}, got {got}")
        self.more(len(at) - MOST_FAULTS)

    def more(self, count: int) -> None:
        """Count faults that are not described."""
        self._count += max(0, count)

    def stop(self) -> None:
        """Refuse the file if it has a fault."""
        if not self._first:
            return
        first = self._first[:MOST_FAULTS]
        more = self._count - len(first)
        tail = [f"and {more:,} more"] if more else []
        raise Refused(
            f"{self._path}: not imported (rows are counted from 0)\n  "
            + "\n  ".join([*first, *tail]),
            "fix the file and import it again (docs/labels.md describes the format)",
        )


def _columns_to_read(source: Source, faults: _Faults) -> list[str]:
    key, read = _key(), columns_of_label()
    made = set(read) <= source.types.keys()
    for name in (name for name in key if name not in source.types):
        faults.add(f"column `{name}` is missing: {_meaning(key)}")
    if not made and project.TARGET not in source.types:
        parts = ", ".join(f"`{name}`" for name in read)
        faults.add(f"column `{project.TARGET}` is missing, and it cannot be derived from {parts}")
    wanted = [*read, *(name for name in outcomes() if name in source.types)]
    label = [project.TARGET] if project.TARGET in source.types else []
    names = list(dict.fromkeys([*key, *(wanted if made else []), *label]))
    for name in (name for name in names if name in source.repeated):
        faults.add(f"column `{name}` occurs more than once")
    expected = [*key, project.TARGET, *read]
    for name in source.types.keys() - set(expected):
        for similar in (each for each in expected if folded(each) == folded(name)):
            faults.add(
                f"column {shown_name(name)} is similar to `{similar}`: rename it to that, or "
                "remove it"
            )
    faults.stop()
    return names


def _meaning(key: tuple[str, ...]) -> str:
    if key == (ID,):
        return "rows have no key (`KEY` is None), so labels have the id of their prediction"
    return "it is the key of the labels" if len(key) == 1 else "it is a part of the key of labels"


def _read(source: Source, name: str, faults: _Faults) -> pd.Series:
    """Return a column in the type of the schema; a label as a number, NaN where there is none."""
    columns = project.schema().columns
    if name not in columns and name != ID:
        return _read_labels(source, faults)
    kind, dtype = column_type(name, columns[name]) if name in columns else TEXT
    if not source.format and not _fits(source.types[name], kind):
        faults.add(f"column `{name}`: expected {NOUNS[kind]}, its type is {source.types[name]}")
        faults.stop()
    zone = stated_zone()
    parts = [
        values_of(batch.column(0), kind, dtype, source.format, zone)
        for batch in source.batches([name], CHUNK_ROWS)
    ]
    series = _joined([part.series for part in parts])
    unreadable = np.concatenate([part.unreadable for part in parts] or [np.zeros(0, dtype=bool)])
    faults.rows(name, unreadable, NOUNS[kind], _joined([part.text for part in parts]))
    return series


def _read_labels(source: Source, faults: _Faults) -> pd.Series:
    import pandas as pd

    parts = [batch.column(0).to_pandas() for batch in source.batches([project.TARGET], CHUNK_ROWS)]
    raw, task = _joined([part.astype(object) for part in parts]), project.task()
    decimal = source.format.decimal if source.format else "."
    values = np.empty(len(raw), dtype=object)
    values[:] = [
        task.from_text(value, decimal) if isinstance(value, str) else value
        for value in raw.tolist()
    ]
    labels, bad = task.read(values)
    faults.rows(project.TARGET, bad, task.expected, raw)
    return pd.Series(labels, dtype="float64")


def _check(name: str, values: pd.Series, faults: _Faults) -> None:
    kind, dtype = column_type(name, project.schema().columns[name])
    present = values.dropna()
    if kind == "integer" and name not in _key():
        # An integer column has no missing value.
        faults.rows(name, values.isna().to_numpy(), "a value in every row", values)
    if kind == "integer":
        present = present.astype(np.dtype(dtype))
    for check in project.schema().columns[name].checks:
        passed = check(present).check_output.reindex(present.index, fill_value=True)
        bad = np.zeros(len(values), dtype=bool)
        bad[present.index[~passed.to_numpy(dtype=bool)]] = True
        faults.rows(name, bad, _expected(check), values)


def _labels(key: pd.Series, columns: dict[str, pd.Series], faults: _Faults) -> np.ndarray:
    """Return the label of each row: from its own column, or derived from others.

    If a row has both, they must agree.
    """
    unknown = np.full(len(key), np.nan)
    stated, derived = unknown, unknown
    if project.TARGET in columns and project.TARGET not in project.schema().columns:
        stated = np.asarray(columns[project.TARGET], dtype="float64")
    if set(columns_of_label()) <= columns.keys():
        arrays = {
            name: array_of(name, values)
            for name, values in columns.items()
            if name in project.schema().columns
        }
        made, bad, values = project.read_labels(arrays)
        faults.rows(project.TARGET, bad, project.task().expected, _objects(values))
        derived = np.where(bad, np.nan, made)
    _find_disagreements(stated, derived, key, columns, faults)
    return np.where(np.isnan(stated), derived, stated)


def _find_disagreements(
    stated: np.ndarray,
    derived: np.ndarray,
    key: pd.Series,
    columns: dict[str, pd.Series],
    faults: _Faults,
) -> None:
    both = ~np.isnan(stated) & ~np.isnan(derived)
    differ = both & ~np.isclose(stated, derived, rtol=SAME, atol=0, equal_nan=True)
    task = project.task()
    parts = [name for name in columns_of_label() if name not in _key()]
    at = np.flatnonzero(differ)
    for row in at[:MOST_FAULTS].tolist():
        values = ", ".join(f"`{name}` {_shown(name, columns[name].iloc[row])}" for name in parts)
        faults.add(
            f"row {row:,}, key {shown(_plain(key.iloc[row]))}: "
            f"`{project.TARGET}` is {task.shown(stated[row])}, but {values} makes it "
            f"{task.shown(derived[row])}"
        )
    faults.more(len(at) - MOST_FAULTS)


def _frame(key: pd.Series, labels: np.ndarray, columns: dict[str, pd.Series]) -> pd.DataFrame:
    import pandas as pd

    kept = [name for name in outcomes() if name in columns]
    named = {f"{OUTCOME}{name}": array_of(name, columns[name]) for name in kept}
    return pd.DataFrame({"key": key.to_numpy(), "label": labels} | named)


def _find_contradictions(rows: pd.DataFrame, faults: _Faults) -> None:
    """Add the keys for which the file has two different labels."""
    once = rows[rows["label"].notna()].drop_duplicates()
    twice = once[once["key"].duplicated(keep=False)]
    repeated = twice[twice["key"].duplicated()]
    for row, key in repeated["key"].head(MOST_FAULTS).items():
        same_key = twice[twice["key"] == key]
        first = same_key.index[0]
        faults.add(
            f"row {row:,}, key {shown(key)}: {_values(same_key.loc[row])}, "
            f"but row {first:,} has {_values(same_key.loc[first])}"
        )
    faults.more(len(repeated) - MOST_FAULTS)


def _values(row: pd.Series) -> str:
    label = f"label {project.task().shown(row['label'])}"
    others = row.drop(["key", "label"]).items()
    columns = ((str(name).removeprefix(OUTCOME), value) for name, value in others)
    named = [f"{name} {_shown(name, value)}" for name, value in columns]
    return ", ".join([label, *named])


def _expected(check: Check) -> str:
    if check.native:
        return " ".join(str(check.error or check.name).split())
    return describe(str(check.registry_name), check.statistics or {})


def _fits(dtype: pa.DataType, kind: str) -> bool:
    from pyarrow import types

    value = dtype.value_type if types.is_dictionary(dtype) else dtype
    whole, text = types.is_integer(value), types.is_string(value) or types.is_large_string(value)
    fits = {
        "string": text or types.is_string_view(value),
        "integer": whole,
        "number": whole or types.is_floating(value),
        "timestamp": types.is_timestamp(value) and value.tz is not None,
    }
    return fits[kind]


def _joined(parts: list[pd.Series]) -> pd.Series:
    import pandas as pd

    return pd.concat(parts, ignore_index=True) if parts else pd.Series(dtype=object)


def _objects(values: np.ndarray) -> pd.Series:
    import pandas as pd

    return pd.Series(values, dtype=object)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
