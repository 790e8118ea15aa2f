"""Rows of the log that break the schema; the service refuses such rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slipway.predictions.reader import WRONG
from slipway.schema.checks import ORDER, SETS, Arguments, ColumnSpec, make_test

if TYPE_CHECKING:
    import pyarrow as pa


def broken(table: pa.Table, inputs: Sequence[ColumnSpec]) -> dict[str, np.ndarray]:
    """Return the rows that break the rules or the type of a column, by column, if any.

    Keys and times are not checked: they differ in every row. Of personal columns the log has no
    values.
    """
    violations, known = {}, set(table.column_names)
    for each in inputs:
        name = f"input.{each['name']}"
        is_left_out = each["unique"] or each["type"] == "timestamp" or "personal" in each
        if is_left_out or name not in known:
            continue
        column = table[name].combine_chunks()
        bad = np.zeros(len(column), dtype=bool)
        if each["rules"]:
            bad |= _texts(column, each) if each["type"] == "string" else _numbers(column, each)
        if not each["nullable"] and column.null_count:
            bad |= column.is_null().to_numpy(zero_copy_only=False)
        if f"{WRONG}{each['name']}" in known:
            wrong = table[f"{WRONG}{each['name']}"].combine_chunks()
            bad |= wrong.to_numpy(zero_copy_only=False)
        if bad.any():
            violations[each["name"]] = bad
    return violations


def _texts(column: pa.Array, about: ColumnSpec) -> np.ndarray:
    encoded = column.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    tests = [make_test(rule, about) for rule in about["rules"]]
    wrong = np.array([not all(test(word) for test in tests) for word in words] + [False])
    codes = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    return wrong[codes]


def _numbers(column: pa.Array, about: ColumnSpec) -> np.ndarray:
    dtype = "float32" if about["dtype"] == "float32" else "float64"
    values = column.to_numpy(zero_copy_only=False).astype(dtype, copy=False)
    bad = np.zeros(len(values), dtype=bool)
    for rule in about["rules"]:
        bad |= ~_keeps(values, rule["check"], rule["arguments"], dtype)
    return bad & ~np.isnan(values)


def _keeps(values: np.ndarray, check: str, arguments: Arguments, dtype: str) -> np.ndarray:
    kind = np.dtype(dtype).type
    if check == "in_range":
        low, high = kind(arguments["min_value"]), kind(arguments["max_value"])
        above = values >= low if arguments["include_min"] else values > low
        return above & (values <= high if arguments["include_max"] else values < high)
    (value,) = arguments.values()
    if check in SETS:
        return np.isin(values, np.array(value, dtype=dtype)) == (check == "isin")
    return np.asarray(ORDER[check](values, kind(value)))
