"""A month's rows, put together from the prediction log and the labels that have arrived.

The log has what was known when the prediction was asked for, the labels what became of it: both
together are what a file in ``data/`` holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway import contract
from slipway.errors import SlipwayError
from slipway.labels.arrivals import columns_of_label, outcomes
from slipway.labels.store import read_outcomes
from slipway.log_files import Skipped
from slipway.months import last_event, month_window
from slipway.records import Place, Records
from slipway.rows import Rows, RowValidator, column_type, specify
from slipway.tables import read_columns
from slipway.times import time_or_none

if TYPE_CHECKING:
    import pandas as pd

TOGETHER = 1_000  # rows that are checked in one step

STEP = timedelta(minutes=30)
"""Time zones differ by multiples of this, but for a few."""


@dataclass(frozen=True)
class Calendar:
    """Where the month of a row of the log begins and ends, so that it follows the files in data/.

    These are by the calendar of some time zone (`slipway.months`), which their events show: months
    of a zone west of UTC end after those of UTC, and east of UTC they begin before.

    Parameters
    ----------
    after
        The last event in data/: rows before it have no file that they could be added to.
    shift
        How much later than in UTC months begin.
    """

    after: datetime
    shift: timedelta

    @classmethod
    def of(cls, newest: Path) -> Calendar:
        """Return the calendar that the newest file in data/ is written by."""
        times = read_columns([newest], [contract.event_time()])[contract.event_time()]
        start = np.datetime64(newest.stem, "M")
        early = _between(start, times.min())
        late = _between(start + 1, last_event(newest))
        steps = late // STEP + 1 if late >= timedelta() else min(early // STEP, 0)
        return cls(_utc(last_event(newest)), steps * STEP)

    def month_of(self, time: datetime) -> str:
        return f"{time - self.shift:%Y-%m}"

    def follows(self, time: datetime, month: str) -> bool:
        """Return whether a row may be in the file of a month, after what is in data/."""
        start, _ = month_window(month)
        return time >= self.after and time >= _utc(start)


@dataclass(frozen=True)
class Logged:
    """A month's rows, and those of the log that do not fit today's schema.

    Parameters
    ----------
    refused, why
        How many, and where the first is and what is wrong with it.
    late
        Rows that data/ does not have, of events before the last one that it has.
    waiting
        Rows that are left out until a whole number has come that is known only afterwards: its
        type has no value for a missing one.
    """

    rows: pd.DataFrame
    refused: int = 0
    why: str = ""
    late: int = 0
    waiting: int = 0


def read_months(log: str, calendar: Calendar) -> tuple[set[str], Skipped]:
    """Return the months (``YYYY-MM``) of the log's events, and what of the log was left out.

    Raises
    ------
    SlipwayError
        The log cannot be read, or is something else.
    """
    records = Records(log)
    found = {calendar.month_of(time) for _, _, time in _timed(records)}
    if too_many := records.skipped.too_many():
        raise SlipwayError(f"{log}: {too_many}")
    return found, records.skipped


def rows_of(month: str, log: str, labels: str, known: set[Any], calendar: Calendar) -> Logged:
    """Return the rows of a month in the columns and types of the schema, oldest first.

    Rows between the last event in data/ and the beginning of the month are added to it.

    Parameters
    ----------
    known
        Keys that are in ``data/`` already, and are left out.

    Raises
    ------
    SlipwayError
        The labels lack the columns that they are made of, or log or labels cannot be read.
    """
    import pandas as pd

    asked = _asked(month, log, known, calendar)
    key = contract.key()
    said = read_outcomes(labels).rename(columns={"key": key}).drop(columns="label")
    _check_outcomes(said, labels)
    rows = asked.rows.merge(said, on=key, how="left")
    columns = contract.schema().columns
    whole = [name for name in outcomes() if column_type(name, columns[name])[0] == "integer"]
    known_by_now = rows.reindex(columns=whole).notna().all(axis=1)
    waiting = int((~known_by_now).sum())
    rows = rows[known_by_now]
    typed = {name: _typed(rows, name, month) for name in columns}
    order = [contract.event_time(), key]
    return replace(
        asked, waiting=waiting, rows=pd.DataFrame(typed).sort_values(order, ignore_index=True)
    )


def _timed(records: Records) -> Iterator[tuple[Place, dict[str, Any], datetime]]:
    """Yield the records whose event has a time, with that time."""
    name = contract.event_time()
    for place, record in records.placed():
        time = time_or_none(record["input"].get(name))
        if time is None:
            records.skipped.untimed.add(1, partial(records.where, place))
        else:
            yield place, record, time


def _asked(month: str, log: str, known: set[Any], calendar: Calendar) -> Logged:
    """Return a month's rows as they were sent; of a key that was sent again, the last."""
    import pandas as pd

    kept: dict[Any, tuple[str, Place, dict[str, Any]]] = {}
    late: set[Any] = set()
    records = Records(log)
    for place, record, time in _timed(records):
        key = record["key"]
        if key in known or calendar.month_of(time) > month:
            continue
        if not calendar.follows(time, month):
            late.add(key)
        elif key not in kept or record["id"] > kept[key][0]:
            kept[key] = (record["id"], place, record["input"])
    rows = [row for _, _, row in kept.values()]
    faults = _refused(rows)
    why = ""
    if faults:
        first = min(faults)
        place = list(kept.values())[first][1]
        why = f"{records.where(place)}: {faults[first]}"
    fit = pd.DataFrame(
        [row for at, row in enumerate(rows) if at not in faults], columns=contract.inputs()
    )
    return Logged(fit, len(faults), why, len(late - kept.keys()))


def _refused(rows: list[dict[str, Any]]) -> dict[int, str]:
    """Return the rows that the service would refuse today, by position, and why."""
    validator = RowValidator(specify(contract.schema()), contract.RULES)
    found = {}
    for start in range(0, len(rows), TOGETHER):
        some = rows[start : start + TOGETHER]
        if isinstance(validator.parse(orjson.dumps(some)), Rows):
            continue
        for at, row in enumerate(some, start):
            said = validator.parse(orjson.dumps(row))
            if not isinstance(said, Rows):
                found[at] = f"`{said[0]['field']}`: {said[0]['message']}"
    return found


def _check_outcomes(said: pd.DataFrame, labels: str) -> None:
    missing = [name for name in columns_of_label() if name in outcomes() and name not in said]
    if missing and len(said):
        listed = ", ".join(f"`{name}`" for name in missing)
        raise SlipwayError(
            f"{labels}: has labels, but not what they are made of ({listed}), which data/ needs",
            "import the labels with these columns (docs/labels.md)",
        )


def _typed(rows: pd.DataFrame, name: str, month: str) -> Any:
    import pandas as pd

    kind, dtype = column_type(name, contract.schema().columns[name])
    values = rows[name] if name in rows else pd.Series(np.nan, index=rows.index)
    try:
        if kind == "timestamp":
            times = pd.to_datetime(values, utc=True, format="ISO8601")
            return times.dt.as_unit("us").array
        if kind == "string":
            return values.astype(object).array
        return np.asarray(values).astype(dtype)
    except (ValueError, TypeError) as error:
        raise SlipwayError(
            f"{month}, from the log: column `{name}` does not fit the schema: {error}",
            "look at the records of that month",
        ) from None


def _utc(time: np.datetime64) -> datetime:
    return time.astype("datetime64[us]").astype(datetime).replace(tzinfo=UTC)


def _between(start: np.datetime64, end: np.datetime64) -> timedelta:
    return _utc(end) - _utc(start)
