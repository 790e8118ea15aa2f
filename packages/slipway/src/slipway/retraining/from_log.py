"""Monthly files from the prediction log and the labels that have arrived.

The log has the row of each request, the labels its outcome: together they are a row of a file in
``data/``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway import project
from slipway.dataset.months import last_event, month_window
from slipway.dataset.outcomes import columns_of_label, outcomes
from slipway.dataset.tables import read_columns
from slipway.errors import SlipwayError
from slipway.predictions.files import Skipped
from slipway.predictions.labels.store import read_outcomes
from slipway.predictions.reader import (
    INPUT,
    ROW,
    UNREADABLE,
    Batch,
    only,
    read_batches,
    read_times,
)
from slipway.schema.export import column_type, export_schema
from slipway.schema.validator import Rows, RowValidator

if TYPE_CHECKING:
    import pandas as pd

# Rows that are validated in one step.
TOGETHER = 1_000

STEP = timedelta(minutes=30)
"""Time zones differ by multiples of this, with few exceptions."""


@dataclass(frozen=True)
class Calendar:
    """The limits of months in the log, which follow those of the files in data/.

    The files are by the calendar of some time zone (`slipway.dataset.months`), which their events
    show: months of a zone west of UTC end after those of UTC, and east of UTC they begin before.
    Rows before the last event in data/ (`after`) have no file that they could be added to.
    """

    after: np.datetime64
    shift: np.timedelta64

    @classmethod
    def of(cls, newest: Path) -> Calendar:
        """Return the calendar of the newest file in data/."""
        times = read_columns([newest], [project.event_time()])[project.event_time()]
        start = np.datetime64(newest.stem, "M")
        first, end = (month.astype("datetime64[us]") for month in (start, start + 1))
        last, step = last_event(newest).astype("datetime64[us]"), np.timedelta64(STEP)
        late, early = last - end, times.min().astype("datetime64[us]") - first
        steps = late // step + 1 if last >= end else min(early // step, 0)
        return cls(last, steps * step)

    def months_of(self, times: np.ndarray) -> np.ndarray:
        """Return the month of each time, datetime64[M], shape (rows,)."""
        return (times - self.shift).astype("datetime64[M]")

    def follow(self, times: np.ndarray, month: str) -> np.ndarray:
        """Return which rows may be in the file of a month, after what is in data/."""
        start, _ = month_window(month)
        return (times >= self.after) & (times >= start)


@dataclass(frozen=True)
class Logged:
    """The rows of a month, and the number of those that were left out.

    `refused` rows do not fit today's schema; `why` has place and fault of the first. `late` rows
    are of events before the last one in data/, which does not have them. `waiting` rows have an
    outcome that is an integer and has not arrived: the column has no missing value.
    """

    rows: pd.DataFrame
    refused: int = 0
    why: str = ""
    late: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class _Fault:
    """The place of a row that does not fit the schema, and the reason."""

    where: Callable[[], str]
    reason: str

    def __str__(self) -> str:
        return f"{self.where()}: {self.reason}"


@dataclass(frozen=True)
class LoggedRequests:
    """The requests of a log that data/ does not have, read once.

    Parameters
    ----------
    frame
        `key`, `id`, `time` (datetime64[us]), `sent` (the row as JSON; None for an event before the
        last one in data/) and `fault` (a `_Fault` if the row does not fit the schema, else "").
    months
        The months (``YYYY-MM``) of all events of the log.
    """

    frame: pd.DataFrame
    months: set[str]
    skipped: Skipped

    def of_month(self, month: str, known: set[Any], calendar: Calendar) -> Logged:
        """Return the rows of a month as they were sent; of a repeated key the last request.

        Rows between the last event in data/ and the beginning of the month are added to it.

        Parameters
        ----------
        known
            Keys that are in data/ already, and are left out.
        """
        import pandas as pd

        times = self.frame["time"].to_numpy()
        wanted = calendar.months_of(times) <= np.datetime64(month, "M")
        wanted &= _not_in(self.frame["key"], known)
        follows = calendar.follow(times, month)
        newest = self.frame[wanted & follows].sort_values("id").drop_duplicates("key", keep="last")
        late = set(self.frame["key"][wanted & ~follows]) - set(newest["key"])
        newest = newest.sort_index()
        faults = newest["fault"][newest["fault"] != ""]
        fit = [orjson.loads(sent) for sent in newest["sent"][newest["fault"] == ""]]
        return Logged(
            rows=pd.DataFrame(fit, columns=project.inputs()),
            refused=len(faults),
            why=str(faults.iloc[0]) if len(faults) else "",
            late=len(late),
        )


def read_requests(log: str, calendar: Calendar, known: set[Any]) -> LoggedRequests:
    """Read the requests that data/ does not have.

    Parameters
    ----------
    known
        The keys in data/.

    Raises
    ------
    SlipwayError
        The log cannot be read, or too many of its lines are not records.
    """
    import pandas as pd

    skipped, frames, months = Skipped(), [], set[str]()
    validator = RowValidator(export_schema(project.schema()), project.RULES)
    event = {"name": project.event_time(), "type": "timestamp", "unique": False}
    for batch in read_batches(log, skipped, [event], sent=True):
        frame = _requests(batch, skipped)
        months |= set(np.unique(calendar.months_of(frame["time"].to_numpy())).astype(str).tolist())
        frame = frame[_not_in(frame["key"], known)]
        late = frame["time"] < calendar.after
        frame = frame.assign(sent=frame["sent"].where(~late, None))
        faults = _faults(frame, np.flatnonzero(~late), validator, batch)
        frame = frame.assign(fault=pd.Series(faults, frame.index, dtype=object))
        frames.append(frame.drop(columns=ROW))
    if too_many := skipped.too_many():
        raise SlipwayError(f"{log}: {too_many}")
    empty = pd.DataFrame({"key": [], "id": [], "time": [], "sent": [], "fault": []}, dtype=object)
    empty["time"] = empty["time"].astype("datetime64[us]")
    return LoggedRequests(pd.concat(frames or [empty], ignore_index=True), months, skipped)


def _not_in(keys: pd.Series, known: set[Any]) -> np.ndarray:
    return np.array([key not in known for key in keys], dtype=bool)


def _requests(batch: Batch, skipped: Skipped) -> pd.DataFrame:
    """Return the requests of a batch whose event time can be read; count the others."""
    import pandas as pd
    import pyarrow as pa

    table = batch.traffic
    times = table[f"{INPUT}{project.event_time()}"].combine_chunks()
    moments = read_times(times.fill_null(""))
    readable = moments != UNREADABLE
    if not readable.all():
        first = table[ROW][int(np.argmin(readable))].as_py()
        skipped.untimed.add(int((~readable).sum()), partial(batch.where, first))
    table = only(table, pa.array(readable))
    keys = [orjson.loads(key) for key in table["key"].to_pylist()]
    return pd.DataFrame(
        {
            "key": pd.Series(keys, dtype=object),
            "id": pd.Series(table["id"].to_pylist(), dtype=object),
            "time": moments[readable].astype("datetime64[us]"),
            "sent": pd.Series(table["input"].to_pylist(), dtype=object),
            ROW: table[ROW].to_numpy(),
        }
    )


def _faults(
    frame: pd.DataFrame, positions: np.ndarray, validator: RowValidator, batch: Batch
) -> list[_Fault | str]:
    """Return a fault for each row at some positions that the service would refuse today."""
    faults: list[_Fault | str] = [""] * len(frame)
    refused = _refused(frame["sent"].iloc[positions].tolist(), validator)
    at = [int(positions[number]) for number in refused]
    places = batch.places([int(frame[ROW].iloc[position]) for position in at]) if at else []
    for position, where, reason in zip(at, places, refused.values(), strict=True):
        faults[position] = _Fault(where, reason)
    return faults


def _refused(sent: Sequence[str], validator: RowValidator) -> dict[int, str]:
    """Return the rows that the service would refuse today, by position, and the reason."""
    refused = {}
    for start in range(0, len(sent), TOGETHER):
        some = sent[start : start + TOGETHER]
        if isinstance(validator.parse(f"[{','.join(some)}]".encode()), Rows):
            continue
        for position, row in enumerate(some, start):
            result = validator.parse(row.encode())
            if not isinstance(result, Rows):
                refused[position] = f"`{result[0]['field']}`: {result[0]['message']}"
    return refused


def rows_of(
    month: str, requests: LoggedRequests, labels: str, known: set[Any], calendar: Calendar
) -> Logged:
    """Return the rows of a month in the columns and types of the schema, oldest first.

    Raises
    ------
    SlipwayError
        The labels lack the columns that they are derived from, or cannot be read.
    """
    import pandas as pd

    logged = requests.of_month(month, known, calendar)
    key = project.key()
    arrived = read_outcomes(labels).rename(columns={"key": key}).drop(columns="label")
    _check_outcomes(arrived, labels)
    rows = logged.rows.merge(arrived, on=key, how="left")
    columns = project.schema().columns
    whole = [name for name in outcomes() if column_type(name, columns[name])[0] == "integer"]
    complete = rows.reindex(columns=whole).notna().all(axis=1)
    rows = rows[complete]
    typed = {name: _typed(rows, name, month) for name in columns}
    order = [project.event_time(), key]
    return replace(
        logged,
        waiting=int((~complete).sum()),
        rows=pd.DataFrame(typed).sort_values(order, ignore_index=True),
    )


def _check_outcomes(arrived: pd.DataFrame, labels: str) -> None:
    missing = [name for name in columns_of_label() if name in outcomes() and name not in arrived]
    if missing and len(arrived):
        listed = ", ".join(f"`{name}`" for name in missing)
        raise SlipwayError(
            f"{labels}: has labels without the columns that they are derived from ({listed}), "
            "which data/ requires",
            "import the labels with these columns (docs/labels.md)",
        )


def _typed(rows: pd.DataFrame, name: str, month: str) -> Any:
    import pandas as pd

    kind, dtype = column_type(name, project.schema().columns[name])
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
            "check the records of that month, and the type in src/model/schema.py",
        ) from None
