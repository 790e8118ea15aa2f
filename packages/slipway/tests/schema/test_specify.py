"""The specification holds all that the schema requires of a row, or it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.pandas import Check, Column, DataFrameSchema

from slipway import project
from slipway.errors import SlipwayError
from slipway.schema.export import export_schema

BEFORE = {"known": "before"}
KEY = Column(str, unique=True, metadata=BEFORE)


def schema_of(column: Column, **options: Any) -> DataFrameSchema:
    return DataFrameSchema({"id": KEY, "x": column}, **{"strict": True, **options})


def column(dtype: Any, *checks: Any, **options: Any) -> Column:
    return Column(dtype, list(checks), **{"metadata": BEFORE, **options})


def test_it_holds_the_columns_known_before_and_is_plain_json() -> None:
    spec = export_schema(project.schema())
    assert [item["name"] for item in spec] == project.inputs()
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


def test_a_rule_bears_the_name_and_the_arguments_of_its_check() -> None:
    (_, x) = export_schema(
        schema_of(column("int8", Check.in_range(0, 6), Check.isin([1], name="one"))), {}
    )
    assert (x["type"], x["dtype"], x["nullable"]) == ("integer", "int8", False)
    assert [(rule["rule"], rule["check"]) for rule in x["rules"]] == [
        ("in_range", "in_range"),
        ("one", "isin"),
    ]
    assert x["rules"][0]["arguments"]["max_value"] == 6


def in_range(values: pd.Series) -> Any:
    return values > 0


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (Check(lambda values: values > 0), "<lambda>"),
        (Check(lambda values: values > 0, name="in_range"), "in_range"),
        (Check(in_range), "in_range"),
        (Check.in_range(0, 6, element_wise=True), "in_range"),
        (Check.in_range(0, 6, ignore_na=False), "in_range"),
        (Check.in_range(0, 6, groupby="id"), "in_range"),
        (Check.unique_values_eq([1, 2]), "unique_values_eq"),
        (Check.str_matches("a"), "str_matches"),
    ],
)
def test_a_check_that_one_row_cannot_keep_is_refused_by_name(check: Check, name: str) -> None:
    with pytest.raises(SlipwayError, match=f"column `x`: the check `{name}`"):
        export_schema(schema_of(column("int8", check)), {})


@pytest.mark.parametrize(
    "check", [Check.ge(np.inf), Check.isin([np.nan]), Check.isin([pd.Timestamp("2013-01-01")])]
)
def test_a_bound_that_json_cannot_hold_is_refused(check: Check) -> None:
    with pytest.raises(SlipwayError, match="column `x`: a check holds"):
        export_schema(schema_of(column("float32", check)), {})


def test_a_time_without_a_zone_is_no_bound() -> None:
    x = column("datetime64[us, UTC]", Check.ge(pd.Timestamp("2013-01-01")))
    with pytest.raises(SlipwayError, match="column `x`: a check holds"):
        export_schema(schema_of(x), {})


@pytest.mark.parametrize(
    "x",
    [
        column("bool"),
        column(object),
        column(None),
        column("datetime64[ns, UTC]"),
        column("datetime64[us]"),
        column("int8", nullable=True),
        column("Int8", nullable=True),
    ],
)
def test_a_type_that_a_request_cannot_carry_is_refused(x: Column) -> None:
    with pytest.raises(SlipwayError, match="column `x`: type"):
        export_schema(schema_of(x), {})


def test_a_check_that_only_warns_is_refused() -> None:
    with pytest.raises(SlipwayError, match="column `x`: unsupported schema option: raise_warning"):
        export_schema(schema_of(column("int8", Check.ge(0, raise_warning=True))), {})


@pytest.mark.parametrize("option", [{"required": False}, {"regex": True}, {"coerce": True}])
def test_a_column_that_may_come_and_go_or_change_is_refused(option: dict[str, bool]) -> None:
    with pytest.raises(
        SlipwayError, match=f"column `x`: unsupported schema option: {next(iter(option))}"
    ):
        export_schema(schema_of(column("int8", **option)), {})


@pytest.mark.parametrize("option", [{"coerce": True}, {"strict": False}])
def test_a_schema_that_lets_rows_pass_or_change_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(
        SlipwayError, match=f"the schema: unsupported schema option: {next(iter(option))}"
    ):
        export_schema(schema_of(column("int8"), **option), {})


def unique_columns(*unique: str, together: list[str] | None = None) -> DataFrameSchema:
    columns = {name: column(str, unique=name in unique) for name in "abc"}
    return DataFrameSchema(columns, strict=True, unique=together)


@pytest.mark.parametrize(
    ("schema", "key"),
    [
        (unique_columns("a"), ["a"]),
        (unique_columns(together=["c", "a"]), ["a", "c"]),
        (unique_columns(), []),
    ],
)
def test_the_key_is_one_column_or_several_or_none(schema: DataFrameSchema, key: list[str]) -> None:
    spec = export_schema(schema, {})
    assert [each["name"] for each in spec if each["unique"]] == key


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (unique_columns("a", "b"), "2 columns known before are unique"),
        (unique_columns("a", together=["b", "c"]), "and several together"),
        (unique_columns(together=["a", "z"]), "names `z`, which is not a column known before"),
    ],
)
def test_two_keys_and_a_key_without_its_column_are_refused(
    schema: DataFrameSchema, message: str
) -> None:
    with pytest.raises(SlipwayError, match=message):
        export_schema(schema, {})


def test_a_key_of_more_numbers_than_every_reader_holds_is_refused() -> None:
    with pytest.raises(SlipwayError, match="the key `a` has type uint64"):
        export_schema(DataFrameSchema({"a": column("uint64", unique=True)}, strict=True), {})


def positive(columns: Any) -> Any:
    return columns["x"] > 0


def settled(columns: Any) -> Any:
    return columns["y"] > 0


def with_checks(*checks: Check) -> DataFrameSchema:
    columns = {"id": KEY, "x": column("int8"), "y": Column("float32", metadata={"known": "after"})}
    return DataFrameSchema(columns, checks=list(checks), strict=True)


def test_a_rule_is_made_by_the_schema_and_by_the_service() -> None:
    assert export_schema(with_checks(Check(positive, name="positive")), {"positive": positive})


@pytest.mark.parametrize(
    "checks",
    [
        [],
        [Check(settled, name="positive")],
        [Check(positive, name="positive", element_wise=True)],
    ],
)
def test_a_rule_that_the_schema_does_not_make_is_refused(checks: list[Check]) -> None:
    with pytest.raises(SlipwayError, match="the rule `positive` is not among the checks"):
        export_schema(with_checks(*checks), {"positive": positive})


def test_a_check_that_the_service_would_not_make_is_refused() -> None:
    with pytest.raises(SlipwayError, match="the check `positive` of the schema is not in RULES"):
        export_schema(with_checks(Check(positive, name="positive")), {})


def test_a_check_of_what_is_known_only_after_is_for_files_alone() -> None:
    assert export_schema(with_checks(Check(settled, name="settled")), {})


def test_a_rule_cannot_read_what_is_known_only_after() -> None:
    rules: dict[str, Callable[[Any], Any]] = {"settled": settled}
    with pytest.raises(SlipwayError, match="the rule `settled` reads 'y'"):
        export_schema(with_checks(Check(settled, name="settled")), rules)


def text_only(columns: Any) -> Any:
    return columns["id"].str.len() > 0


def on_the_whole(columns: Any) -> Any:
    return np.all(columns["x"] > 0)


@pytest.mark.parametrize(
    ("rule", "message"), [(text_only, "stopped: AttributeError"), (on_the_whole, "returns")]
)
def test_a_rule_that_arrays_cannot_keep_is_refused(rule: Any, message: str) -> None:
    with pytest.raises(SlipwayError, match=f"the rule `mine` {message}"):
        export_schema(with_checks(Check(rule, name="mine")), {"mine": rule})
