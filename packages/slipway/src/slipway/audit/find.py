"""Find records of the log by the ids of their predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import UUID

from slipway.audit.sealed import read_sealed
from slipway.errors import SlipwayError
from slipway.predictions.answers import Fields
from slipway.predictions.files import Lines, LogFile, LogFolder, Skipped, day_of
from slipway.predictions.record import Record, parse_record
from slipway.untrusted import printable


@dataclass(frozen=True)
class Found:
    """A record, and the file and the byte of the log where its line begins."""

    record: Record
    file: LogFile
    start: int

    @property
    def id(self) -> str:
        return str(self.record["id"])

    def answer(self) -> Fields:
        """Return the fields of the answer that was given."""
        names = ("probability", "probabilities", "value", "quantile", "decision")
        return {name: self.record[name] for name in names if name in self.record}


def find_records(url: str, ids: Sequence[str]) -> list[Found]:
    """Return the records with some ids, as they were asked for.

    The files of the days that the ids name are read first, then the others.

    Raises
    ------
    SlipwayError
        The log cannot be read, or one of the ids is not in it.
    """
    folder, missing = LogFolder(url), set(ids)
    found: dict[str, Found] = {}
    days = {day for each in ids for day in _days_of(each)}
    for file in sorted(folder.files, key=lambda file: day_of(file) not in days):
        if not missing:
            break
        for each in _records(folder, file, missing):
            found.setdefault(each.id, each)
        missing -= found.keys()
    if missing:
        first = printable(min(missing), "?")
        more = f", nor {len(missing) - 1:,} others" if len(missing) > 1 else ""
        raise SlipwayError(
            f"{url}: no prediction has the id {first}{more}{_removed_on(min(missing))}",
            "use the `id` of an answer or of a record, and the log of the service that gave it",
        )
    return [found[each] for each in ids]


def _records(folder: LogFolder, file: LogFile, ids: set[str]) -> Iterator[Found]:
    wanted = [f'"id":"{each}"'.encode() for each in ids]
    for start, lines in folder.blocks(Lines(file), Skipped()):
        # Most blocks hold none of them, and a search for bytes is faster than a parser.
        if not any(each in lines for each in wanted):
            continue
        at = start
        for line in BytesIO(lines):
            record = parse_record(line)
            if record is not None and record["id"] in ids:
                yield Found(record, file, at)
            at += len(line)


def _removed_on(given: str) -> str:
    """Return that retention has removed files of the day of an id; "" if it has not."""
    days = tuple(_days_of(given))
    for each in read_sealed().values():
        if each.removed and days and each.file.startswith(days):
            return f"; files of its day were removed after their retention, on {each.removed}"
    return ""


def _days_of(given: str) -> set[str]:
    """Return the days of a UUID of version 7 in UTC; the clock may have passed midnight since."""
    try:
        uuid = UUID(given)
    except ValueError:
        return set()
    if uuid.version != 7:
        return set()
    moment = datetime.fromtimestamp((uuid.int >> 80) / 1000, UTC)
    return {f"{moment + timedelta(minutes=minutes):%Y-%m-%d}" for minutes in (-1, 0, 1)}
