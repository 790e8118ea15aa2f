"""The service and the pipeline judge a row alike: the validator agrees with pandera."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from itertools import product
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from pandera.errors import SchemaErrors
from pandera.pandas import Check, Column, DataFrameSchema
from tests.schema.conftest import GOOD, body, verdicts

from slipway import project
from slipway.schema.export import export_schema
from slipway.schema.validator import RowValidator
from slipway.times import EARLIEST, END

# `make bench BENCH=rows` draws a thousand.
EXAMPLES = int(os.environ.get("EXAMPLES") or 40)

bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

SCHEMA = project.schema()
INPUTS = DataFrameSchema(
    {name: SCHEMA.columns[name] for name in project.inputs()}, checks=SCHEMA.checks, strict=True
)

# Text that regular expressions of different makers read differently, bounds and just beyond them.
TEXTS = ["EWR", "JFK", "CLT", "EWR\n", "ewr", "", "ÉWR", "AA", "UA", "ZZ", "20131001-AA1-JFK"]
TEXTS += ["٢٠١٣١٠٠١-AA1-JFK", "20131001-AA1-JFK\n", "20131001-AA12345-JFK", "9E\x0b"]
NUMBERS = [0, 6, 7, -1, 10, 127, 128, 300, 1439, 1440, 6000, 32767, 32768, 10**12, 1950, 2030]
FLOATS = [10.0000001, 10.00001, 0.1, -40.0000001, 2030.00001, 3.4e38, 3.5e38, 1e300, -0.0, 130.5]
ODD: list[Any] = [None, True, [], {}, "1", 1.0]

# The range belongs to the form of a time, not to the schema (tests/schema/test_times.py).
in_range = st.datetimes(
    EARLIEST.replace(tzinfo=None), END.replace(tzinfo=None), timezones=st.just(UTC)
).filter(lambda time: time < END)


def values_for(name: str) -> st.SearchStrategy[Any]:
    """Values for a field: mostly its own kind, at times another."""
    kind = str(SCHEMA.columns[name].dtype)
    if kind.startswith("datetime"):
        own: st.SearchStrategy[Any] = in_range.map(datetime.isoformat)
    elif kind.startswith("string"):
        own = st.sampled_from(TEXTS)
    elif kind.startswith("int"):
        own = st.sampled_from(NUMBERS)
    else:
        own = st.sampled_from([*NUMBERS, *FLOATS, None]) | st.floats(-50, 3000, allow_nan=False)
    return st.just(GOOD[name]) | own | own | st.sampled_from(ODD)


changes = st.fixed_dictionaries({}, optional={name: values_for(name) for name in GOOD})
dropped = st.sets(st.sampled_from(sorted(GOOD)), max_size=2)
extra = st.sampled_from([{}, {}, {"wings": 2}])


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    row = GOOD | draw(changes) | draw(extra)
    gone = draw(dropped) if draw(st.booleans()) else set()
    return {name: value for name, value in row.items() if name not in gone}


def as_in_a_file(name: str, value: Any) -> pd.Series:
    """The narrowest column that holds the value without loss: as a writer would store it."""
    kind = str(INPUTS.columns[name].dtype) if name in INPUTS.columns else "string"
    value = frozenset() if isinstance(value, (list, dict)) else value  # pandas must hash it
    if kind.startswith("string"):
        dtype = "str" if value is None or isinstance(value, str) else "object"
    elif kind.startswith("datetime"):
        is_time = isinstance(value, str) and "-" in value
        value, dtype = (pd.Timestamp(value), kind) if is_time else (value, "object")
    elif isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
        dtype = "object"
    elif kind.startswith("int"):
        dtype = _width(value, kind, np.iinfo(kind).max)
    else:
        dtype = _width(value, kind, float(np.finfo(kind).max))
    return pd.Series([value], dtype=dtype)


def _width(value: float | None, kind: str, largest: float) -> str:
    if value is None:
        return "float32"
    if kind.startswith("int") and isinstance(value, float):
        return "float64"
    wider = "int64" if kind.startswith("int") else "float64"
    return kind if abs(value) <= largest else wider


def of_pandera(row: dict[str, Any]) -> set[tuple[str, str]]:
    """Field and rule of every fault that pandera finds."""
    frame = pd.DataFrame({name: as_in_a_file(name, value) for name, value in row.items()})
    try:
        INPUTS.validate(frame, lazy=True)
    except SchemaErrors as errors:
        found = [_named(error) for error in errors.schema_errors]
    else:
        return set()
    unreadable = {field for field, rule in found if rule in {"missing", "type", "not_nullable"}}
    empty = {field for field, rule in found if rule == "not_nullable"}
    return {
        (field, rule)
        for field, rule in found
        if not (rule == "type" and field in empty)
        and not (rule not in {"missing", "type", "not_nullable"} and _reads(field, unreadable))
    }


STRUCTURE = {"column_in_dataframe": "missing", "column_in_schema": "unknown_field"}


def _named(error: Any) -> tuple[str, str]:
    check = error.check if isinstance(error.check, str) else error.check.name
    if check in STRUCTURE:
        return str(error.failure_cases), STRUCTURE[check]
    if check in project.RULES:
        return {"arrives_elsewhere": "dest, origin", "leaves_when_open": "dep_minute"}[check], check
    return str(error.schema.name), "type" if check.startswith("dtype") else check


def _reads(field: str, unreadable: set[str]) -> bool:
    return any(name in unreadable for name in field.split(", "))


WIDTHS = {"int8", "int16", "float32"}


@bounded
@given(row=rows())
def test_they_find_the_same_faults_in_a_row(validator: RowValidator, row: dict[str, Any]) -> None:
    found = {
        (field, "type" if rule in WIDTHS else rule)
        for _, field, rule in verdicts(validator.parse(body(row)))
    }
    assert found == of_pandera(row)


@bounded
@given(table=st.lists(rows(), min_size=2, max_size=4))
def test_a_list_has_the_faults_of_its_rows_and_of_keys_that_come_again(
    validator: RowValidator, table: list[dict[str, Any]]
) -> None:
    alone = {
        (number, field, rule)
        for number, row in enumerate(table)
        for _, field, rule in verdicts(validator.parse(body(row)))
    }
    keys = pd.Series([row.get("flight_id") for row in table], dtype=object)
    again = keys.duplicated() & keys.map(lambda key: isinstance(key, str))
    repeated = {(int(number), "flight_id", "unique") for number in np.flatnonzero(again)}
    assert verdicts(validator.parse(body(table))) == alone | repeated


def at(year: int) -> pd.Timestamp:
    return pd.Timestamp(datetime(year, 1, 1, tzinfo=UTC))


tenths = st.integers(-30, 30).map(lambda tenth: tenth / 10)
whole = st.integers(-5, 5)
years = st.integers(2010, 2016)
LETTERS = "ab1٢ \n.É"
letters = st.text(st.sampled_from(LETTERS), max_size=4)
PATTERNS = [
    r"^a",
    r"a$",
    r"^a|b$",
    r"\d",
    r"^\w+\Z",
    r"(?i)A",
    r"\s",
    r"^.{2}$",
    r"b{2}",
    "^(?:a|b)+",
]


def number_checks(bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Check]:
    makes: list[Any] = [Check.eq, Check.ne, Check.gt, Check.ge, Check.lt, Check.le]
    single = st.builds(lambda make, bound: make(bound), st.sampled_from(makes), bounds)
    lists = st.builds(
        lambda make, values: make(values),
        st.sampled_from([Check.isin, Check.notin]),
        st.lists(bounds, min_size=1, max_size=4),
    )
    pairs = st.builds(
        lambda ends, low, high: Check.in_range(*ends, include_min=low, include_max=high),
        st.lists(bounds, min_size=2, max_size=2, unique=True).map(sorted),
        st.booleans(),
        st.booleans(),
    )
    return single | lists | pairs


text_checks = st.one_of(
    st.builds(Check.str_matches, st.sampled_from(PATTERNS)),
    st.builds(Check.str_contains, st.sampled_from(PATTERNS)),
    st.builds(Check.str_startswith, letters),
    st.builds(Check.str_endswith, letters),
    st.builds(Check.isin, st.lists(letters, min_size=1)),
    st.builds(Check.notin, st.lists(letters, min_size=1)),
    st.builds(Check.eq, letters),
    st.builds(Check.ne, letters),
    st.builds(Check.str_length, st.integers(0, 2), st.integers(2, 4)),
    st.builds(lambda n: Check.str_length(max_value=n), st.integers(0, 3)),
    st.builds(lambda n: Check.str_length(exact_value=n), st.integers(0, 3)),
)

COLUMNS: dict[str, tuple[st.SearchStrategy[Check], st.SearchStrategy[Any]]] = {
    "int8": (number_checks(whole), whole),
    "int64": (number_checks(whole | tenths), whole),
    "float32": (number_checks(tenths | whole), tenths | tenths.map(lambda x: x + 1e-8) | whole),
    "float64": (number_checks(tenths | whole), tenths | tenths.map(lambda x: x + 1e-15) | whole),
    "str": (text_checks, letters),
    "datetime64[us, UTC]": (number_checks(years.map(at)), years.map(at)),
}


@pytest.mark.parametrize("dtype", COLUMNS)
@bounded
@given(data=st.data())
def test_they_read_every_check_of_pandera_alike(dtype: str, data: st.DataObject) -> None:
    checks, values = COLUMNS[dtype]
    drawn = data.draw(st.lists(checks, min_size=1, max_size=3))
    cells = data.draw(st.lists(values, min_size=1, max_size=6))
    assert_alike(dtype, drawn, cells)


@pytest.mark.parametrize("make", [Check.str_matches, Check.str_contains])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_they_read_a_pattern_alike_in_every_short_text(make: Any, pattern: str) -> None:
    texts = ["".join(some) for size in range(4) for some in product(LETTERS, repeat=size)]
    assert_alike("str", [make(pattern)], texts)


def assert_alike(dtype: str, checks: list[Check], cells: list[Any]) -> None:
    before = {"known": "before"}
    schema = DataFrameSchema(
        {
            "id": Column(str, unique=True, metadata=before),
            "x": Column(dtype, checks, metadata=before),
        },
        strict=True,
    )
    table = [
        {"id": str(number), "x": cell.isoformat() if isinstance(cell, pd.Timestamp) else cell}
        for number, cell in enumerate(cells)
    ]
    stored = pd.Series(cells, dtype=dtype)
    expected = {
        (int(number), "x", check.name)
        for check in checks
        for number in np.flatnonzero(~check(stored).check_output.to_numpy(dtype=bool))
    }
    # Through JSON, as the manifest keeps it.
    spec = json.loads(json.dumps(export_schema(schema, {})))
    assert verdicts(RowValidator(spec, {}).parse(body(table))) == expected
