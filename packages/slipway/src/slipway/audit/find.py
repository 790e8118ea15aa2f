"""Find records of the log by the ids of their predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slipway.audit.sealed import read_sealed
from slipway.errors import SlipwayError
from slipway.predictions.answers import Fields
from slipway.predictions.files import LogFile, LogFolder, day_of
from slipway.predictions.ids import days_of, records_with
from slipway.predictions.record import Record
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
    days = {day for each in ids for day in days_of(each)}
    for file in sorted(folder.files, key=lambda file: day_of(file) not in days):
        if not missing:
            break
        for each in _found(folder, file, missing):
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


def _found(folder: LogFolder, file: LogFile, ids: set[str]) -> Iterator[Found]:
    for start, record in records_with(folder, file, ids):
        yield Found(record, file, start)


def _removed_on(given: str) -> str:
    """Return that retention has removed files of the day of an id; "" if it has not."""
    days = tuple(days_of(given))
    for each in read_sealed().values():
        if each.removed and days and each.file.startswith(days):
            return f"; files of its day were removed after their retention, on {each.removed}"
    return ""
