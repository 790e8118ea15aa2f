"""The prediction log, read again: record by record, or as one table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from slipway.log_files import LogFile, LogFolder, Skipped, day_of
from slipway.seen import Seen
from slipway.serve.log import VERSION, stamp
from slipway.times import time_or_none

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("id", "time", "key", "probability", "decision", "review", "model", "data", "commit")
INPUT = "input."

CHUNK = 20_000  # records

# Records that are compared with those before them in one step, and bytes of their lines.
TOGETHER, TOGETHER_BYTES = 5_000, 8 * 2**20


def read_log(
    url: str | Path, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Return the predictions of a log, in the order of their ids.

    What a release was asked while it was proven is no traffic, and is left out.

    Parameters
    ----------
    url
        The log's folder: a path, or any URL that fsspec reads (``s3://bucket/predictions``).
    since, until
        Only predictions from `since` on and before `until`, both with a time zone.

    Returns
    -------
    DataFrame
        A row for each prediction: `id`, `time` (UTC), `key`, `probability`, `decision`,
        `review`, `model` (sha256), `data` (md5), `commit`, and the row as it was sent, in
        columns called ``input.<name>``. ``attrs["torn"]`` counts the torn last lines that were
        passed over; they are predictions that nobody was given. ``attrs["faults"]`` has a
        sentence for all that was left out.

    Raises
    ------
    SlipwayError
        There is no such folder.
    """
    import pandas as pd

    records = Records(str(url), since, until)
    chunks = [_frame(chunk) for chunk in in_chunks(records)]
    frame = pd.concat(chunks or [_frame([])], ignore_index=True).sort_values("id")
    # A column without any value is in no chunk's frame, so that it cannot spoil a type.
    named = [f"{INPUT}{name}" for name in records.inputs]
    frame = frame.reindex(columns=[*FIELDS, *named]).reset_index(drop=True)
    frame.attrs |= {"torn": records.skipped.torn, "faults": records.skipped.sentences()}
    return frame


class Records:
    """The records of a log, one after the other, each once, file by file; proofs are left out.

    Attributes
    ----------
    skipped
        What was passed over on the way, and why.
    inputs
        Names of inputs met on the way.

    Raises
    ------
    SlipwayError
        As `LogFolder`.
    """

    def __init__(
        self,
        url: str,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        self._folder = LogFolder(url)
        self.skipped = Skipped(unread=dict(self._folder.unread))
        self.inputs: dict[str, None] = {}
        self._seen = Seen()
        self._since = "" if since is None else stamp(since)
        self._until = "9999" if until is None else stamp(until)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for _, record in self.placed():
            yield record

    def placed(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Yield the records, each with its place in the log."""
        for day in self.days():
            yield from self._of_files(self._files_of(day))

    def days(self) -> list[str]:
        """Return the days that files are named after, oldest first; '' for other names."""
        days = {day_of(file) for file in self._folder.files}
        first, last = self._since[:10], self._until[:10]
        return sorted(day for day in days if not day or first <= day <= last)

    def of_day(self, day: str) -> Iterator[dict[str, Any]]:
        """Yield the records of one day's files."""
        for _, record in self._of_files(self._files_of(day)):
            yield record

    def where(self, place: Place) -> str:
        """Return the file and the line of a place, for a report."""
        return self._folder.where(*place)

    def _files_of(self, day: str) -> list[LogFile]:
        return [file for file in self._folder.files if day_of(file) == day]

    def _of_files(self, files: Iterable[LogFile]) -> Iterator[tuple[Place, dict[str, Any]]]:
        for some in _in_steps(self._lines(files)):
            for line in self._once(some):
                record = line.record
                if self._since <= record["time"] < self._until and record.get("proof") is not True:
                    self.inputs.update(dict.fromkeys(record["input"]))
                    yield line.place, record

    def _lines(self, files: Iterable[LogFile]) -> Iterator[_Line]:
        for file in files:
            for start, lines in self._folder.blocks(file, self.skipped):
                for line in BytesIO(lines):
                    record = parse_record(line)
                    place = Place(file, start)
                    start += len(line)
                    if record is not None:
                        self.skipped.records += 1
                        yield _Line(record, hash(line.strip()), place, len(line))
                    elif line.strip():
                        self.skipped.add_line(line, partial(self.where, place))

    def _once(self, lines: list[_Line]) -> Iterator[_Line]:
        names = [line.record["id"] for line in lines]
        ids = np.array([hash(name) for name in names], "int64").view("uint64")
        contents = np.array([line.content for line in lines], "int64").view("uint64")
        new, differs = self._seen.add(ids, contents, min(names), max(names))
        for line, is_new, is_other in zip(lines, new.tolist(), differs.tolist(), strict=True):
            if is_new:
                yield line
            elif is_other:
                self.skipped.differing.add(1, partial(self.where, line.place))
            else:
                self.skipped.repeated += 1


class Place(NamedTuple):
    """A line of the log, by the byte where it begins."""

    file: LogFile
    start: int


class _Line(NamedTuple):
    record: dict[str, Any]
    content: int
    place: Place
    size: int


def _in_steps(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    some: list[_Line] = []
    size = 0
    for line in lines:
        some.append(line)
        size += line.size
        if len(some) >= TOGETHER or size >= TOGETHER_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the record in a line, or None if it is not one that this service writes."""
    try:
        record = orjson.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and _is_record(record) else None


def _is_record(record: Mapping[str, Any]) -> bool:
    """Return whether this is a record to every reader; `drift.records` checks the same in SQL."""
    version, key = record.get("version"), record.get("key")
    return (
        version == VERSION
        and type(version) is int  # True and 1.0 equal 1
        and isinstance(record.get("id"), str)
        and isinstance(key, str | int)
        and not isinstance(key, bool)
        and isinstance(record.get("input"), dict)
        and time_or_none(record.get("time")) is not None
        and _has_answer(record)
    )


def _has_answer(record: Mapping[str, Any]) -> bool:
    score = record.get("probability")
    return (
        isinstance(record.get("model"), str)
        and isinstance(record.get("decision"), bool)
        and isinstance(score, int | float)
        and not isinstance(score, bool)
        and math.isfinite(score)
    )


def in_chunks(records: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    remaining = iter(records)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    known = pd.DataFrame({name: [record.get(name) for record in records] for name in FIELDS})
    known["time"] = pd.to_datetime(known["time"], format="ISO8601", utc=True).dt.as_unit("us")
    inputs = pd.DataFrame([record["input"] for record in records]).dropna(axis=1, how="all")
    return known.join(inputs.add_prefix(INPUT))
