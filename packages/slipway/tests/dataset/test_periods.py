"""Periods of time are computed from the times of events, in the project's time zone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.dataset.periods import (
    Unit,
    called,
    days_of,
    last_day,
    local_days,
    name_of,
    parse_name,
    starts_of,
    unit_of,
    whole_months,
)

UNITS: tuple[Unit, ...] = ("day", "week", "month")


def days(first: str, count: int, step: int = 1) -> np.ndarray:
    return np.datetime64(first, "D") + np.arange(0, count * step, step)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(number=st.integers(-98_000, 84_000), unit=st.sampled_from(UNITS))
def test_a_name_gives_back_its_period_and_the_day_is_in_it(number: int, unit: Unit) -> None:
    day = np.datetime64(0, "D") + number
    (start,) = starts_of(np.array([day]), unit)
    assert parse_name(name_of(start, unit)) == (start, unit)
    assert start <= day <= last_day(start, unit)
    assert starts_of(np.array([last_day(start, unit) + 1]), unit)[0] == last_day(start, unit) + 1


@pytest.mark.parametrize("unit", UNITS)
def test_names_sort_in_the_order_of_time(unit: Unit) -> None:
    starts = np.unique(starts_of(days("2019-12-20", 800), unit))
    names = [name_of(start, unit) for start in starts]
    assert names == sorted(names)


def test_a_week_is_that_of_iso_8601() -> None:
    assert name_of(starts_of(days("2021-01-03", 1), "week")[0], "week") == "2020-W53"


@pytest.mark.parametrize("text", ["", "2013", "2013-13", "2013-02-30", "2013-W60", "../2013-09"])
def test_another_text_is_no_period(text: str) -> None:
    assert parse_name(text) is None


@pytest.mark.parametrize(
    ("found", "unit"),
    [
        (days("2013-01-01", 270), "month"),
        (days("2016-01-01", 8 * 365), "month"),
        (days("2013-01-01", 60), "week"),
        (days("2013-01-07", 11), "day"),
        (days("2013-01-01", 1), "month"),
        (np.array(["2013-01-01", "2013-02-01", "2013-03-01"], "datetime64[D]"), "month"),
        (days("2013-01-01", 5, step=7), "week"),
    ],
)
def test_the_data_has_periods_as_long_as_it_can_be_divided_by(
    found: np.ndarray, unit: Unit
) -> None:
    assert unit_of(found) == unit


def test_a_day_begins_at_midnight_of_the_time_zone() -> None:
    times = np.array(["2013-10-01T03:59", "2013-10-01T04:00"], "datetime64[us]")
    assert local_days(times, "America/New_York").astype(str).tolist() == [
        "2013-09-30",
        "2013-10-01",
    ]


def test_the_days_and_the_months_of_periods() -> None:
    assert whole_months(["2013-W40", "2013-11", "scored"]) == {"2013-09", "2013-10", "2013-11"}
    found = days_of(["2013-02", "2013-W10"])
    assert found is not None
    assert len(found) == 28 + 7
    assert days_of(["learned"]) is None
    assert days_of([]) is None


@pytest.mark.parametrize(
    ("name", "word"),
    [("2024-05", "months"), ("2024-W05", "weeks"), ("2024-05-01", "days"), ("fold-1", "folds")],
)
def test_periods_are_called_by_their_unit_and_parts_without_a_time_folds(
    name: str, word: str
) -> None:
    assert called([name, "holdout"]) == word
