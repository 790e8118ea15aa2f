"""Which months can be added to the data: from their source, or from the log and the labels.

A month is added once it is over and its labels have come, as complete as the training data must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from slipway import contract
from slipway.data import make_months, write_month
from slipway.errors import SlipwayError
from slipway.log_files import NoFolderError
from slipway.months import month_files
from slipway.retrain.logged import Calendar, Logged, read_months, rows_of
from slipway.settings import Params
from slipway.tables import read_columns, row_count

SOURCE = "src/model/source.py"
LOG = "the prediction log and the labels"


@dataclass(frozen=True)
class Added:
    """A month that was added: its rows, those of them without a label, and where it came from.

    Parameters
    ----------
    refused, why
        Rows of the log that do not fit the schema, and the first of them.
    late
        Rows of the log that data/ does not have, of events before the last one that it has.
    waiting
        Rows of the log that have no place in a file until their label has come.
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
        said = f"{self.month}: {self.rows:,} rows from {self.origin}"
        left_out = [self.refusal()] if self.refused else []
        if self.waiting:
            left_out.append(f"{self.waiting:,} more have no label yet and are left out")
        if self.late:
            left_out.append(
                f"{self.late:,} more are not in data/ and not added: their events are earlier than "
                "the last one there"
            )
        return f"{said} ({'; '.join(left_out)})" if left_out else said

    def refusal(self) -> str:
        return f"{self.refused:,} rows do not fit the schema; the first is {self.why}"


@dataclass(frozen=True)
class Places:
    """Where the prediction log and the labels are: folders or addresses."""

    log: str
    labels: str


def add_months(
    data: Path, params: Params, places: Places, until: str
) -> tuple[list[Added], list[str]]:
    """Write the files of the newest labelled months; return them, and why there are no more.

    Parameters
    ----------
    data
        The folder of the monthly files; months after its newest are looked for.
    until
        The last month to add; empty for no limit.

    Raises
    ------
    SlipwayError
        There is no month to add elsewhere, and the prediction log cannot be read.
    """
    files = month_files(data)
    newest = files[-1].stem
    added: list[Added] = []
    why: list[str] = []
    last = min(filter(None, [until, _month_before(datetime.now(UTC))]))
    logged, faults, unread = _logged(places.log, Calendar.of(files[-1]))
    candidates = sorted({*_at_source(), *logged})
    for month in (name for name in candidates if newest < name <= last):
        path = data / f"{month}.parquet"
        reasons = []
        for made in _ways(month, path, places, month in logged):
            if isinstance(made, str):
                reasons.append(made)
            elif reason := _incomplete(made, params.prepare.max_label_missing):
                path.unlink()
                reasons.append(reason)
            else:
                added.append(made)
                break
        else:
            if unread and not added:
                raise unread
            # A month that waits holds up those after it: the newest is the one judged on.
            return added, [*why, *reasons, *faults]
    if not candidates or candidates[-1] <= newest:
        why.append(f"neither {SOURCE} nor {LOG} have a month after {newest}")
    if unread and not added:
        raise unread
    return added, [*why, *faults]


def _ways(month: str, path: Path, places: Places, is_logged: bool) -> Iterator[Added | str]:
    """Write a month's file, one way after the other; yield what it holds, or why it cannot be."""
    if month in _at_source():
        try:
            make_months([month], path.parent)
            yield _about(month, path, SOURCE)
        except SlipwayError as error:
            yield f"{month}: {error}"
    if is_logged:
        try:
            logged = _from_log(month, path.parent, places)
            write_month(logged.rows, path)
            made = _about(month, path, LOG)
            yield replace(
                made,
                refused=logged.refused,
                why=logged.why,
                late=logged.late,
                waiting=logged.waiting,
            )
        except SlipwayError as error:
            yield f"{month}: {error}"


def _from_log(month: str, data: Path, places: Places) -> Logged:
    calendar = Calendar.of(_others(data, month)[-1])
    return rows_of(month, places.log, places.labels, _keys(data, month), calendar)


def _about(month: str, path: Path, origin: str) -> Added:
    columns = read_columns([path])
    rows = row_count(columns)
    unlabelled = int(np.isnan(contract.label(columns)).sum()) if rows else 0
    return Added(month, rows, unlabelled, origin)


def _incomplete(made: Added, limit: float) -> str:
    if not made.rows + made.waiting:
        refused = f" that fits the schema: {made.refusal()}" if made.refused else ""
        return f"{made.month}: {made.origin} have no row{refused}"
    rows = made.rows + made.refused + made.waiting
    share = (made.unlabelled + made.refused + made.waiting) / rows
    if share <= limit:
        return ""
    refused = f" or do not fit the schema: {made.refusal()}" if made.refused else ""
    return (
        f"{made.month}: {share:.1%} of the rows from {made.origin} have no label yet{refused} "
        f"(prepare.max_label_missing is {limit:.1%})"
    )


def _at_source() -> list[str]:
    from model import source

    return list(source.MONTHS)


def _logged(log: str, calendar: Calendar) -> tuple[set[str], list[str], SlipwayError | None]:
    """Return the months of the log, what of it was left out, and why it cannot be read."""
    try:
        months, skipped = read_months(log, calendar)
    except NoFolderError as error:
        return set(), [f"the prediction log was not read: {error}"], None
    except SlipwayError as error:
        return set(), [f"the prediction log was not read: {error}"], error
    faults = [f"in the prediction log, {said.rstrip('.')}" for said in skipped.sentences()]
    return months, faults, None


def _keys(data: Path, month: str) -> set[str]:
    """Return the keys of all months but this one."""
    key = contract.key()
    return set(read_columns(_others(data, month), [key])[key].tolist())


def _others(data: Path, month: str) -> list[Path]:
    return [path for path in month_files(data) if path.stem != month]


def _month_before(now: datetime) -> str:
    first = now.year * 12 + now.month - 2
    return f"{first // 12:04d}-{first % 12 + 1:02d}"
