"""A key that a row has twice is refused: a parser would keep the second value without a word."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.schema.conftest import body, faults_of, verdicts
from tests.schema.test_agreement import bounded

from slipway.schema.validator import Rows, RowValidator

TEXT = {"type": "string", "dtype": "object", "rules": []}
SPEC: Any = [
    {"name": "id", **TEXT, "nullable": False, "unique": True},
    {"name": 'qu"ote', **TEXT, "nullable": True, "unique": False},
    {"name": "x", "type": "number", "dtype": "float64", "nullable": True, "unique": False}
    | {"rules": []},
]

texts = st.text(st.sampled_from('a":\\{}[],\n é'), max_size=8)
optional = st.none() | texts
values = {"id": texts, 'qu"ote': optional, "x": st.none() | st.integers(0, 9) | st.just(0.5)}


def spelled(key: str) -> st.SearchStrategy[str]:
    """A key as JSON may spell it: each character as it is, or escaped."""
    characters = [st.sampled_from([json.dumps(one)[1:-1], f"\\u{ord(one):04x}"]) for one in key]
    return st.tuples(*characters).map(lambda spelling: f'"{"".join(spelling)}"')


@st.composite
def row(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A row as text, and which keys are in it."""
    keys = draw(
        st.permutations([*values, *draw(st.lists(st.sampled_from(list(values)), max_size=2))])
    )
    pairs = [f"{draw(spelled(key))}:{json.dumps(draw(values[key]))}" for key in keys]
    return "{" + ", ".join(pairs) + "}", keys


@bounded
@given(rows=st.lists(row(), min_size=1, max_size=3))
def test_a_row_is_refused_exactly_if_it_has_a_key_twice(rows: list[tuple[str, list[str]]]) -> None:
    validator = RowValidator(SPEC, {})
    answer = validator.parse(f"[{','.join(text for text, _ in rows)}]".encode())

    again = {
        (number, key, "repeated_key")
        for number, (_, keys) in enumerate(rows)
        for key in keys
        if keys.count(key) > 1
    }
    assert {each for each in verdicts(answer) if each[2] != "unique"} == again
    assert isinstance(answer, Rows) or again or verdicts(answer)


@pytest.mark.parametrize(
    "twice",
    [
        '"carrier": "UA", "carrier": "US"',
        '"carrier": "US", "carrier": "US"',
        '"carrier": "US", "c\\u0061rrier": "US"',
        '"carrier" : "US" , "carrier" : 3',
    ],
)
def test_the_key_is_named_whatever_its_values_are(
    validator: RowValidator, good: dict[str, Any], twice: str
) -> None:
    sent = json.dumps(good).replace('"carrier": "US"', twice)

    faults = faults_of(validator.parse(sent.encode()))

    assert (0, "carrier", "repeated_key") in verdicts(faults)


@pytest.mark.parametrize("inner", ['{"k": 1, "k": 2}', '[[{"a": {"k": 1, "k": 2}}], 3]'])
def test_a_key_is_named_at_any_depth_and_with_its_row(
    validator: RowValidator, good: dict[str, Any], inner: str
) -> None:
    spoilt = json.dumps(good).replace('"US"', inner)

    answer = validator.parse(f"[[{inner}], {json.dumps(good)}, {spoilt}]".encode())

    named = {each for each in verdicts(answer) if each[2] == "repeated_key"}
    assert named == {(0, "k", "repeated_key"), (2, "k", "repeated_key")}


def test_a_request_may_have_the_same_keys_in_each_of_its_rows(
    validator: RowValidator, good: dict[str, Any]
) -> None:
    rows = [good | {"flight_id": f"20131001-US{number}-EWR"} for number in range(1, 4)]

    answer = validator.parse(body(rows))

    assert isinstance(answer, Rows)
    assert len(answer.keys) == 3
    np.testing.assert_array_equal(answer.columns["carrier"], ["US"] * 3)


TOGETHER: Any = [
    {"name": "shop", **TEXT, "nullable": False, "unique": True},
    {"name": "order", "type": "integer", "dtype": "int64", "nullable": False, "unique": True}
    | {"rules": []},
]


def test_rows_are_repeated_if_all_columns_of_the_key_are_equal() -> None:
    validator = RowValidator(TOGETHER, {})
    rows = [{"shop": "a", "order": 1}, {"shop": "a", "order": 2}, {"shop": "b", "order": 1}]
    found = validator.parse(json.dumps(rows).encode())
    assert isinstance(found, Rows)
    assert found.keys == ['["a",1]', '["a",2]', '["b",1]']
    faults = faults_of(validator.parse(json.dumps([*rows, rows[1]]).encode()))
    assert verdicts(faults) == {(3, "shop", "unique")}


def test_without_a_key_rows_may_be_equal() -> None:
    spec: Any = [{**each, "unique": False} for each in TOGETHER]
    validator = RowValidator(spec, {})
    found = validator.parse(json.dumps([{"shop": "a", "order": 1}] * 2).encode())
    assert isinstance(found, Rows)
    assert found.keys == [None, None]
