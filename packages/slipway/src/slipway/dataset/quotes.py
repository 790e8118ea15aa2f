"""A CSV file that ends inside of quotation marks: Arrow takes the rest of it for one value."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from slipway.dataset.csv_format import CsvFormat
from slipway.errors import SlipwayError

BLOCK = 1 << 20


def require_closed(path: Path, written: CsvFormat) -> None:
    """Refuse a file whose last quotation mark is opened and not closed.

    Raises
    ------
    SlipwayError
        Names the line.
    """
    # A file with as many opening as closing marks is not read again line by line.
    if _marks(path, written) % 2 and (line := _open_line(path, written)):
        raise SlipwayError(
            f"{path}: the record in line {line} opens a quotation mark that is not closed, so all "
            "lines after it would be one value",
            "close it, then run the same command again",
        )


def _marks(path: Path, written: CsvFormat) -> int:
    with path.open(encoding=written.encoding, errors="replace", newline="") as file:
        return sum(block.count('"') for block in iter(lambda: file.read(BLOCK), ""))


def _open_line(path: Path, written: CsvFormat) -> int:
    """Return the first line of the record at whose end a mark is open, from 1; 0 if none is."""
    asked = 0  # lines of the current record
    over = False

    def lines() -> Iterator[str]:
        nonlocal asked, over
        with path.open(encoding=written.encoding, errors="replace", newline="") as file:
            for line in file:
                asked += 1
                yield line
        over = True

    reader, first = csv.reader(lines(), delimiter=written.delimiter), 1
    try:
        for _ in reader:
            if over:  # the record wanted a further line
                return first
            first, asked = first + asked, 0
    except csv.Error:  # a value longer than the module takes
        return first
    return 0
