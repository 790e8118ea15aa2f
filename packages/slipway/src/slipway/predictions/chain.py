"""Hash chains: a record that is changed, removed, added or moved breaks the chain of its file.

A line of the log is a record and three further fields: its number in the file, a random salt, and
a link to the line before it::

    {…record…,"n":12,"salt":"<32 hex>","link":"<64 hex>"}

    commitment = SHA-256(the line up to ,"link")
    link       = SHA-256(the link before it, then the commitment), both as 32 bytes

The first link of a file continues from the SHA-256 of its name, so a file under another name is
found. A record that was erased leaves its commitment, so the chain stays whole; without the salt,
what the record was cannot be found out by trying. After RFC 9162 (Certificate Transparency),
section 2, with a list instead of a tree: a file is always verified as a whole.

A chain alone does not show that its end was cut, or that all of it was computed again: for that,
its length and its last link are kept in a second place (`slipway.predictions.checkpoints`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from slipway.predictions.record import parse_record

ADDED = ("n", "salt", "link")
"""The fields of a line that are not of its record."""

ERASED = b'{"erased":"'
"""What only the line of an erased record begins with."""

_SALT = 16  # bytes

_LINKED = re.compile(
    rb'(?P<content>\{.*,"n":(?P<number>\d{1,15}),"salt":"[0-9a-f]{32}"),'
    rb'"link":"(?P<link>[0-9a-f]{64})"\}\n',
    re.DOTALL,
)

_ERASED = re.compile(
    rb'\{"erased":"(?P<time>[0-9TZ:.-]{10,30})","n":(?P<number>\d{1,15}),'
    rb'"commitment":"(?P<commitment>[0-9a-f]{64})","link":"(?P<link>[0-9a-f]{64})"\}\n'
)


def erase(line: bytes, moment: str) -> bytes:
    """Return what is left of a line when its record is erased: its number, commitment and link.

    Raises
    ------
    ValueError
        It is not a line of a chain.
    """
    found = _LINKED.fullmatch(line)
    if found is None:
        raise ValueError("not a line of a chain")
    commitment = sha256(found["content"]).hexdigest().encode()
    parts = (moment.encode(), int(found["number"]), commitment, found["link"])
    return b'{"erased":"%b","n":%d,"commitment":"%b","link":"%b"}\n' % parts


def number_of(line: bytes) -> int | None:
    """Return the number of a record in its file, also of an erased one; None without a chain."""
    found = _LINKED.fullmatch(line) or _ERASED.fullmatch(line)
    return int(found["number"]) if found else None


def is_erased(line: bytes) -> bool:
    """Return whether a line is what is left of an erased record."""
    return line.startswith(ERASED) and _ERASED.fullmatch(line) is not None


def start_of(name: str) -> bytes:
    """Return what the first link of the file with this name continues from."""
    return sha256(name.encode()).digest()


class Chain:
    """The chain of a file that is being written.

    Parameters
    ----------
    name
        The file's name, without its folder.
    draw
        Returns a number of random bytes, for the salts.
    """

    def __init__(self, name: str, draw: Callable[[int], bytes] = os.urandom) -> None:
        self._draw = draw
        self.records = 0
        self._link = start_of(name)

    @property
    def link(self) -> str:
        """The last link, as hex."""
        return self._link.hex()

    def extend(self, lines: bytes) -> bytes:
        """Return whole records, each a JSON object on a line, as the next lines of the file."""
        records = lines.split(b"\n")[:-1]
        salts = self._draw(_SALT * len(records)).hex()
        linked = []
        for place, record in enumerate(records):
            salt = salts[2 * _SALT * place : 2 * _SALT * (place + 1)]
            content = b'%b,"n":%d,"salt":"%b"' % (record[:-1], self.records, salt.encode())
            self._link = sha256(self._link + sha256(content).digest()).digest()
            self.records += 1
            linked.append(b'%b,"link":"%b"}\n' % (content, self._link.hex().encode()))
        return b"".join(linked)


@dataclass(frozen=True)
class Fault:
    """A line that does not continue the chain of its file.

    `line` counts from 1 and is that of the file as it is; 0 if the fault is not of one line.
    """

    line: int
    what: str


@dataclass
class Verified:
    """What is left of the chain of a file.

    `records` and `link` are those of the chain at its end, and `links` those at the lengths that
    were asked for. `erased` has the numbers of records that were erased, `unlinked` counts lines of
    a file without any chain, as earlier versions wrote it, and `torn` is whether the file ends
    within a line; `whole` is whether only the end of that line is missing.
    """

    records: int = 0
    link: str = ""
    erased: list[int] = field(default_factory=list)
    unlinked: int = 0
    torn: bool = False
    whole: bool = False
    faults: list[Fault] = field(default_factory=list)
    links: dict[int, str] = field(default_factory=dict)


def verify(name: str, lines: Iterable[bytes], lengths: Iterable[int] = ()) -> Verified:
    """Follow the chain of a file.

    Parameters
    ----------
    name
        The file's name, without its folder.
    lines
        Its lines, each with its end.
    lengths
        Numbers of records after which the link is returned in `links`.
    """
    reading = _Reading(name, set(lengths))
    for number, line in enumerate(lines, start=1):
        reading.add(number, line)
    return reading.end()


@dataclass(frozen=True)
class _Line:
    """The fields of a line with which a chain continues."""

    number: int
    commitment: bytes
    link: bytes
    erased: bool = False

    @classmethod
    def read(cls, line: bytes) -> _Line | None:
        if found := _LINKED.fullmatch(line):
            commitment = sha256(found["content"]).digest()
            return cls(int(found["number"]), commitment, bytes.fromhex(found["link"].decode()))
        if found := _ERASED.fullmatch(line):
            commitment, link = (
                bytes.fromhex(found[part].decode()) for part in ("commitment", "link")
            )
            return cls(int(found["number"]), commitment, link, erased=True)
        return None

    def continues(self, link: bytes) -> bool:
        return sha256(link + self.commitment).digest() == self.link


class _Reading:
    """The state of a chain between two lines."""

    def __init__(self, name: str, lengths: set[int]) -> None:
        self._link = start_of(name)
        self._lengths = lengths
        self._seen: dict[bytes, int] = {}
        self._missing: dict[int, int] = {}  # by number, the line at which it was expected
        self._without: list[int] = []  # lines that are not in a chain
        self.found = Verified(links={0: self._link.hex()} if 0 in lengths else {})

    def add(self, number: int, text: bytes) -> None:
        if not text.endswith(b"\n"):
            self._end_within(number, text)
            return
        line = _Line.read(text)
        if line is None:
            self._without.append(number)
        elif line.continues(self._link) and line.number == self.found.records:
            self._take(number, line)
        else:
            self._explain(number, line)

    def _end_within(self, number: int, text: bytes) -> None:
        """Note a line without an end. A crash leaves a part of the next line, and no other one."""
        self.found.torn = True
        line = _Line.read(text + b"\n")
        if line is not None:
            self.found.whole = line.continues(self._link) and line.number == self.found.records
        if _is_whole(text) and not self.found.whole:
            self._without.append(number)

    def _take(self, number: int, line: _Line) -> None:
        self._seen[line.link] = number
        self._link = line.link
        self.found.records = line.number + 1
        if line.erased:
            self.found.erased.append(line.number)
        if self.found.records in self._lengths:
            self.found.links[self.found.records] = line.link.hex()

    def _explain(self, number: int, line: _Line) -> None:
        """Add the fault of a line, and continue where the next line is most likely to fit."""
        expected = self.found.records
        if line.link in self._seen:
            self._fault(number, f"a copy of line {self._seen[line.link]}")
        elif line.number < expected:
            late = self._missing.pop(line.number, None)
            self._fault(
                number,
                f"record {line.number + 1} is not the next one: record {expected + 1} is"
                + ("" if late is None else f"; its place is line {late}"),
            )
        else:
            for lost in range(expected, min(line.number, expected + _MOST_LOST)):
                self._missing[lost] = number
            if line.number == expected:
                self._fault(number, f"record {expected + 1} was changed")
            self._take(number, line)

    def _fault(self, number: int, what: str) -> None:
        self.found.faults.append(Fault(number, what))

    def end(self) -> Verified:
        if not self.found.records and not self.found.faults:
            self.found.unlinked = len(self._without)
        else:
            for number in self._without:
                self._fault(number, "a line that is not in the chain")
        for lost, number in self._missing.items():
            self._fault(number, f"record {lost + 1} is missing before this line")
        self.found.link = self._link.hex()
        self.found.faults.sort(key=lambda fault: fault.line)
        return self.found


def _is_whole(text: bytes) -> bool:
    """Return whether a line without an end can be read as a record."""
    return text.rstrip().endswith(b"}") and parse_record(text) is not None


# Numbers are not to be trusted: a changed one must not fill the memory.
_MOST_LOST = 1_000
