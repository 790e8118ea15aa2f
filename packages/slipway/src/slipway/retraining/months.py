"""The months that can be added to the data: from their source, or from the log and the labels.

A month is added once it is over and as many of its labels have arrived as training requires.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from slipway import project
from slipway.dataset.make import SOURCE, make_months, source_months, write_month
from slipway.dataset.months import month_files
from slipway.dataset.tables import read_columns, row_count
from slipway.errors import SlipwayError
from slipway.predictions.files import NoFolderError
from slipway.retraining.from_log import Calendar, Logged, LoggedRequests, read_requests, rows_of
from slipway.settings import Params

LOG = "the prediction log and the labels"


@dataclass(frozen=True)
class Added:
    """A month that was added, with its rows, those without a label, and its origin.

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
        added = f"{self.month}: {self.rows:,} rows from {self.origin}"
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
        return f"{self.refused:,} rows do not fit the schema; the first is {self.why}"


@dataclass(frozen=True)
class Places:
    """The prediction log and the labels: folders or URLs."""

    log: str
    labels: str


def add_months(
    data: Path, params: Params, places: Places, until: str
) -> tuple[list[Added], list[str]]:
    """Write the files of the newest labelled months; return them, and why there are no more.

    Parameters
    ----------
    data
        The folder of the monthly files; months after its newest are added.
    until
        The last month to add; empty for no limit.

    Raises
    ------
    SlipwayError
        The source has no month to add, and the prediction log cannot be read.
    """
    files = month_files(data)
    newest = files[-1].stem
    added: list[Added] = []
    why: list[str] = []
    last = min(filter(None, [until, _month_before(datetime.now(UTC))]))
    requests, faults, unread = _read_requests(places.log, files)
    candidates = sorted({*source_months(), *(requests.months if requests else ())})
    for month in (name for name in candidates if newest < name <= last):
        path = data / f"{month}.parquet"
        reasons = []
        for attempt in _attempts(month, path, requests, places.labels):
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
            # Months after an incomplete one wait: the holdout is the newest month.
            return added, [*why, *reasons, *faults]
    if not candidates or candidates[-1] <= newest:
        why.append(f"neither {SOURCE} nor {LOG} have a month after {newest}")
    if unread and not added:
        raise unread
    return added, [*why, *faults]


def _attempts(
    month: str, path: Path, requests: LoggedRequests | None, labels: str
) -> Iterator[Added | str]:
    """Write a month's file from each origin in turn; yield it, or why it cannot be written."""
    if month in source_months():
        try:
            make_months([month], path.parent)
            yield _added(month, path, SOURCE)
        except SlipwayError as error:
            yield f"{month}: {error}"
    if requests and month in requests.months:
        try:
            logged = _from_log(month, path.parent, requests, labels)
            write_month(logged.rows, path)
            yield replace(
                _added(month, path, LOG),
                refused=logged.refused,
                why=logged.why,
                late=logged.late,
                waiting=logged.waiting,
            )
        except SlipwayError as error:
            yield f"{month}: {error}"


def _from_log(month: str, data: Path, requests: LoggedRequests, labels: str) -> Logged:
    others = [path for path in month_files(data) if path.stem != month]
    return rows_of(month, requests, labels, _keys(others), Calendar.of(others[-1]))


def _added(month: str, path: Path, origin: str) -> Added:
    columns = read_columns([path])
    rows = row_count(columns)
    unlabelled = int(np.isnan(project.label(columns)).sum()) if rows else 0
    return Added(month, rows, unlabelled, origin)


def _incomplete(added: Added, limit: float) -> str:
    """Return why a month is not complete enough to train on, or an empty text."""
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
    log: str, files: list[Path]
) -> tuple[LoggedRequests | None, list[str], SlipwayError | None]:
    """Return the requests of the log, what of it was left out, and why it cannot be read."""
    calendar, known = Calendar.of(files[-1]), _keys(files)
    try:
        requests = read_requests(log, calendar, known)
    except SlipwayError as error:
        missing = isinstance(error, NoFolderError)
        return None, [f"the prediction log was not read: {error}"], None if missing else error
    sentences = (sentence.rstrip(".") for sentence in requests.skipped.sentences())
    return requests, [f"in the prediction log, {sentence}" for sentence in sentences], None


def _keys(files: list[Path]) -> set[str]:
    key = project.key()
    return set(read_columns(files, [key])[key].tolist())


def _month_before(now: datetime) -> str:
    first = now.year * 12 + now.month - 2
    return f"{first // 12:04d}-{first % 12 + 1:02d}"
