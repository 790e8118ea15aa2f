"""Periods of time: days, weeks and months of a time zone, computed from the times of events.

A period is known by its first day, and named ``2013-09``, ``2013-W36`` (ISO 8601: weeks begin on
Monday) or ``2013-09-02``. The names of one unit sort in the order of time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Literal, NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np

Unit = Literal["day", "week", "month"]


class Span(NamedTuple):
    """A number of periods; the unit is None if the rows are not divided by time."""

    periods: int
    unit: Unit | None


COARSEST_FIRST: tuple[Unit, ...] = ("month", "week", "day")

# So that several can be learned from, and several held out.
FEWEST = 6

NAME = r"[0-9]{4}-([0-9]{2}|W[0-9]{2}|[0-9]{2}-[0-9]{2})"

# 1970-01-01, the day 0 of numpy, is a Thursday.
_THURSDAY = 3


def local_days(times: np.ndarray, zone: str) -> np.ndarray:
    """Return the calendar day in a time zone of some times in UTC, datetime64[D]."""
    import pandas as pd

    moments = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(ZoneInfo(zone))
    return np.asarray(moments.tz_localize(None).to_numpy().astype("datetime64[D]"))


def starts_of(days: np.ndarray, unit: Unit) -> np.ndarray:
    """Return the first day of the period of each day, datetime64[D]."""
    if unit == "month":
        return days.astype("datetime64[M]").astype("datetime64[D]")
    if unit == "week":
        numbers = days.astype("datetime64[D]").astype("int64")
        return (numbers - (numbers + _THURSDAY) % 7).astype("datetime64[D]")
    return days.astype("datetime64[D]")


def unit_of(days: np.ndarray) -> Unit:
    """Return the longest unit of which some days have `FEWEST` periods or more.

    If none has, the longest that divides the days as finely as they are: snapshots of three months
    are three months.
    """
    days = np.unique(days)
    for unit in COARSEST_FIRST:
        count = len(np.unique(starts_of(days, unit)))
        if count >= FEWEST or count == len(days):
            return unit
    return "day"


def name_of(start: np.datetime64, unit: Unit) -> str:
    """Return the name of a period that begins on a day."""
    if unit == "week":
        year, week, _ = cast("date", start.astype("datetime64[D]").item()).isocalendar()
        return f"{year:04}-W{week:02}"
    return str(start.astype("datetime64[M]" if unit == "month" else "datetime64[D]"))


@lru_cache(10_000)
def parse_name(name: str) -> tuple[np.datetime64, Unit] | None:
    """Return the first day and the unit of a period by its name; None for another text."""
    if re.fullmatch(NAME, name) is None:
        return None
    try:
        if "W" in name:
            start = date.fromisocalendar(int(name[:4]), int(name[6:]), 1)
            return np.datetime64(start, "D"), "week"
        return np.datetime64(name, "D"), "month" if len(name) == len("2013-09") else "day"
    except ValueError:
        return None


def called(names: Sequence[str]) -> str:
    """Return what some periods are called: months, weeks or days; folds, if rows have no time."""
    found = parse_name(names[0]) if names else None
    return f"{found[1]}s" if found else "folds"


def whole_months(names: Iterable[str]) -> set[str]:
    """Return the calendar months, as ``2013-09``, in which some periods begin or end."""
    found = [each for each in map(parse_name, names) if each]
    return {
        str(day.astype("datetime64[M]")) for each in found for day in (each[0], last_day(*each))
    }


def last_day(start: np.datetime64, unit: Unit) -> np.datetime64:
    """Return the last day of a period that begins on a day."""
    if unit == "month":
        return (start.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
    return start + (6 if unit == "week" else 0)


def days_of(names: Sequence[str]) -> np.ndarray | None:
    """Return the days of some periods, datetime64[D]; None if some are no periods."""
    found = [parse_name(name) for name in names]
    if None in found or not found:
        return None
    return np.concatenate([np.arange(each[0], last_day(*each) + 1) for each in found if each])
