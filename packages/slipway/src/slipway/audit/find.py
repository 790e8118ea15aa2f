"""Find records of the log by the ids of their predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slipway.audit.sealed import read_sealed
from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.predictions.answers import Fields
from slipway.predictions.chain import ADDED
from slipway.predictions.files import LogFile, LogFolder, day_of
from slipway.predictions.ids import days_of, records_with
from slipway.predictions.record import Record, answer_of
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
        return answer_of(self.record)


def find_records(url: str, ids: Sequence[str]) -> list[Found]:
    """Return the records with some ids, as they were asked for.

    The files of the days that the ids name are read first, all of them, then the others.

    Raises
    ------
    SlipwayError
        The log cannot be read, or one of the ids is not in it, or in two records that differ.
    """
    folder, missing = LogFolder(url), set(ids)
    found: dict[str, Found] = {}
    days = {day for each in ids for day in days_of(each)}
    all_dated = all(map(days_of, ids))
    for file in sorted(folder.files, key=lambda file: day_of(file) not in days):
        if all_dated and not missing and day_of(file) not in days:
            break
        for one in _found(folder, file, set(ids)):
            first = found.setdefault(one.id, one)
            if _content(first) != _content(one):
                raise SlipwayError(
                    f"{url}: two records that differ have the id {printable(one.id, '?')}: one in "
                    f"{first.file.shown}, one in {one.file.shown}",
                    "see which file is as it was written: `slipway audit --verify`",
                )
        missing -= found.keys()
    if missing:
        shown = printable(min(missing), "?")
        others = counted(len(missing) - 1, "other")
        more = f", nor {others}" if len(missing) > 1 else ""
        raise SlipwayError(
            f"{url}: no prediction has the id {shown}{more}{_removed_on(min(missing))}",
            "use the `id` of an answer or of a record, and the log of the service that gave it",
        )
    return [found[each] for each in ids]


def _found(folder: LogFolder, file: LogFile, ids: set[str]) -> Iterator[Found]:
    for start, record in records_with(folder, file, ids):
        yield Found(record, file, start)


def _content(found: Found) -> Fields:
    """Return a record without its place in a chain: a file may have been copied."""
    return {name: value for name, value in found.record.items() if name not in ADDED}


def _removed_on(given: str) -> str:
    """Return that retention has removed files of the day of an id; "" if it has not."""
    days = tuple(days_of(given))
    for each in read_sealed().values():
        if each.removed and days and each.file.startswith(days):
            return f"; files of its day were removed after their retention, on {each.removed}"
    return ""
