"""The records of a log, one by one: for programs in the image of the service, without DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from typing import NamedTuple

import numpy as np

from slipway.predictions.files import Lines, LogFile, LogFolder, Skipped, day_of
from slipway.predictions.record import Record, is_smoke_test, parse_record
from slipway.predictions.seen import Seen

# Records that are compared with those before them in one step, and bytes of their lines.
TOGETHER, TOGETHER_BYTES = 5_000, 8 * 2**20


class Records:
    """The records of a log, each once, without those of smoke tests.

    `skipped` has what was left out until now.
    """

    def __init__(self, url: str) -> None:
        self._folder = LogFolder(url)
        self.skipped = Skipped(unread=dict(self._folder.unread))
        self._seen = Seen()

    def __iter__(self) -> Iterator[Record]:
        for day in self.days():
            yield from self.of_day(day)

    def days(self) -> list[str]:
        """Return the days that files are named after, oldest first; '' for other names."""
        return sorted({day_of(file) for file in self._folder.files})

    def of_day(self, day: str) -> Iterator[Record]:
        """Yield the records of one day's files."""
        for lines in _in_steps(
            self._lines(file for file in self._folder.files if day_of(file) == day)
        ):
            for line in self._new(lines):
                if not is_smoke_test(line.record):
                    yield line.record

    def _lines(self, files: Iterable[LogFile]) -> Iterator[_Line]:
        for file in files:
            for start, lines in self._folder.blocks(Lines(file), self.skipped):
                for line in BytesIO(lines):
                    record = parse_record(line)
                    if record is not None:
                        self.skipped.records += 1
                        yield _Line(record, hash(line.strip()), file, start, len(line))
                    elif line.strip():
                        self.skipped.add_line(line, partial(self._folder.where, file, start))
                    start += len(line)

    def _new(self, lines: list[_Line]) -> Iterator[_Line]:
        """Yield the lines whose id was not read before; count the others."""
        names = [line.record["id"] for line in lines]
        ids = np.array([hash(name) for name in names], "int64").view("uint64")
        contents = np.array([line.content for line in lines], "int64").view("uint64")
        new, differs = self._seen.add(ids, contents, min(names), max(names))
        for line, is_new, is_other in zip(lines, new.tolist(), differs.tolist(), strict=True):
            if is_new:
                yield line
            elif is_other:
                self.skipped.differing.add(1, partial(self._folder.where, line.file, line.start))
            else:
                self.skipped.repeated += 1


class _Line(NamedTuple):
    record: Record
    content: int
    file: LogFile
    start: int
    size: int


def _in_steps(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    step: list[_Line] = []
    size = 0
    for line in lines:
        step.append(line)
        size += line.size
        if len(step) >= TOGETHER or size >= TOGETHER_BYTES:
            yield step
            step, size = [], 0
    if step:
        yield step
