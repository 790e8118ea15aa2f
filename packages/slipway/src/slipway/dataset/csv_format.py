"""How a CSV file is written: its encoding, delimiter and decimal mark, stated or found in it.

What the bytes do not decide is refused: a file that is read in a wrong way gives wrong numbers.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from slipway.dataset.files import reading
from slipway.errors import SlipwayError
from slipway.untrusted import shown

AUTO = "auto"

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
DECIMALS = {".": "point", ",": "comma"}

# Bytes that are decoded to find delimiter and decimal mark.
SAMPLE = 1 << 20
BLOCK = 4 << 20

UTF_8, WINDOWS = "utf-8", "windows-1252"
MARKS = {codecs.BOM_UTF8: UTF_8, codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

# What the bytes of Windows-1252 are. Of these letters western European languages have few or none,
# but they are frequent ones of other languages, in the same bytes of other code pages.
HIGH = bytes(range(0x80, 0x100)).decode(WINDOWS, "ignore")
UNUSUAL = frozenset("ŠšŽžÐðÞþÝýƒ")
# Signs do not occur within a word, but for apostrophes, hyphens and the middle dot of Catalan.
IN_WORDS = frozenset("\u2019\u00b7\u2013\u00a0\u00ad")
SIGNS = "".join(each for each in HIGH if not each.isalpha() and each not in IN_WORDS)
# Two letters beyond ASCII are seldom neighbours in these languages; in other scripts most are.
MOST_NEIGHBOURS = 0.5
LETTER = r"[^\W\d_]"
ODD = re.compile(
    rf"{LETTER}[{re.escape(SIGNS)}]{LETTER}"
    rf"|[\u00a3\u00a5\u00aa\u00af]{LETTER}"  # a pound, yen, ordinal or macron begins a word
    rf"|{LETTER}[\u00b9\u00be\u00bf]|(?!m){LETTER}\u00b3"  # an exponent or sign ends one
    r"|[a-z\u00df-\u00ff][\u00c0-\u00de\u0152\u0178]"  # a capital after a small letter
)
NEIGHBOURS = re.compile(r"[^\x00-\x7f\Wß]{2,}")
BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
WORD_BEYOND_ASCII = re.compile(r"[^\s,;|\"]{0,20}[^\x00-\x7f][^\s,;|\"]{0,20}")

# `1.234` is a thousand or a little more than one.
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}([.,][0-9]{3})")
FRACTION = re.compile(r"[+-]?[0-9]*([.,])[0-9]+([eE][+-]?[0-9]+)?")
BOTH_MARKS = re.compile(r"[+-]?[0-9]{1,3}([.,' ][0-9]{3})+[.,][0-9]+")


class Stated(Protocol):
    """The section `data` of ``params.yaml``: a name, or *auto* for what is found."""

    @property
    def delimiter(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def decimal(self) -> str: ...


@dataclass(frozen=True)
class Found:
    """Nothing stated."""

    delimiter: str = AUTO
    encoding: str = AUTO
    decimal: str = AUTO


FOUND = Found()


@dataclass(frozen=True)
class CsvFormat:
    """How a file is written.

    Attributes
    ----------
    delimiter, decimal
        One character.
    encoding
        A codec of Python.
    example
        A word with a letter beyond ASCII, if the encoding was found by its letters.
    """

    delimiter: str = ","
    encoding: str = UTF_8
    decimal: str = "."
    example: str = ""

    def text(self) -> str:
        shown_word = f" (by its letters, such as {shown(self.example)})" if self.example else ""
        return (
            f"delimiter {DELIMITERS[self.delimiter]}, encoding {self.encoding}{shown_word}, "
            f"decimal {DECIMALS[self.decimal]}"
        )


def find_format(path: Path, stated: Stated, numbers: Iterable[str] = ()) -> CsvFormat:
    """Return how a CSV file is written: what is stated, and else what its content shows.

    Parameters
    ----------
    numbers
        Names of the columns of numbers, whose cells show the decimal mark.

    Raises
    ------
    SlipwayError
        The content does not show it, and it is not stated.
    """
    with reading(path):
        encoding, example = stated.encoding, ""
        if encoding == AUTO:
            encoding, example = _find_encoding(path)
        text, is_whole = _sample(path, encoding)
    delimiter = _character(DELIMITERS, stated.delimiter) or _find_delimiter(path, text, is_whole)
    decimal = _character(DECIMALS, stated.decimal) or _find_decimal(
        path, _rows(text, delimiter, is_whole), delimiter, set(numbers)
    )
    return CsvFormat(delimiter, encoding, decimal, example)


def _character(names: dict[str, str], stated: str) -> str:
    return next((character for character, name in names.items() if name == stated), "")


def _ambiguous(path: Path, what: str, key: str, values: Iterable[str]) -> SlipwayError:
    return SlipwayError(
        f"{path}: {what}",
        f"state `data.{key}` in params.yaml ({', '.join(values)})",
    )


# --- encoding ----------------------------------------------------------------------------------


def _find_encoding(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding, ""
    if b"\0" in start:
        return _find_utf_16(path, start), ""
    if _is_utf_8(path):
        return UTF_8, ""
    return WINDOWS, _western_word(path)


def _find_utf_16(path: Path, start: bytes) -> str:
    """Return the order of the bytes of UTF-16 without a mark: every other byte of ASCII is zero."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if min(even, odd) * 20 < max(even, odd) and max(even, odd) * 8 > len(start):
        return "utf-16-be" if even > odd else "utf-16-le"
    raise _ambiguous(
        path, "it has zero bytes, and is not UTF-16 text", "encoding", ["the name of its encoding"]
    )


def _is_utf_8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder(UTF_8)()
    with path.open("rb") as file:
        try:
            while block := file.read(BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _western_word(path: Path) -> str:
    """Return a word that shows that a file is in Windows-1252; refuse one that may not be.

    The bytes of all code pages are possible, but the letters of others are no western text.
    """
    letters = neighbours = 0
    example = ""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            try:
                text = block.decode(WINDOWS)
            except UnicodeDecodeError:
                raise _unknown_encoding(path, "") from None
            beyond = BEYOND_ASCII.findall(text)
            if strange := set(beyond) & UNUSUAL:
                raise _unknown_encoding(path, _word_with(min(strange), text))
            if odd := ODD.search(text):
                raise _unknown_encoding(path, _word_with(odd.group(), text))
            letters += len(beyond)
            neighbours += sum(len(run) for run in NEIGHBOURS.findall(text))
            if not example and (word := WORD_BEYOND_ASCII.search(text)):
                example = word.group()
    if neighbours > MOST_NEIGHBOURS * letters:
        raise _unknown_encoding(path, example)
    return example


def _word_with(part: str, text: str) -> str:
    at = text.index(part)
    return re.split(r"[\s,;|\"]", text[:at])[-1][-20:] + re.split(r"[\s,;|\"]", text[at:])[0][:20]


def _unknown_encoding(path: Path, word: str) -> SlipwayError:
    as_windows = f" (as {WINDOWS} it has the word {shown(word)})" if word else f", nor {WINDOWS}"
    return _ambiguous(
        path,
        f"its text is not UTF-8, and its encoding is not known{as_windows}",
        "encoding",
        ["such as windows-1250", "windows-1252", "shift_jis"],
    )


def _sample(path: Path, encoding: str) -> tuple[str, bool]:
    """Return the first text of a file, and whether it is all of it."""
    with path.open("rb") as file:
        content, rest = file.read(SAMPLE), file.read(1)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        text = decoder.decode(content, final=not rest)
    except UnicodeDecodeError as error:
        raise SlipwayError(
            f"{path}: cannot be read as {encoding} (byte {error.start:,})",
            "correct `data.encoding` in params.yaml, or save the file again",
        ) from None
    return text.removeprefix("\ufeff"), not rest


# --- delimiter ---------------------------------------------------------------------------------


def _rows(text: str, delimiter: str, is_whole: bool) -> list[list[str]]:
    """Return the rows of a sample but empty ones and, if the file goes on, the last."""
    rows: list[list[str]] = []
    try:
        rows.extend(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:  # a value longer than the module allows: the rows before it are enough
        is_whole = True
    return [row for row in (rows if is_whole else rows[:-1]) if row]


def _find_delimiter(path: Path, text: str, is_whole: bool) -> str:
    """Return the only character that divides all rows of a sample into as many cells, two or more.

    Where there is none, rows have too many or too few cells, and the names in the first row decide;
    or there is one column.
    """
    widths = {
        delimiter: [len(row) for row in _rows(text, delimiter, is_whole)]
        for delimiter in DELIMITERS
    }
    even = [each for each, found in widths.items() if found and min(found) == max(found) > 1]
    if not even:
        most = max(found[0] if found else 1 for found in widths.values())
        even = [each for each, found in widths.items() if found and found[0] == most > 1]
    if len(even) > 1:
        names = " and ".join(DELIMITERS[each] for each in even)
        what = f"its delimiter is ambiguous: {names} divide its rows into columns"
        raise _ambiguous(path, what, "delimiter", DELIMITERS.values())
    if even:
        return even[0]
    # One column, whose values may have a character that divides those of other files.
    return next((each for each, found in widths.items() if max(found, default=1) == 1), ",")


# --- decimal mark ------------------------------------------------------------------------------


def _find_decimal(
    path: Path, rows: Sequence[Sequence[str]], delimiter: str, numbers: set[str]
) -> str:
    """Return the mark in the fractions of a sample; a point if there is none."""
    if not rows:
        return "."
    at = [number for number, name in enumerate(rows[0]) if name in numbers]
    cells = [row[number].strip() for row in rows[1:] for number in at if number < len(row)]
    if grouped := next((cell for cell in cells if BOTH_MARKS.fullmatch(cell)), None):
        raise SlipwayError(
            f"{path}: the number {shown(grouped)} has a separator of thousands",
            "write the numbers without it",
        )
    marks = {found.group(1) for cell in cells if (found := FRACTION.fullmatch(cell))}
    if len(marks) > 1:
        what = "its decimal mark is ambiguous: some numbers have a point, others a comma"
        raise _ambiguous(path, what, "decimal", DECIMALS.values())
    fractions = [cell for cell in cells if FRACTION.fullmatch(cell)]
    is_plain = marks == {"."} and delimiter == ","
    if fractions and not is_plain and all(GROUPED.fullmatch(cell) for cell in fractions):
        what = f"{shown(fractions[0])} may be a fraction, or have a separator of thousands"
        raise _ambiguous(path, what, "decimal", DECIMALS.values())
    return marks.pop() if marks else "."


# --- quotation marks ---------------------------------------------------------------------------


def require_closed(path: Path, written: CsvFormat) -> None:
    """Refuse a file with a quotation mark that is not closed: further lines would be of its value.

    Raises
    ------
    SlipwayError
        Names the line.
    """
    # A file with as many opening as closing marks is not read again line by line.
    if not _marks(path, written) % 2:
        return
    for record in _records(path, written):
        if not record.is_open and not record.closed_within(written.delimiter):
            continue
        lines = f"the lines up to {record.last}" if not record.is_open else "all lines after it"
        raise SlipwayError(
            f"{path}: the record in line {record.first} opens a quotation mark that is not closed, "
            f"so {lines} would be one value",
            "close it, then run the same command again",
        )


def require_one_width(path: Path, written: CsvFormat) -> None:
    """Refuse a file with a record of more or fewer values than the header has names.

    Raises
    ------
    SlipwayError
        Names the line.
    """
    expected = 0
    for record in _records(path, written):
        expected = expected or len(record.values)
        if len(record.values) in (0, expected):
            continue
        do = "give each row as many values as the header has names, or quote the delimiter"
        lines = f"line {record.first} has"
        if record.last > record.first:
            lines = f"lines {record.first} to {record.last} are one record, which has"
            do = f"close the quotation mark that line {record.first} opens, or {do}"
        raise SlipwayError(
            f"{path}: cannot be read: {lines} another number of values ({len(record.values)}) than "
            f"the header has names ({expected})",
            do,
        )


def _marks(path: Path, written: CsvFormat) -> int:
    with path.open(encoding=written.encoding, errors="replace", newline="") as file:
        return sum(block.count('"') for block in iter(lambda: file.read(BLOCK), ""))


@dataclass(frozen=True)
class _Record:
    """A record of a file.

    Attributes
    ----------
    first, last
        Its lines, from 1.
    is_open
        At its end a quotation mark is open, or a value is longer than the module `csv` takes.
    """

    first: int
    last: int
    values: Sequence[str]
    text: str
    is_open: bool

    def closed_within(self, delimiter: str) -> bool:
        """Return whether a mark of an earlier line is closed where another value begins.

        Of a file that was written with closed marks, none is followed by text.
        """
        if self.first == self.last:
            return False
        try:
            list(csv.reader(io.StringIO(self.text, newline=""), delimiter=delimiter, strict=True))
        except csv.Error:
            return True
        return False


def _records(path: Path, written: CsvFormat) -> Iterator[_Record]:
    """Yield the records of a file, up to one that is open."""
    held: list[str] = []  # lines of the current record
    over = False

    def lines() -> Iterator[str]:
        nonlocal over
        with path.open(encoding=written.encoding, errors="replace", newline="") as file:
            for number, line in enumerate(file):
                held.append(line if number else line.removeprefix("\ufeff"))
                yield held[-1]
        over = True

    reader, first = csv.reader(lines(), delimiter=written.delimiter), 1
    while not over:
        held.clear()
        try:
            values = next(reader, None)
        except csv.Error:  # a value longer than the module takes
            values, over = [], True
        if values is None:
            return
        # At the end of the file, the record wanted a further line.
        yield _Record(first, first + len(held) - 1, values, "".join(held), over)
        first += len(held)
