"""Files of new periods, from the prediction log and the labels that have arrived.

The log has the row of each request, the labels its outcome: together they are a row of a file in
``data/``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway import project
from slipway.dataset.outcomes import columns_of_label, outcomes
from slipway.dataset.periods import Unit, local_days, name_of, parse_name, starts_of
from slipway.dataset.table import Table, named_time
from slipway.dataset.zone import time_zone
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
from slipway.schema.checks import InputSpec
from slipway.schema.export import column_type, export_schema
from slipway.schema.validator import Rows, RowValidator

if TYPE_CHECKING:
    import pandas as pd

# Rows that are validated in one step.
TOGETHER = 1_000


@dataclass(frozen=True)
class Calendar:
    """The periods of the log, which are those of ``data/``.

    Rows before the last event in ``data/`` (`after`) are too late: the periods that it has are
    compared on, and do not change.
    """

    after: np.datetime64
    unit: Unit
    zone: str

    @classmethod
    def of(cls, table: Table) -> Calendar:
        """Return the calendar of the rows of ``data/``, which are divided by time."""
        name, count = named_time(), len(table.names)
        times = table.read(range(count - 1, count), [name])[name]
        last = times.max().astype("datetime64[us]")
        return cls(last, table.unit or "month", time_zone())

    def starts_of(self, times: np.ndarray) -> np.ndarray:
        """Return the first day of the period of each time, datetime64[D], shape (rows,)."""
        return starts_of(local_days(times, self.zone), self.unit)

    def names_of(self, times: np.ndarray) -> set[str]:
        """Return the names of the periods of some times."""
        return {name_of(start, self.unit) for start in np.unique(self.starts_of(times))}


@dataclass(frozen=True)
class Logged:
    """The rows of a period, and the number of those that were left out.

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
    periods
        The names of the periods of all events of the log.
    """

    frame: pd.DataFrame
    periods: set[str]
    skipped: Skipped

    def of_period(self, period: str, known: set[Any], calendar: Calendar) -> Logged:
        """Return the rows of a period as they were sent; of a repeated key the last request.

        Rows between the last event in data/ and the beginning of the period are added to it.

        Parameters
        ----------
        known
            Keys that are in data/ already, and are left out.
        """
        import pandas as pd

        times = self.frame["time"].to_numpy()
        start, _ = parse_name(period) or (np.datetime64("NaT"), None)
        wanted = (calendar.starts_of(times) <= start) & _not_in(self.frame["key"], known)
        follows = times >= calendar.after
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

    skipped, frames, periods = Skipped(), [], set[str]()
    validator = RowValidator(export_schema(project.schema()), project.RULES)
    event: InputSpec = {"name": named_time(), "type": "timestamp", "unique": False}
    for batch in read_batches(log, skipped, [event], sent=True):
        frame = _requests(batch, skipped)
        periods |= calendar.names_of(frame["time"].to_numpy())
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
    return LoggedRequests(pd.concat(frames or [empty], ignore_index=True), periods, skipped)


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
    period: str, requests: LoggedRequests, labels: str, known: set[Any], calendar: Calendar
) -> Logged:
    """Return the rows of a period in the columns and types of the schema, oldest first.

    Raises
    ------
    SlipwayError
        The labels lack the columns that they are derived from, or cannot be read.
    """
    import pandas as pd

    logged = requests.of_period(period, known, calendar)
    (key,) = project.key_columns()
    arrived = read_outcomes(labels).rename(columns={"key": key}).drop(columns="label")
    _check_outcomes(arrived, labels)
    rows = logged.rows.merge(arrived, on=key, how="left")
    columns = project.schema().columns
    whole = [name for name in outcomes() if column_type(name, columns[name])[0] == "integer"]
    complete = rows.reindex(columns=whole).notna().all(axis=1)
    rows = rows[complete]
    typed = {name: _typed(rows, name, period) for name in columns}
    order = [named_time(), key]
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


def _typed(rows: pd.DataFrame, name: str, period: str) -> Any:
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
            f"{period}, from the log: column `{name}` does not fit the schema: {error}",
            "check the records of that period, and the type in src/model/schema.py",
        ) from None
