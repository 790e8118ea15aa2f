"""The monthly files of ``data/``, in the order of the events that are in them.

A file is named after its month (``2013-09.parquet``) and holds the events of that month alone, by
the calendar of some time zone: a day more at each end is allowed, because event times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from slipway import project
from slipway.dataset.files import Listing, NotRead, list_folder, open_parquet, parse_month, reading
from slipway.errors import SlipwayError
from slipway.untrusted import shown_name

DATA = Path("data")

DAY = timedelta(days=1)

MOST_NAMED = 5


@dataclass(frozen=True)
class Period:
    """The times of a file's first and last event, datetime64[us], UTC."""

    path: Path
    first: np.datetime64
    last: np.datetime64


def month_files(folder: Path = DATA) -> list[Path]:
    """Return the monthly files of a data folder, oldest first, by the time of their events.

    Raises
    ------
    SlipwayError
        There is no file; a file of the folder may hold rows and is not read; a file is not named
        after a month, or not after that of its rows; or two files overlap in time.
    """
    found = list_data(folder)
    refuse_unread(found.not_read)
    for path in found.read:
        if parse_month(path.name) is None:
            raise SlipwayError(
                f"{shown_name(path.as_posix())}: not named after a month, so its place in time is "
                "not known",
                "write one file a month, named YYYY-MM.parquet, such as 2013-09.parquet",
            )
    periods = sorted((_period(path) for path in found.read), key=lambda period: period.first)
    for earlier, later in pairwise(sorted(periods, key=lambda period: period.path.name)):
        if parse_month(earlier.path.name) == parse_month(later.path.name):
            raise SlipwayError(
                f"{earlier.path} and {later.path} are both named after the same month",
                "write one file a month, named YYYY-MM.parquet",
            )
    for earlier, later in pairwise(periods):
        if earlier.last > later.first:
            raise SlipwayError(
                f"{earlier.path} and {later.path} overlap in time: the first has events until "
                f"{_utc(earlier.last)}, the second from {_utc(later.first)}",
                "write each event into the file of its month, by one time zone for all files",
            )
    return [period.path for period in periods]


def list_data(folder: Path = DATA) -> Listing:
    """Return the parquet files of a data folder, by name, and its other files.

    Raises
    ------
    SlipwayError
        It has no parquet file.
    """
    found = list_folder(folder) if folder.is_dir() else Listing([], [])
    if not found.read:
        refuse_unread(found.not_read)
        raise SlipwayError(
            f"{folder}/: no parquet file",
            "fetch the data with `slipway restore` (or `make data`)",
        )
    return found


def refuse_unread(files: list[NotRead]) -> None:
    """Refuse a folder with files that may hold rows and are not read.

    Raises
    ------
    SlipwayError
        Names them.
    """
    tables = [file for file in files if file.may_hold_rows]
    if tables:
        raise SlipwayError(
            f"not read, but may hold rows: {named(tables)}",
            "write them as one parquet file a month (YYYY-MM.parquet), or move them out of data/",
        )


def named(files: list[NotRead]) -> str:
    """Return files that are not read with the reasons, and the number of further ones."""
    more = f" and {len(files) - MOST_NAMED:,} more" if len(files) > MOST_NAMED else ""
    return ", ".join(file.text() for file in files[:MOST_NAMED]) + more


def month_window(month: str) -> tuple[np.datetime64, np.datetime64]:
    """Return the first time that a month's file may hold, and the first that is too late."""
    start = np.datetime64(month, "M")
    return (
        start.astype("datetime64[us]") - np.timedelta64(DAY),
        (start + 1).astype("datetime64[us]") + np.timedelta64(DAY),
    )


def last_event(path: Path) -> np.datetime64:
    """Return the time of a monthly file's last event, datetime64[us], UTC."""
    return _period(path).last


def _period(path: Path) -> Period:
    times = _event_times(path)
    month = str(parse_month(path.name))
    start, end = month_window(month)
    outside = np.flatnonzero((times < start) | (times >= end))
    if len(outside):
        first = outside[0]
        raise SlipwayError(
            f"{path}: {len(outside):,} of its {len(times):,} rows are not of {month}, the month in "
            f"its name, such as row {first:,}, of {_utc(times[first])}",
            "write each event into the file of its month, or give the file the name of its month",
        )
    return Period(path, times.min(), times.max())


def _event_times(path: Path) -> np.ndarray:
    """Return the event times of a file, datetime64[us], UTC, shape (rows,)."""
    import pyarrow as pa

    name = project.event_time()
    see = f"see `slipway validate {path}`"
    with open_parquet(path) as file, reading(path):
        if (number := file.schema_arrow.names.count(name)) != 1:
            state = "repeated" if number else "missing"
            raise SlipwayError(
                f"{path}: column {shown_name(name)}, the event time, is {state}", see
            )
        column = file.read(columns=[name])[name]
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise SlipwayError(
            f"{path}: column {shown_name(name)} has type {column.type}; expected times with their "
            "zone (timestamp[us, tz=UTC])",
            see,
        )
    if column.null_count or not len(column):
        what = f"is empty in {column.null_count:,} rows" if len(column) else "has no rows"
        raise SlipwayError(f"{path}: column {shown_name(name)}, the event time, {what}", see)
    with reading(path):
        return np.asarray(column.cast(pa.timestamp("us")).to_numpy())


def _utc(time: np.datetime64) -> str:
    return f"{time.astype('datetime64[s]')}Z"
