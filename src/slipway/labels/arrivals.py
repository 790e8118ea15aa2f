"""A file of labels, read whole and believed only if all of it is right.

It holds the key and either the label itself, in a column named after the target, or the columns
that the label is made of, as a month's file has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import contract
from slipway.chunks import Source, open_source, values_of
from slipway.errors import Refused
from slipway.rows import NOUNS, column_type, describe, shown, shown_name
from slipway.texts import folded

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pandera.pandas import Check

CHUNK_ROWS = 250_000
MOST_FAULTS = 5

OUTCOME = "outcome."

TEXT_LABELS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}

LABEL = "0 or 1 (true, false), or nothing while it is not known"


@dataclass(frozen=True)
class Arrivals:
    """What a file says.

    Parameters
    ----------
    rows
        `key`, `label` (int8) and, where the file has them, the columns known only afterwards, as
        ``outcome.<name>``. Each key once.
    unlabelled
        Rows of the file that have no label yet.
    """

    rows: pd.DataFrame
    unlabelled: int


def read_arrivals(path: Path) -> Arrivals:
    """Read a parquet or CSV file of labels.

    Raises
    ------
    Refused
        Something in it is not in order; the first rows and their columns are named.
    SlipwayError
        It is not there or cannot be read.
    """
    source, faults = open_source(path), _Faults(path)
    names = _columns_to_read(source, faults)
    columns = {name: _read(source, name, faults) for name in names}
    key = columns[contract.key()]
    if not len(key):
        faults.add("the file has no rows")
    faults.stop()
    faults.rows(contract.key(), key.isna().to_numpy(), "a key in every row", key)
    for name in (name for name in names if name in contract.schema().columns):
        _check(name, columns[name], faults)
    faults.stop()
    rows = _frame(key, _labels(columns, faults), columns)
    faults.stop()
    _find_contradictions(rows, faults)
    faults.stop()
    known = rows[rows["label"].notna()].drop_duplicates("key", ignore_index=True)
    known["label"] = known["label"].astype("int8")
    return Arrivals(known, int(rows["label"].isna().sum()))


def columns_of_label() -> list[str]:
    """Return the columns that the model's `label` reads, found by running it on no rows."""
    columns = contract.schema().columns
    recorder = _Recorder(
        {name: np.empty(0, column_type(name, column)[1]) for name, column in columns.items()}
    )
    contract.label(recorder)
    return list(dict.fromkeys(recorder.read))


def outcomes() -> list[str]:
    """Return the columns of the schema that are known only afterwards."""
    columns = contract.schema().columns
    return [name for name, column in columns.items() if not contract.known_before(column)]


class _Recorder(dict[str, np.ndarray]):
    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        super().__init__(columns)
        self.read: list[str] = []

    def __getitem__(self, name: str) -> np.ndarray:
        self.read.append(name)
        return super().__getitem__(name)


class _Faults:
    """What is wrong with a file: how often, and the first few in words."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: list[str] = []
        self._count = 0

    def add(self, words: str, count: int = 1) -> None:
        self._said.append(words)
        self._count += count

    def rows(self, column: str, bad: np.ndarray, expected: str, values: pd.Series) -> None:
        """Note the rows at fault, given as a mask."""
        at = np.flatnonzero(bad)
        for row in at[:MOST_FAULTS].tolist():
            got = shown(_plain(values.iloc[row]))
            self.add(f"row {row:,}, column `{column}`: expected {expected}, got {got}")
        self.more(len(at) - MOST_FAULTS)

    def more(self, count: int) -> None:
        """Count faults that are not described."""
        self._count += max(0, count)

    def stop(self) -> None:
        """Refuse the file if anything is wrong with it."""
        if not self._said:
            return
        shown_here = self._said[:MOST_FAULTS]
        more = self._count - len(shown_here)
        tail = [f"and {more:,} more"] if more else []
        raise Refused(
            f"{self._path}: nothing of it was imported (rows are counted from 0)\n  "
            + "\n  ".join([*shown_here, *tail]),
            "fix the file and import it again (docs/labels.md says what it may hold)",
        )


def _columns_to_read(source: Source, faults: _Faults) -> list[str]:
    key, read = contract.key(), columns_of_label()
    made = set(read) <= source.types.keys()
    if key not in source.types:
        faults.add(f"column `{key}` is missing: it says whose label it is")
    if not made and contract.TARGET not in source.types:
        parts = ", ".join(f"`{name}`" for name in read)
        faults.add(f"column `{contract.TARGET}` is missing, and so is what makes it: {parts}")
    wanted = [*read, *(name for name in outcomes() if name in source.types)]
    label = [contract.TARGET] if contract.TARGET in source.types else []
    names = list(dict.fromkeys([key, *(wanted if made else []), *label]))
    for name in (name for name in names if name in source.repeated):
        faults.add(f"column `{name}` stands there more than once")
    known = [key, contract.TARGET, *read]
    for name in source.types.keys() - set(known):
        for alike in (one for one in known if folded(one) == folded(name)):
            faults.add(f"column {shown_name(name)}: `{alike}` is meant? rename it, or remove it")
    faults.stop()
    return names


def _read(source: Source, name: str, faults: _Faults) -> pd.Series:
    """Return a column in the type of the schema; a label as a number, NaN where there is none."""
    columns = contract.schema().columns
    if name not in columns:
        return _read_labels(source, faults)
    kind, dtype = column_type(name, columns[name])
    if not source.is_text and not _fits(source.types[name], kind):
        faults.add(f"column `{name}`: expected {NOUNS[kind]}, its type is {source.types[name]}")
        faults.stop()
    parts = [
        values_of(batch.column(0), kind, dtype, source.is_text)
        for batch in source.batches([name], CHUNK_ROWS)
    ]
    series = _joined([part.series for part in parts])
    unreadable = np.concatenate([part.unreadable for part in parts] or [np.zeros(0, dtype=bool)])
    faults.rows(name, unreadable, NOUNS[kind], _joined([part.text for part in parts]))
    return series


def _read_labels(source: Source, faults: _Faults) -> pd.Series:
    import pandas as pd

    parts = [batch.column(0).to_pandas() for batch in source.batches([contract.TARGET], CHUNK_ROWS)]
    raw = _joined([part.astype(object) for part in parts])
    texts = raw.map(lambda value: str(value).strip().lower(), na_action="ignore")
    labels = pd.to_numeric(texts.map(TEXT_LABELS), errors="coerce")
    bad = raw.notna().to_numpy() & labels.isna().to_numpy()
    faults.rows(contract.TARGET, bad, LABEL, raw)
    return labels.astype("float64")


def _check(name: str, values: pd.Series, faults: _Faults) -> None:
    kind, dtype = column_type(name, contract.schema().columns[name])
    present = values.dropna()
    if kind == "integer" and name != contract.key():
        # Such a column has no value that stands for a missing one.
        faults.rows(name, values.isna().to_numpy(), "a value in every row", values)
    if kind == "integer":
        present = present.astype(np.dtype(dtype))
    for check in contract.schema().columns[name].checks:
        passed = check(present).check_output.reindex(present.index, fill_value=True)
        bad = np.zeros(len(values), dtype=bool)
        bad[present.index[~passed.to_numpy(dtype=bool)]] = True
        faults.rows(name, bad, _expected(check), values)


def _labels(columns: dict[str, pd.Series], faults: _Faults) -> np.ndarray:
    """Return the label of each row: from its own column, or from those that it is made of.

    Where a row has both they must agree; where it has one, that one counts.
    """
    unknown = np.full(len(columns[contract.key()]), np.nan)
    stated, made = unknown, unknown
    if contract.TARGET in columns and contract.TARGET not in contract.schema().columns:
        stated = np.asarray(columns[contract.TARGET], dtype="float64")
    if set(columns_of_label()) <= columns.keys():
        arrays = {
            name: array_of(name, values)
            for name, values in columns.items()
            if name in contract.schema().columns
        }
        made = np.asarray(contract.label(arrays), dtype="float64")
    _find_disagreements(stated, made, columns, faults)
    return np.where(np.isnan(stated), made, stated)


def _find_disagreements(
    stated: np.ndarray, made: np.ndarray, columns: dict[str, pd.Series], faults: _Faults
) -> None:
    differ = ~np.isnan(stated) & ~np.isnan(made) & (stated != made)
    parts = [name for name in columns_of_label() if name != contract.key()]
    at = np.flatnonzero(differ)
    for row in at[:MOST_FAULTS].tolist():
        values = ", ".join(f"`{name}` {shown(_plain(columns[name].iloc[row]))}" for name in parts)
        faults.add(
            f"row {row:,}, key {shown(_plain(columns[contract.key()].iloc[row]))}: "
            f"`{contract.TARGET}` is {stated[row]:g}, but {values} makes it {made[row]:g}"
        )
    faults.more(len(at) - MOST_FAULTS)


def _frame(key: pd.Series, labels: np.ndarray, columns: dict[str, pd.Series]) -> pd.DataFrame:
    import pandas as pd

    kept = [name for name in outcomes() if name in columns]
    named = {f"{OUTCOME}{name}": array_of(name, columns[name]) for name in kept}
    return pd.DataFrame({"key": key.to_numpy(), "label": labels} | named)


def _find_contradictions(rows: pd.DataFrame, faults: _Faults) -> None:
    """Note the keys of which the file says two things: nobody could know which one is true."""
    once = rows[rows["label"].notna()].drop_duplicates()
    twice = once[once["key"].duplicated(keep=False)]
    repeated = twice[twice["key"].duplicated()]
    for row, key in repeated["key"].head(MOST_FAULTS).items():
        said = twice[twice["key"] == key]
        first = said.index[0]
        faults.add(
            f"row {row:,}, key {shown(key)}: {_said(said.loc[row])}, "
            f"but row {first:,} says {_said(said.loc[first])}"
        )
    faults.more(len(repeated) - MOST_FAULTS)


def _said(row: pd.Series) -> str:
    named = {str(name).removeprefix(OUTCOME): value for name, value in row.items() if name != "key"}
    return ", ".join(f"{name} {shown(_plain(value))}" for name, value in named.items())


def _expected(check: Check) -> str:
    if check.native:
        return " ".join(str(check.error or check.name).split())
    return describe(str(check.registry_name), check.statistics or {})


def _fits(found: pa.DataType, kind: str) -> bool:
    from pyarrow import types

    value = found.value_type if types.is_dictionary(found) else found
    whole, text = types.is_integer(value), types.is_string(value) or types.is_large_string(value)
    fits = {
        "string": text or types.is_string_view(value),
        "integer": whole,
        "number": whole or types.is_floating(value),
        "timestamp": types.is_timestamp(value) and value.tz is not None,
    }
    return fits[kind]


def array_of(name: str, values: pd.Series) -> np.ndarray:
    """Return a column as the model's code gets it."""
    kind, dtype = column_type(name, contract.schema().columns[name])
    if kind == "timestamp":
        values = values.dt.tz_convert(None)
    return np.asarray(values, dtype=dtype)


def _joined(parts: list[pd.Series]) -> pd.Series:
    import pandas as pd

    return pd.concat(parts, ignore_index=True) if parts else pd.Series(dtype=object)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
