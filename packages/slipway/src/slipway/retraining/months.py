"""The periods that can be added to the data: from their source, or from the log and the labels.

A period is added once it is over and as many of its labels have arrived as training requires. The
source has months.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from slipway import project
from slipway.dataset.folder import list_data, refuse_unread
from slipway.dataset.make import SOURCE, make_months, source_months, write_month
from slipway.dataset.periods import parse_name, starts_of
from slipway.dataset.table import Table, by_time
from slipway.dataset.tables import read_columns, row_count
from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.predictions.files import NoFolderError
from slipway.retraining.from_log import Calendar, LoggedRequests, read_requests, rows_of
from slipway.settings import Params
from slipway.untrusted import shown

LOG = "the prediction log and the labels"


@dataclass(frozen=True)
class Added:
    """A period that was added, with its rows, those without a label, and its origin.

    `refused`, `why`, `late` and `waiting` are as in `Logged`.
    """

    month: str
    rows: int
    unlabelled: int
    origin: str
    refused: int = 0
    why: str = ""
    late: int = 0
    waiting: int = 0

    def text(self) -> str:
        added = f"{self.month}: {counted(self.rows, 'row')} from {self.origin}"
        left_out = [self.refusal()] if self.refused else []
        if self.waiting:
            left_out.append(f"{self.waiting:,} more have no label yet and are left out")
        if self.late:
            left_out.append(
                f"{self.late:,} more are not in data/ and not added: their events are earlier than "
                "the last one there"
            )
        return f"{added} ({'; '.join(left_out)})" if left_out else added

    def refusal(self) -> str:
        rows = counted(self.refused, "row does", "rows do")
        return f"{rows} not fit the schema; the first is {self.why}"


@dataclass(frozen=True)
class Places:
    """The prediction log and the labels: folders or URLs."""

    log: str
    labels: str


def add_months(
    data: Path, params: Params, places: Places, until: str
) -> tuple[list[Added], list[str]]:
    """Write the files of the newest labelled periods; return them, and why there are no more.

    Parameters
    ----------
    data
        The folder to which files are added. Their periods are after the newest of the rows, which
        are in it, or in `data.folder` of the settings: then a stage makes them of it, and only the
        source can add to it.
    until
        The last period to add, by its name; empty for no limit.

    Raises
    ------
    SlipwayError
        The source has no period to add, and the prediction log cannot be read.
    """
    folder = data.parent / params.data.folder
    table = _table(folder, params)
    newest, calendar = table.names[-1], Calendar.of(table)
    added: list[Added] = []
    why: list[str] = []
    if folder == data:
        requests, faults, unread = _read_requests(places.log, table, calendar)
    else:
        faults = [f"the prediction log was not read: its rows are those of {params.data.folder}/"]
        requests, unread = None, None
    candidates = _candidates(requests, calendar)
    ended = _last_ended(until, calendar)
    for period in (name for name in candidates if _start(newest) < _start(name) <= ended):
        path = data / f"{period}.parquet"
        if path.exists():
            raise SlipwayError(
                f"{path}: exists, and has no row of {period}, which would be written there",
                "give the file another name",
            )
        reasons = []
        for attempt in _attempts(period, path, requests, places.labels, params):
            if isinstance(attempt, str):
                reasons.append(attempt)
            elif reason := _incomplete(attempt, params.prepare.max_label_missing):
                path.unlink()
                reasons.append(reason)
            else:
                added.append(attempt)
                break
        else:
            if unread and not added:
                raise unread
            # Periods after an incomplete one wait: the newest are held out.
            return added, [*why, *reasons, *faults]
    if not candidates or _start(candidates[-1]) <= _start(newest):
        why.append(f"neither {SOURCE} nor {LOG} have a {calendar.unit} after {newest}")
    if unread and not added:
        raise unread
    return added, [*why, *faults]


def _table(data: Path, params: Params, without: Path | None = None) -> Table:
    """Return the rows of data/ by time, without those of a file."""
    found = list_data(data)
    refuse_unread(found.not_read)
    files = [path for path in found.read if path != without]
    return by_time(files, params.prepare.unit, params.data)


def _candidates(requests: LoggedRequests | None, calendar: Calendar) -> list[str]:
    """Return the names of the periods that may be added, in the order of time.

    Months of the source and shorter periods of the log would have the same rows.
    """
    made = source_months()
    logged = requests.periods if requests and (calendar.unit == "month" or not made) else set()
    return sorted({*made, *logged}, key=_start)


def _start(name: str) -> np.datetime64:
    found = parse_name(name)
    if found is None:
        raise SlipwayError(
            f"{shown(name)} is not the name of a period",
            "name a month as 2025-09, a week as 2025-W36, a day as 2025-09-02",
        )
    return found[0]


def _last_ended(until: str, calendar: Calendar) -> np.datetime64:
    """Return the first day of the last period that is over, and not after `until`."""
    now = np.array([np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")])
    before = starts_of(calendar.starts_of(now) - 1, calendar.unit)[0]
    return min(before, _start(until)) if until else before


def _attempts(
    month: str, path: Path, requests: LoggedRequests | None, labels: str, params: Params
) -> Iterator[Added | str]:
    """Write a period's file from each origin in turn; yield it, or why it cannot be written."""
    if month in source_months():
        try:
            make_months([month], path.parent)
            yield _added(month, path, SOURCE, has_labels=params.data.folder == path.parent.name)
        except SlipwayError as error:
            yield f"{month}: {error}"
    if requests and month in requests.periods:
        try:
            others = _table(path.parent, params, without=path)
            known, calendar = _keys(others), Calendar.of(others)
            logged = rows_of(month, requests, labels, known, calendar)
            write_month(logged.rows, path)
            yield replace(
                _added(month, path, LOG, has_labels=True),
                refused=logged.refused,
                why=logged.why,
                late=logged.late,
                waiting=logged.waiting,
            )
        except SlipwayError as error:
            yield f"{month}: {error}"


def _added(month: str, path: Path, origin: str, *, has_labels: bool) -> Added:
    columns = read_columns([path])
    rows = row_count(columns)
    unlabelled = int(np.isnan(project.label(columns)).sum()) if rows and has_labels else 0
    return Added(month, rows, unlabelled, origin)


def _incomplete(added: Added, limit: float) -> str:
    """Return why a period is not complete enough to train on, or an empty text."""
    if not added.rows + added.waiting:
        refused = f" that fits the schema: {added.refusal()}" if added.refused else ""
        return f"{added.month}: {added.origin} have no row{refused}"
    rows = added.rows + added.refused + added.waiting
    share = (added.unlabelled + added.refused + added.waiting) / rows
    if share <= limit:
        return ""
    refused = f" or do not fit the schema: {added.refusal()}" if added.refused else ""
    return (
        f"{added.month}: {share:.1%} of the rows from {added.origin} have no label yet{refused} "
        f"(prepare.max_label_missing is {limit:.1%})"
    )


def _read_requests(
    log: str, table: Table, calendar: Calendar
) -> tuple[LoggedRequests | None, list[str], SlipwayError | None]:
    """Return the requests of the log, what of it was left out, and why it cannot be read."""
    try:
        requests = read_requests(log, calendar, _keys(table))
    except SlipwayError as error:
        missing = isinstance(error, NoFolderError)
        return None, [f"the prediction log was not read: {error}"], None if missing else error
    sentences = (sentence.rstrip(".") for sentence in requests.skipped.sentences())
    return requests, [f"in the prediction log, {sentence}" for sentence in sentences], None


def _keys(table: Table) -> set[Any]:
    names = project.key_columns()
    return set(project.row_keys(table.read(range(len(table.names)), names)).tolist())
