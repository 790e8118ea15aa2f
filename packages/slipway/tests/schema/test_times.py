"""Which times a row may have: the grammar and the range that the readers of its record share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from tests.schema.conftest import body, rows_of, verdicts
from tests.schema.test_agreement import bounded

from slipway.schema.validator import Rows, RowValidator
from slipway.times import EARLIEST, END, parse_time, time_or_none

FIELD = "scheduled_departure"

digits = st.integers(0, 99).map(lambda number: f"{number:02d}")
near_misses = st.tuples(
    st.sampled_from(["2013", "1699", "1700", "2199", "2200", "9999", "0001", "13", "٢٠١٣"]),
    st.sampled_from(["-", "", "/"]),
    st.sampled_from(["10-01", "02-29", "13-01", "W40-2", "274", "10-1"]),
    st.sampled_from(["T", " ", "t", "_", ""]),
    digits,
    st.sampled_from([":15", "15", ""]),
    st.sampled_from([":00", ":60", "00", ""]),
    st.sampled_from(["", ".5", ",5", ".", ".123456789", ".1234567891"]),
    st.sampled_from(
        ["Z", "z", "", " Z", "+00", "+0530", "-05:00", "+14:60", "+24:00", "\N{MINUS SIGN}05:00"]
    ),
    st.sampled_from(["", "", "", "\n", " "]),
).map("".join)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(timezones=offsets).map(datetime.isoformat)


@bounded
@given(text=near_misses | times | st.text(max_size=30))
def test_the_service_accepts_exactly_the_times_that_are_defined_for_its_readers(
    validator: RowValidator, good: dict[str, Any], text: str
) -> None:
    answer = validator.parse(body(good | {FIELD: text}))

    expected = time_or_none(text)
    assert isinstance(answer, Rows) is (expected is not None)
    if isinstance(answer, Rows) and expected is not None:
        naive = expected.replace(tzinfo=None)
        assert answer.columns[FIELD].tolist() == [naive]


@pytest.mark.parametrize(
    "text",
    [
        "2013-10-01T09:15:00Z",
        "2013-10-01 09:15:00Z",
        "2013-10-01T09:15Z",
        "2013-10-01T09:15:00.000Z",
        "2013-10-01T09:15:00.000000999Z",
        "2013-10-01T09:15:00+00:00",
        "2013-10-01T14:45:00+0530",
        "2013-10-01T05:15:00-04:00",
    ],
)
def test_these_forms_name_one_moment_for_every_library_that_reads_the_log(text: str) -> None:
    import duckdb
    import pandas as pd

    moment = datetime(2013, 10, 1, 9, 15, tzinfo=UTC)
    (stored,) = duckdb.execute("SELECT epoch_us(?::TIMESTAMPTZ)", [text]).fetchone() or ()

    assert parse_time(text) == moment
    assert datetime.fromisoformat(text) == moment
    assert pd.to_datetime([text], format="ISO8601", utc=True).as_unit("us")[0] == moment
    assert stored == int(moment.timestamp() * 1e6)


@pytest.mark.parametrize(
    "text",
    [
        "2013-10-01t09:15:00Z",
        "2013-10-01T09:15:00z",
        "2013-10-01T09:15:00,5Z",
        "2013-10-01T09:15:00",
        "2013-10-01T24:00:00Z",
        "2013-12-31T23:59:60Z",
        "2013-02-29T00:00:00Z",
        "2013-10-01T09:15:00+24:00",
        "2013-10-01T09:15:00 Z",
        "2013-10-01T09:15:00Z\n",
        "20131001T091500Z",
        "2013-W40-2T09:15:00Z",
        "٢٠١٣-10-01T09:15:00Z",
    ],
)
def test_a_form_that_one_of_them_cannot_read_is_no_time(
    validator: RowValidator, good: dict[str, Any], text: str
) -> None:
    assert verdicts(validator.parse(body(good | {FIELD: text}))) == {(0, FIELD, "type")}


@pytest.mark.parametrize(
    ("text", "in_range"),
    [
        ("1700-01-01T00:00:00Z", True),
        ("1699-12-31T23:59:59.999999Z", False),
        ("1700-01-01T00:00:00+00:01", False),
        ("2199-12-31T23:59:59.999999Z", True),
        ("2200-01-01T00:00:00Z", False),
        ("2199-12-31T23:59:59-00:01", False),
        ("0001-01-01T00:00:00+05:00", False),
        ("9999-12-31T23:59:59-05:00", False),
    ],
)
def test_a_time_lies_in_the_years_that_every_reader_can_hold(
    validator: RowValidator, good: dict[str, Any], text: str, in_range: bool
) -> None:
    answer = validator.parse(body(good | {FIELD: text}))

    assert verdicts(answer) == (set() if in_range else {(0, FIELD, "time_range")})


def test_the_range_fits_nanoseconds_since_1970() -> None:
    for moment in (EARLIEST, END):
        naive = moment.replace(tzinfo=None)
        assert np.datetime64(naive, "us").astype("datetime64[ns]").astype("datetime64[us]") == naive


def test_a_time_of_day_is_kept_to_the_microsecond(
    validator: RowValidator, good: dict[str, Any]
) -> None:
    rows = rows_of(validator.parse(body(good | {FIELD: "1960-10-01T09:15:00.123456999Z"})))

    assert str(rows.columns[FIELD][0]) == "1960-10-01T09:15:00.123456"
