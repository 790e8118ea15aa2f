"""The files of a prediction log: which are read, which are not and why, and their lines.

Every reader of the log uses this, so all of them read the same files, and report the others. A log
is a folder that others can write to: only regular files are opened, a line has a limit, and what
is left out is counted.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from slipway.errors import SlipwayError
from slipway.storage import reaching

SUFFIX = ".jsonl"

MOST_RECORD = 16 * 2**20
"""Bytes of a line. `serve.max_body_bytes` may not be more than what makes such a record."""

BLOCK = 2**18

DATED = re.compile(r"\d{4}-\d\d-\d\d")

# What the service and file systems put there themselves.
OURS = re.compile(r"\.\d+\.probe|lost\+found")

NAMES_SHOWN, LETTERS = 3, 60

# A log with a larger share of lines that are not records is something else.
MOST_UNREADABLE = 0.01

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass
class Count:
    """How often something occurred, and where it did first."""

    number: int = 0
    first: str = ""

    def add(self, number: int, where: Callable[[], str]) -> None:
        """Count some more; `where` is only asked for the first of all."""
        if number and not self.number:
            self.first = where()
        self.number += number


@dataclass
class Skipped:
    """What is in a log and was not used, and why.

    Parameters
    ----------
    unread
        Files by name, with the reason.
    unnamed
        More files that are not in `unread`.
    records
        Lines that were records, for comparison.
    unreadable
        Lines that are not records.
    torn
        Files that end within a record, whose answer was never sent.
    repeated
        Records that had been read before.
    differing
        Records with the id of another one, and other content.
    untimed
        Records whose event has a time that is not one.
    """

    unread: dict[str, str] = field(default_factory=dict)
    unnamed: int = 0
    records: int = 0
    unreadable: Count = field(default_factory=Count)
    torn: int = 0
    repeated: int = 0
    differing: Count = field(default_factory=Count)
    untimed: Count = field(default_factory=Count)

    def add_line(self, line: bytes, where: Callable[[], str]) -> None:
        """Count a line that is not a record; one without its end was being written."""
        if line.endswith(b"\n"):
            self.unreadable.add(1, where)
        else:
            self.torn += 1

    def sentences(self) -> list[str]:
        """Return a sentence for each kind of thing that was left out, the most serious first."""
        return list(self._sentences())

    def too_many(self) -> str:
        """Return why this is not a log of ours, or nothing."""
        lines = self.records + self.unreadable.number
        if self.unreadable.number <= MOST_UNREADABLE * lines:
            return ""
        return (
            f"{self.unreadable.number:,} of {lines:,} lines are no records of this Slipway; the "
            f"first: {self.unreadable.first}. Restore the files, or take those lines out"
        )

    def _sentences(self) -> Iterator[str]:
        if self.unread:
            shown = [f"{name} ({why})" for name, why in list(self.unread.items())[:NAMES_SHOWN]]
            number = len(self.unread) + self.unnamed
            more = number - len(shown)
            rest = f" and {more:,} more" if more else ""
            files = "1 file was" if number == 1 else f"{number:,} files were"
            yield f"{files} not read: {', '.join(shown)}{rest}."
        if self.unreadable.number:
            number = self.unreadable.number
            lines = "1 line is" if number == 1 else f"{number:,} lines are"
            yield f"{lines} no record; the first: {self.unreadable.first}."
        if self.differing.number:
            yield (
                f"{self.differing.number:,} records have the id of another record and other "
                f"content; the first of each id counts. The first: {self.differing.first}."
            )
        if self.repeated:
            yield (
                f"{self.repeated:,} records are in the log more than once; each prediction counts "
                "once, by its id."
            )
        if self.untimed.number:
            yield (
                f"{self.untimed.number:,} records have no time of their event that can be read; "
                f"they were not counted. The first: {self.untimed.first}."
            )
        if self.torn:
            files = "1 file ends" if self.torn == 1 else f"{self.torn:,} files end"
            yield f"{files} within a record, whose answer was not sent."


@dataclass(frozen=True)
class LogFile:
    """A file of the log: its address, and its name as a report may show it."""

    path: str
    size: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def shown(self) -> str:
        return shown_name(self.path)


class NoFolderError(SlipwayError):
    """There is no such folder: nothing has been logged there yet, or the address is wrong."""


class LogFolder:
    """A folder of the log, here or elsewhere.

    Parameters
    ----------
    url
        A path, or any URL that fsspec reads.
    suffix, what
        How the names of its files end, and what it is: labels are kept in such a folder too.

    Attributes
    ----------
    files
        Those to read, by name.
    unread
        The names of the others, with the reason.

    Raises
    ------
    SlipwayError
        It cannot be reached, or there is no such folder.
    """

    def __init__(self, url: str | Path, suffix: str = SUFFIX, what: str = "log") -> None:
        import fsspec
        from fsspec.implementations.local import LocalFileSystem

        self.url, self._suffix, self._what = str(url), suffix, what
        self.unread: dict[str, str] = {}
        with reaching(self.url, what):
            self._system, self._folder = fsspec.core.url_to_fs(self.url)
            self._local = isinstance(self._system, LocalFileSystem)
            if not self._system.isdir(self._folder):
                raise NoFolderError(
                    f"{self.url}: no such folder", "name the folder of the prediction log"
                )
            listed = self._listed_here() if self._local else self._listed_there()
            self.files = sorted(listed, key=lambda file: file.path)

    def open(self, file: LogFile) -> IO[bytes]:
        """Open a file; never waits for another process.

        Raises
        ------
        OSError
            It cannot be read, or is no longer a regular file.
        """
        if not self._local:
            with reaching(file.path, self._what):
                opened: IO[bytes] = self._system.open(file.path, "rb")
            return opened
        handle = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError("no longer a regular file")
        return os.fdopen(handle, "rb", buffering=0)

    def blocks(self, file: LogFile, skipped: Skipped) -> Iterator[tuple[int, bytes]]:
        """Yield a file in blocks of whole lines, each with the byte where it begins.

        A line longer than `MOST_RECORD` is counted and never held. A file that cannot be read, or
        not to its end, is noted.
        """
        try:
            with self.open(file) as source:
                for start, lines in _blocks(source):
                    if lines is None:
                        skipped.unreadable.add(1, partial(self._too_long, file, start))
                    else:
                        yield start, lines
        except OSError as error:
            skipped.unread[file.shown] = _reason(error)

    def where(self, file: LogFile, start: int) -> str:
        """Return the file and the line that begins at a byte of it, for a report."""
        line, at = 1, 0
        try:
            with self.open(file) as source:
                while at < start and (block := source.read(min(BLOCK, start - at))):
                    line, at = line + block.count(b"\n"), at + len(block)
        except OSError:  # it went away meanwhile
            return f"{file.shown}: byte {start:,}"
        return f"{file.shown}: line {line}"

    def _too_long(self, file: LogFile, start: int) -> str:
        return f"{self.where(file, start)} (longer than {MOST_RECORD >> 20} MiB)"

    def _listed_here(self) -> Iterator[LogFile]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    about = entry.stat()
                except OSError as error:  # a link to nothing, or to itself
                    self._leave(entry.path, _reason(error))
                    continue
                kind = "" if stat.S_ISREG(about.st_mode) else KINDS[stat.S_IFMT(about.st_mode)]
                if self._is_wanted(entry.path, kind):
                    yield LogFile(entry.path, about.st_size)

    def _listed_there(self) -> Iterator[LogFile]:
        self._system.invalidate_cache()
        for about in self._system.ls(self._folder, detail=True):
            path = str(about["name"])
            if path.rstrip("/") == str(self._folder).rstrip("/"):
                continue  # what some stores keep where a folder was made
            kind = "a folder" if about["type"] == "directory" or path.endswith("/") else ""
            if self._is_wanted(path.rstrip("/"), kind):
                yield LogFile(path, int(about.get("size") or 0))

    def _is_wanted(self, path: str, kind: str) -> bool:
        name = path.rpartition("/")[2]
        if OURS.fullmatch(name):
            return False
        if kind:
            self._leave(path, kind)
        elif name.startswith("."):
            self._leave(path, "a hidden file")
        elif not name.endswith(self._suffix):
            self._leave(path, f"the name does not end in {self._suffix}")
        else:
            return True
        return False

    def _leave(self, path: str, why: str) -> None:
        self.unread[shown_name(path)] = why


def day_of(file: LogFile) -> str:
    """Return the day that a file is named after, or nothing."""
    found = DATED.match(file.name)
    return found[0] if found else ""


def shown_name(path: str) -> str:
    """Return the name of a file as a report may quote it: its end, without what cannot be seen."""
    seen = "".join(
        letter if letter.isprintable() and letter != "`" else "?" for letter in path[-LETTERS * 2 :]
    )
    return seen if len(path) <= LETTERS * 2 else f"…{seen[1:]}"


def _blocks(source: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield whole lines; None for a line that is too long; at last what has no end, if anything."""
    start, rest, over = 0, b"", False
    while block := source.read(BLOCK):
        if over:
            end = block.find(b"\n") + 1
            start += end or len(block)
            if not end:
                continue
            block, over = block[end:], False
        whole = rest + block
        cut = whole.rfind(b"\n") + 1
        if cut:
            yield start, whole[:cut]
        start, rest = start + cut, whole[cut:]
        if len(rest) > MOST_RECORD:
            yield start, None
            start, rest, over = start + len(rest), b"", True
    if rest:
        yield start, rest


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__)[:LETTERS].lower()
