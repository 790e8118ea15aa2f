"""Records by the ids of their predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import UUID

from slipway.predictions.files import Lines, LogFile, LogFolder, Skipped, day_of
from slipway.predictions.record import Record, parse_record


def find_record(url: str, given: str) -> Record | None:
    """Return the record with an id; the files of its day are read, and None is returned without it.

    Raises
    ------
    SlipwayError
        The log cannot be read.
    """
    folder, days = LogFolder(url), days_of(given)
    for file in folder.files:
        if day_of(file) in days:
            for _, record in records_with(folder, file, {given}):
                return record
    return None


def records_with(
    folder: LogFolder, file: LogFile, ids: Collection[str]
) -> Iterator[tuple[int, Record]]:
    """Yield the records of a file with some ids, and the byte where the line of each begins."""
    wanted = [f'"id":"{each}"'.encode() for each in ids]
    for start, lines in folder.blocks(Lines(file), Skipped()):
        # Most blocks hold none of them, and a search for bytes is faster than a parser.
        if not any(each in lines for each in wanted):
            continue
        at = start
        for line in BytesIO(lines):
            record = parse_record(line)
            if record is not None and record["id"] in ids:
                yield at, record
            at += len(line)


def days_of(given: str) -> set[str]:
    """Return the days of a UUID of version 7 in UTC; the clock may have passed midnight since."""
    try:
        uuid = UUID(given)
    except ValueError:
        return set()
    if uuid.version != 7:
        return set()
    moment = datetime.fromtimestamp((uuid.int >> 80) / 1000, UTC)
    return {f"{moment + timedelta(minutes=minutes):%Y-%m-%d}" for minutes in (-1, 0, 1)}
