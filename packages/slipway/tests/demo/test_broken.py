"""A file with violations is made of the rows of any table."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandera.errors import SchemaErrors
from pandera.pandas import Check, Column, DataFrameSchema

from slipway.setup.demo.broken import break_rows

TABLES = Path(__file__).parents[1] / "projects/tables"

TIME = "datetime64[us, UTC]"

LIMITED, REQUIRED, UNIQUE = "a value outside its limits", "a missing value", "a repeated key"


def found(rows: pa.Table, schema: DataFrameSchema) -> set[str]:
    """Return the violations that pandera finds, by their kind."""
    try:
        schema.validate(rows.to_pandas(), lazy=True)
    except SchemaErrors as errors:
        checks = set(errors.failure_cases["check"].astype(str))
    else:
        return set()
    named = {
        "not_nullable": REQUIRED,
        "field_uniqueness": UNIQUE,
        "multiple_fields_uniqueness": UNIQUE,
    }
    return {named.get(check, LIMITED if "(" in check else check) for check in checks}


def defined(path: Path, name: str) -> Any:
    return runpy.run_path(str(path))[name]


@pytest.mark.parametrize("name", ["customers", "loans", "pumps", "visits"])
def test_a_table_gets_each_kind_of_violation(name: str) -> None:
    schema = defined(TABLES / name / "schema.py", "schema")
    month = defined(TABLES / name / "source.py", "month")
    rows = pa.Table.from_pandas(month(defined(TABLES / name / "source.py", "MONTHS")[0]))

    assert found(rows, schema) == set()
    assert found(break_rows(rows, schema), schema) == {LIMITED, REQUIRED, UNIQUE}


NUMBERS = np.linspace(0.0, 1.0, 50)


@pytest.mark.parametrize(
    ("columns", "values", "violations"),
    [
        pytest.param(
            {"key": Column("int64", unique=True), "size": Column("float32", Check.ge(0))},
            {"key": np.arange(50), "size": NUMBERS.astype("float32")},
            {LIMITED, REQUIRED, UNIQUE},
            id="no text",
        ),
        pytest.param(
            {"key": Column(str, unique=True), "kind": Column(str, Check.isin(["a"]))},
            {"key": [f"k{row}" for row in range(50)], "kind": ["a"] * 50},
            {LIMITED, REQUIRED, UNIQUE},
            id="only text",
        ),
        pytest.param(
            {"size": Column("float64", Check.le(1), nullable=True)},
            {"size": NUMBERS},
            {LIMITED},
            id="no key and nothing required",
        ),
        pytest.param(
            {"key": Column("int64", unique=True), "time": Column(TIME)},
            {"key": [7], "time": pd.to_datetime(["2020-01-01"]).tz_localize("UTC").as_unit("us")},
            {REQUIRED, UNIQUE},
            id="one row",
        ),
        pytest.param(
            {"size": Column("float64", nullable=True), "kind": Column(str, nullable=True)},
            {"size": NUMBERS, "kind": ["a"] * 50},
            {"column_in_dataframe"},
            id="no limits at all",
        ),
    ],
)
def test_a_violation_that_a_schema_cannot_have_is_left_out(
    columns: dict[str, Column], values: dict[str, Any], violations: set[str]
) -> None:
    schema = DataFrameSchema(columns, strict=True)
    rows = pa.Table.from_pandas(pd.DataFrame(values), preserve_index=False)

    assert found(rows, schema) == set()
    assert found(break_rows(rows, schema), schema) == violations


def test_dictionaries_of_text_are_broken_as_text_is() -> None:
    schema = DataFrameSchema({"kind": Column(str, Check.isin(["a"]))}, strict=True)
    rows = pa.table({"kind": pa.array(["a"] * 50).dictionary_encode()})

    assert found(break_rows(rows, schema), schema) == {LIMITED, REQUIRED}
