"""The format of a request, and the answer to one of another format."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from tests.schema.conftest import body, faults_of, rows_of, verdicts
from tests.services.projects import ROOT

from slipway import project
from slipway.dataset.tables import as_rows, read_columns, take
from slipway.schema.validator import RowValidator

Row = dict[str, Any]


def test_the_rows_of_a_file_sent_as_json_are_the_columns_of_the_file(
    validator: RowValidator,
) -> None:
    month = read_columns(
        [ROOT / "packages/slipway/tests/dataset/good/2013-09.parquet"], project.inputs()
    )
    rows = rows_of(validator.parse(body(as_rows(month))))
    assert rows.many
    assert rows.keys == month["flight_id"].tolist()
    assert list(rows.columns) == list(month)
    for name, values in month.items():
        assert rows.columns[name].dtype == values.dtype
        np.testing.assert_array_equal(rows.columns[name], values)


def test_one_row_is_a_table_of_one(validator: RowValidator, good: Row) -> None:
    rows = rows_of(validator.parse(body(good)))
    assert not rows.many
    assert rows.keys == ["20131001-US1117-EWR"]
    assert all(values.shape == (1,) for values in rows.columns.values())
    assert np.isnan(rows.columns["plane_year"][0])


def test_a_row_does_not_depend_on_its_company(validator: RowValidator, good: Row) -> None:
    other = good | {"flight_id": "20131001-AA1-JFK", "origin": "JFK", "carrier": "AA"}
    alone = rows_of(validator.parse(body(good))).columns
    together = take(rows_of(validator.parse(body([other, good]))).columns, np.array([1]))
    for name, values in alone.items():
        np.testing.assert_array_equal(values, together[name])


@pytest.mark.parametrize(
    ("change", "field", "rule", "message"),
    [
        ({"carrier": "ZZ"}, "carrier", "isin", "expected one of 9E, AA"),
        ({"dest": "clt"}, "dest", "str_matches", r"text that matches [A-Z]{3}\Z, got 'clt'"),
        ({"dep_minute": 1500}, "dep_minute", "in_range", "expected 0 to 1439, got 1500"),
        ({"weekday": 300}, "weekday", "int8", "a number that fits int8, got 300"),
        ({"distance": 10**30}, "distance", "int16", "a number that fits int16"),
        ({"temp": 1e39}, "temp", "float32", "a number that fits float32, got 1e+39"),
        ({"weekday": 1.0}, "weekday", "type", "expected a whole number, got 1.0"),
        ({"weekday": True}, "weekday", "type", "expected a whole number, got true"),
        ({"temp": False}, "temp", "type", "expected a finite number, got false"),
        ({"temp": "59"}, "temp", "type", "expected a finite number, got '59'"),
        ({"dest": 3}, "dest", "type", "expected text, got 3"),
        ({"dest": {"a": 1}}, "dest", "type", "expected text, got an object"),
        ({"dest": None}, "dest", "not_nullable", "expected a value, got null"),
        ({"seat": 3}, "seat", "unknown_field", "there is no such field"),
        ({"dest": "EWR"}, "dest, origin", "arrives_elsewhere", "dest 'EWR', origin 'EWR'"),
    ],
)
def test_a_violation_has_its_place_and_what_was_expected(
    validator: RowValidator, good: Row, change: Row, field: str, rule: str, message: str
) -> None:
    (fault,) = faults_of(validator.parse(body(good | change)))
    assert (fault["row"], fault["field"], fault["rule"]) == (0, field, rule)
    assert message in fault["message"]


@pytest.mark.parametrize(
    "time",
    [
        "2013-10-01",
        "2013-10-01T09:00:00",
        "20131001",
        "1380618000",
        1380618000,
        "2013-13-01T09:00:00Z",
        "soon",
    ],
)
def test_a_time_has_a_date_an_hour_and_a_zone(
    validator: RowValidator, good: Row, time: object
) -> None:
    answer = validator.parse(body(good | {"scheduled_departure": time}))
    assert verdicts(answer) == {(0, "scheduled_departure", "type")}


@pytest.mark.parametrize(
    "time", ["2013-10-01T05:00:00-04:00", "2013-10-01 09:00:00Z", "2013-10-01T09:00Z"]
)
def test_a_time_is_kept_as_utc(validator: RowValidator, good: Row, time: str) -> None:
    rows = rows_of(validator.parse(body(good | {"scheduled_departure": time})))
    assert str(rows.columns["scheduled_departure"][0]) == "2013-10-01T09:00:00.000000"


def test_a_missing_field_is_named(validator: RowValidator, good: Row) -> None:
    del good["temp"]
    assert verdicts(validator.parse(body(good))) == {(0, "temp", "missing")}


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(validator: RowValidator, good: Row, literal: str) -> None:
    sent = json.dumps(good).replace('"temp": 59.0', f'"temp": {literal}').encode()
    assert verdicts(validator.parse(sent)) == {(0, "temp", "type")}


@pytest.mark.parametrize(
    "sent", [b"", b"{", b"[{]", b"\xff", b'{"a": "\xed\xa0\x80"}', b"[" * 5000]
)
def test_what_is_not_json_is_refused(validator: RowValidator, sent: bytes) -> None:
    assert verdicts(validator.parse(sent)) == {(0, "", "json")}


@pytest.mark.parametrize("sent", [b"3", b"null", b'"row"', b"[3]", b"[[]]", b"[null]"])
def test_a_row_is_an_object(validator: RowValidator, sent: bytes) -> None:
    assert verdicts(validator.parse(sent)) == {(0, "", "type")}


def test_no_rows_are_no_question(validator: RowValidator) -> None:
    assert verdicts(validator.parse(b" [ ] ")) == {(0, "", "rows")}


def test_every_violation_of_every_row_is_reported_at_once(
    validator: RowValidator, good: Row
) -> None:
    rows = [
        good | {"weekday": 9, "dest": "EWR", "carrier": None},
        good | {"flight_id": "20131001-US1118-EWR"},
        good | {"temp": "warm", "wings": 2},
        7,
    ]
    answer = faults_of(validator.parse(body(rows)))
    assert verdicts(answer) == {
        (0, "carrier", "not_nullable"),
        (0, "weekday", "in_range"),
        (0, "dest, origin", "arrives_elsewhere"),
        (2, "flight_id", "unique"),
        (2, "temp", "type"),
        (2, "wings", "unknown_field"),
        (3, "", "type"),
    }
    assert [fault["row"] for fault in answer] == sorted(fault["row"] for fault in answer)


def test_a_key_comes_once_in_a_request(validator: RowValidator, good: Row) -> None:
    (fault,) = faults_of(validator.parse(body([good, good])))
    assert (fault["row"], fault["field"], fault["rule"]) == (1, "flight_id", "unique")
    assert "row 0" in fault["message"]


def test_a_rule_is_not_asked_about_a_field_that_cannot_be_read(
    validator: RowValidator, good: Row
) -> None:
    answer = validator.parse(body(good | {"origin": 3, "dest": "EWR"}))
    assert verdicts(answer) == {(0, "origin", "type")}


def test_a_message_stays_short_whatever_was_sent(validator: RowValidator, good: Row) -> None:
    answer = faults_of(validator.parse(body(good | {"dest": "x\n" * 10_000, "y" * 10_000: 1})))
    assert len(answer) == 2
    assert all(len(fault["message"]) < 200 and len(fault["field"]) <= 80 for fault in answer)
    assert not any("\n" in fault["message"] for fault in answer)


def test_the_service_can_check_rows_without_pandas() -> None:
    heavy = "{'pandas', 'pandera', 'pyarrow', 'sklearn', 'scipy'} & sys.modules.keys()"
    code = f"import sys, slipway.schema; sys.exit(str({heavy}) if {heavy} else 0)"
    path = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); "
    command = [sys.executable, "-c", path + code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
