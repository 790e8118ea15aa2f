"""Validation of many rows at once, by the schema in a model's manifest, as the service does it.

The tests are those of the service (`slipway.schema.checks`). Each is called once for each different
value of a column, or for its lowest and highest value only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slipway.dataset.chunks import cells_of
from slipway.dataset.csv_format import CsvFormat
from slipway.dataset.tables import take, to_columns
from slipway.project import Rule, apply_rule, columns_read
from slipway.schema.checks import TIME_RANGE, CheckSpec, ColumnSpec, RowSchema, make_test
from slipway.schema.expected import NOUNS, describe, expected_got
from slipway.schema.validator import broken_message
from slipway.times import EARLIEST, END, RANGE, microseconds

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.project import Columns

# Values between two that pass, pass too.
OF_A_RANGE = (
    "in_range",
    "greater_than",
    "greater_than_or_equal_to",
    "less_than",
    "less_than_or_equal_to",
)


class Fault(NamedTuple):
    """Why a row is rejected; `row` is its position in the chunk."""

    row: int
    column: str
    rule: str
    message: str


@dataclass(frozen=True)
class CheckedRows:
    """The rows of a chunk.

    Attributes
    ----------
    columns
        The valid rows: name to array, each of shape (valid rows,), in the types of the data files.
    sent
        The same rows as they are in the file; missing values are null.
    valid
        Which rows of the chunk are valid, shape (rows,).
    faults
        Of the others, by row.
    """

    columns: dict[str, np.ndarray]
    sent: pa.Table
    valid: np.ndarray
    faults: list[Fault]

    def without(self, rows: np.ndarray, faults: Sequence[Fault]) -> CheckedRows:
        """Return the chunk with further rows rejected, for these reasons alone.

        Parameters
        ----------
        rows
            Their positions in the chunk.
        """
        import pyarrow as pa

        kept = ~np.isin(np.flatnonzero(self.valid), rows)
        valid = self.valid.copy()
        valid[rows] = False
        rejected = set(rows.tolist())
        others = [fault for fault in self.faults if fault.row not in rejected]
        return CheckedRows(
            take(self.columns, kept),
            self.sent.filter(pa.array(kept)),
            valid,
            sorted([*others, *faults], key=lambda fault: fault.row),
        )


class _Cells(NamedTuple):
    """A column: as in the file, in its type, and which cells have no value that a rule can read."""

    sent: pa.Array
    values: pa.Array
    unusable: np.ndarray


class Checker:
    """Checks chunks against the schema and the cross-column rules."""

    def __init__(self, spec: RowSchema, rules: Mapping[str, Rule]) -> None:
        self._spec = spec
        self._by_name = {column["name"]: column for column in spec}
        empty = {column["name"]: np.empty(0, column["dtype"]) for column in spec}
        self._rules = {
            name: (rule, columns_read(name, rule, empty)) for name, rule in rules.items()
        }

    def check(self, rows: pa.Table, written: CsvFormat | None, zone: str) -> CheckedRows:
        """Check the rows of a chunk.

        Parameters
        ----------
        written
            How the file is written, if it is a CSV file.
        zone
            That of times without one in a CSV file; empty: they cannot be read.
        """
        import pyarrow as pa

        faults: list[Fault] = []
        cells: dict[str, _Cells] = {}
        for column in self._spec:
            given = _one_array(rows[column["name"]])
            cells[column["name"]] = read = _read(column, given, written, zone, faults)
            for rule in column["rules"]:
                faults += _broken(rule, column, read)
        columns = to_columns(pa.table({name: _filled(each) for name, each in cells.items()}))
        for name, (cross, fields) in self._rules.items():
            specs = [self._by_name[field] for field in fields]
            faults += _broken_rows(name, cross, specs, columns, cells)
        valid = np.ones(rows.num_rows, dtype=bool)
        valid[[fault.row for fault in faults]] = False
        sent = pa.table({name: each.sent for name, each in cells.items()})
        if not faults:
            return CheckedRows(columns, sent, valid, faults)
        order = {column["name"]: at for at, column in enumerate(self._spec)}
        faults.sort(key=lambda fault: (fault.row, order.get(fault.column, len(order))))
        return CheckedRows(take(columns, valid), sent.filter(pa.array(valid)), valid, faults)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    whole = column.combine_chunks()
    if pa.types.is_dictionary(whole.type):
        whole = whole.cast(whole.type.value_type)
    return whole


def _read(
    column: ColumnSpec, given: pa.Array, written: CsvFormat | None, zone: str, faults: list[Fault]
) -> _Cells:
    """Return a column in its type; adds the faults of cells that have no value of the type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, dtype, name = column["type"], column["dtype"], column["name"]
    parsed, unreadable = cells_of(given, kind, dtype, written, zone)
    if pa.types.is_null(parsed.type):
        parsed = parsed.cast(_arrow_type(kind, dtype))
    if pa.types.is_floating(parsed.type):
        infinite = _are(pc.is_inf(parsed))
        unreadable, parsed = unreadable | infinite, _without(parsed, infinite)
    sent, values, misfit = _typed(kind, dtype, parsed)
    missing = values.is_null().to_numpy(zero_copy_only=False) & ~unreadable & ~misfit
    absent = missing if not column["nullable"] else np.zeros(len(missing), dtype=bool)
    for rows, rule, expected in (
        (unreadable, "type", NOUNS[kind]),
        (misfit, *_misfit(kind, dtype)),
        (absent, "not_nullable", "a value"),
    ):
        faults += [
            Fault(row, name, rule, expected_got(expected, given[row].as_py(), column))
            for row in np.flatnonzero(rows).tolist()
        ]
    return _Cells(sent, values, unreadable | misfit | absent)


def _misfit(kind: str, dtype: str) -> tuple[str, str]:
    if kind == "timestamp":
        return TIME_RANGE, f"a time {RANGE}"
    return dtype, f"{NOUNS[kind]} that fits {dtype}"


def _typed(kind: str, dtype: str, parsed: pa.Array) -> tuple[pa.Array, pa.Array, np.ndarray]:
    """Return values as sent and in their type, null where missing, and which ones do not fit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "string":
        text = parsed.cast(pa.large_string())
        return text, text, np.zeros(len(text), dtype=bool)
    low: float
    high: float
    if kind == "timestamp":
        parsed = parsed.cast(pa.timestamp("us", "UTC"), safe=False)
        moments = parsed.cast("int64")
        low, high = microseconds(EARLIEST), microseconds(END) - 1
    elif kind == "integer":
        moments = parsed
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    else:
        if pa.types.is_float16(parsed.type):
            parsed = parsed.cast("float32")
        if pa.types.is_floating(parsed.type):
            parsed = _without(parsed, _are(pc.is_nan(parsed)))
        moments = parsed.cast("float64", safe=False)
        high = float(np.finfo(dtype).max)
        low = -high
    outside = _outside(moments, low, high)
    parsed = _without(parsed, outside)
    return parsed, parsed.cast(_arrow_type(kind, dtype), safe=False), outside


def _outside(values: pa.Array, low: float, high: float) -> np.ndarray:
    import pyarrow.compute as pc

    ends = pc.min_max(values)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    if least is None or (low <= least and most <= high):
        return np.zeros(len(values), dtype=bool)
    found = values.to_pylist()
    return np.array([each is not None and not low <= each <= high for each in found], dtype=bool)


def _are(found: pa.Array) -> np.ndarray:
    return np.asarray(found.fill_null(False).to_numpy(zero_copy_only=False))


def _without(values: pa.Array, rows: np.ndarray) -> pa.Array:
    """Return values with null in some rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not rows.any():
        return values
    return pc.if_else(pa.array(rows), pa.scalar(None, values.type), values)


def _arrow_type(kind: str, dtype: str) -> pa.DataType:
    import pyarrow as pa

    if kind == "string":
        return pa.large_string()
    return pa.timestamp("us", "UTC") if kind == "timestamp" else pa.from_numpy_dtype(dtype)


def _filled(cells: _Cells) -> pa.Array:
    """Return values without nulls among integers: those rows are rejected."""
    import pyarrow as pa

    values = cells.values
    return values.fill_null(0) if pa.types.is_integer(values.type) else values


def _broken(rule: CheckSpec, column: ColumnSpec, cells: _Cells) -> Iterator[Fault]:
    """Yield the faults of the cells that do not pass a check; one that is missing passes."""
    import pyarrow.compute as pc

    test = make_test(rule, column)
    values = cells.values.cast("int64") if column["type"] == "timestamp" else cells.values
    if len(values) == values.null_count:
        return
    if rule["check"] in OF_A_RANGE:
        ends = pc.min_max(values)
        if test(ends["min"].as_py()) and test(ends["max"].as_py()):
            return
    encoded = values.dictionary_encode()
    passed = [*(test(value) for value in encoded.dictionary.to_pylist()), True]
    at = encoded.indices.fill_null(len(passed) - 1).to_numpy()
    expected = describe(rule["check"], rule["arguments"])
    for row in np.flatnonzero(~np.array(passed, dtype=bool)[at]).tolist():
        message = expected_got(expected, cells.sent[row].as_py(), column)
        yield Fault(row, column["name"], rule["rule"], message)


def _broken_rows(
    name: str,
    rule: Rule,
    specs: Sequence[ColumnSpec],
    rows: Columns,
    cells: Mapping[str, _Cells],
) -> Iterator[Fault]:
    """Yield the faults of a cross-column rule, of rows whose columns it can read."""
    fields = [spec["name"] for spec in specs]
    columns = {field: rows[field] for field in fields}
    usable = ~np.logical_or.reduce([cells[field].unusable for field in fields])
    at = np.flatnonzero(usable)
    read = columns if len(at) == len(usable) else take(columns, at)
    meaning = " ".join((rule.__doc__ or name).split())
    passes = apply_rule(name, rule, read, len(at))
    for place in np.flatnonzero(~passes).tolist():
        message = broken_message(meaning, specs, read, place)
        yield Fault(int(at[place]), ", ".join(fields), name, message)
