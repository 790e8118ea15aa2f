"""A copy of some rows that violates their schema, whatever its columns are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.schema.export import column_type

if TYPE_CHECKING:
    import pyarrow as pa
    from pandera.pandas import Column, DataFrameSchema

BROKEN_ROWS = 20
"""Rows of each violation of a value."""

REPEATED_ROWS = 200


def break_rows(rows: pa.Table, schema: DataFrameSchema) -> pa.Table:
    """Return rows with up to three violations of a schema: those that it can have.

    Some values are outside the limits of their column, some that are required are missing, and the
    last rows are repeated. If the schema allows all of these, a column is left out.
    """
    import pyarrow as pa

    broken = rows
    if limited := next(_values_outside(schema), None):
        name, value = limited
        broken = _replace(broken, name, len(rows) // 10, value)
    if name := _required(schema):
        broken = _replace(broken, name, len(rows) // 2, None)
    if _key(schema):
        broken = pa.concat_tables([broken, broken.slice(max(0, len(rows) - REPEATED_ROWS))])
    return rows.drop_columns(rows.column_names[:1]) if broken is rows else broken


def _key(schema: DataFrameSchema) -> set[str]:
    """Return the columns that are unique, by themselves or together."""
    together = [schema.unique] if isinstance(schema.unique, str) else schema.unique or []
    return {name for name, column in schema.columns.items() if column.unique} | set(together)


def _values_outside(schema: DataFrameSchema) -> Iterator[tuple[str, Any]]:
    """Yield values that their column refuses: first of columns of numbers, then of text."""
    for name, column in _others(schema, ("integer", "number", "string")):
        kind, dtype = column_type(name, column)
        for value in _extremes(kind, dtype):
            if _is_refused(column, value, dtype):
                yield name, value


def _extremes(kind: str, dtype: str) -> tuple[Any, ...]:
    """Return values of a type that limits usually exclude."""
    if kind == "string":
        return ("?",)
    if kind == "integer":
        return np.iinfo(dtype).max, np.iinfo(dtype).min
    return float(np.finfo(dtype).max), float(np.finfo(dtype).min)


def _is_refused(column: Column, value: Any, dtype: str) -> bool:
    import pandas as pd

    series = pd.Series([value], dtype=dtype)
    return any(not check(series).check_passed for check in column.checks)


def _required(schema: DataFrameSchema) -> str:
    """Return a column that must have a value in every row, first those of text; else ''."""
    kinds = ("string", "integer", "number", "timestamp")
    return next((name for name, column in _others(schema, kinds) if not column.nullable), "")


def _others(schema: DataFrameSchema, kinds: tuple[str, ...]) -> list[tuple[str, Column]]:
    """Return the columns but for the key, in the order of their types and then of the schema."""
    key = _key(schema)
    columns = [(name, column) for name, column in schema.columns.items() if name not in key]
    of_kind = {name: column_type(name, column)[0] for name, column in columns}
    return [each for kind in kinds for each in columns if of_kind[each[0]] == kind]


def _replace(rows: pa.Table, name: str, start: int, value: Any) -> pa.Table:
    """Return rows with a value in `BROKEN_ROWS` rows of a column; None makes them missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = rows[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    at = np.arange(len(rows))
    chosen = pa.array((at >= start) & (at < start + BROKEN_ROWS))
    changed = pc.if_else(chosen, pa.scalar(value, column.type), column)
    return rows.set_column(rows.column_names.index(name), name, changed)
