"""pandera's own checks for a single value, with the results that pandas gives."""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NotRequired

import numpy as np
from typing_extensions import TypedDict  # pydantic needs it below Python 3.12

from slipway.times import microseconds

Arguments = Mapping[str, Any]
"""The arguments of a check of pandera, by the names that pandera gives them."""


class CheckSpec(TypedDict):
    """One check of a column: its name, pandera's name for it, and its arguments."""

    rule: str
    check: str
    arguments: Arguments


class InputSpec(TypedDict):
    """An input column, as the prediction log has it.

    `unique`: it is the key, or a part of it. `personal`: "drop" or "hash", what the prediction log
    does with its values; a column without it is not personal.
    """

    name: str
    type: str
    unique: bool
    personal: NotRequired[str]


class ColumnSpec(InputSpec):
    """An input column, as the manifest has it."""

    dtype: str
    nullable: bool
    rules: list[CheckSpec]


RowSchema = list[ColumnSpec]
"""The input columns of a model: `inputs` of its manifest."""

Test = Callable[[Any], bool]

Compare = Callable[[Any, Any], Any]

ORDER = {
    "equal_to": operator.eq,
    "not_equal_to": operator.ne,
    "greater_than": operator.gt,
    "greater_than_or_equal_to": operator.ge,
    "less_than": operator.lt,
    "less_than_or_equal_to": operator.le,
}

SETS = ("isin", "notin")

TIME_RANGE = "time_range"

TEXT = ("str_matches", "str_contains", "str_startswith", "str_endswith", "str_length")


def make_test(rule: CheckSpec, column: ColumnSpec) -> Test:
    """Return a function from a value to whether it passes a check, as in pandas."""
    check, arguments = rule["check"], rule["arguments"]
    if check in TEXT:
        return _text_test(check, **arguments)
    if check in SETS:
        (values,) = arguments.values()
        return _set_test(column, check == "isin", [_bound(column, value) for value in values])
    if check == "in_range":
        return _range_test(column, **arguments)
    (value,) = arguments.values()
    return _order_test(column, ORDER[check], _bound(column, value))


def _bound(column: ColumnSpec, value: Any) -> Any:
    if column["type"] == "timestamp":
        return microseconds(datetime.fromisoformat(value))
    return value


def _set_test(column: ColumnSpec, inside: bool, values: list[Any]) -> Test:
    listed = frozenset(values)
    if column["dtype"] == "float32":
        return lambda value: (float(np.float32(value)) in listed) is inside
    return lambda value: (value in listed) is inside


def _order_test(column: ColumnSpec, compare: Compare, limit: Any) -> Test:
    if column["dtype"] == "float32":
        limit = np.float32(limit)
        return lambda value: bool(compare(np.float32(value), limit))
    return lambda value: compare(value, limit)


def _range_test(
    column: ColumnSpec, min_value: Any, max_value: Any, include_min: bool, include_max: bool
) -> Test:
    low, high = _bound(column, min_value), _bound(column, max_value)
    above = _order_test(column, operator.ge if include_min else operator.gt, low)
    below = _order_test(column, operator.le if include_max else operator.lt, high)
    if include_min and include_max:
        # Rounding to float32 is monotonic: a value inside before it is inside after it.
        return lambda value: low <= value <= high or (above(value) and below(value))
    return lambda value: above(value) and below(value)


def _text_test(check: str, **arguments: Any) -> Test:
    if check == "str_length":
        return _length_test(**arguments)
    (text,) = arguments.values()
    if check in ("str_startswith", "str_endswith"):
        method = check.removeprefix("str_")
        return lambda value: bool(getattr(value, method)(text))
    pattern = re.compile(text)
    find = pattern.match if check == "str_matches" else pattern.search
    return lambda value: find(value) is not None


def _length_test(
    min_value: int | None = None, max_value: int | None = None, exact_value: int | None = None
) -> Test:
    if exact_value is not None:
        return lambda value: len(value) == exact_value
    low = 0 if min_value is None else min_value
    high = sys.maxsize if max_value is None else max_value
    return lambda value: low <= len(value) <= high
