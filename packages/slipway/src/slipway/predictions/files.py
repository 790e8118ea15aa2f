"""The files of a prediction log, their lines, and the account of what is left out.

Every reader of the log uses this, so all of them read the same files and report the others. Other
programs can write to the folder of a log: only regular files are opened, a line has a limit, and
what is left out is counted.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.predictions.chain import is_erased
from slipway.storage import is_bucket, reaching
from slipway.untrusted import printable

SUFFIX = ".jsonl"

MOST_RECORD = 16 * 2**20
"""Limit of a line in bytes. `serve.max_body_bytes` is limited so that its records fit."""

BLOCK = 2**18

DATED = re.compile(r"\d{4}-\d\d-\d\d")

# Names that the service and file systems create.
OURS = re.compile(r"\.\d+\.probe|\..*\.new|lost\+found")

NAMES_SHOWN, LETTERS = 3, 60

# With a larger share of lines that are not records, no decision is based on a log.
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
    """A number of occurrences, and the place of the first."""

    number: int = 0
    first: str = ""

    def add(self, number: int, where: Callable[[], str]) -> None:
        """Add occurrences; `where` is called for the first one only."""
        if number and not self.number:
            self.first = where()
        self.number += number

    def merge(self, later: Count) -> None:
        """Add the occurrences of a later part of the log."""
        self.add(later.number, lambda: later.first)


@dataclass
class Skipped:
    """The account of what a reader left out.

    `unread` has the reason by file, and `unnamed` the number of further files. `records` counts the
    lines that are records, for comparison, and `unreadable` those that are not. `torn` counts files
    that end within a record, whose prediction was never returned; `erased` records that were
    erased on purpose (`slipway forget`); `repeated` and `differing`
    records with the id of an earlier one, and the same or other content; `untimed` records whose
    event time cannot be read, and `unscored` those whose answer is not one of their model.
    """

    unread: dict[str, str] = field(default_factory=dict)
    unnamed: int = 0
    records: int = 0
    unreadable: Count = field(default_factory=Count)
    torn: int = 0
    erased: int = 0
    repeated: int = 0
    differing: Count = field(default_factory=Count)
    untimed: Count = field(default_factory=Count)
    unscored: Count = field(default_factory=Count)

    def add_line(self, line: bytes, where: Callable[[], str]) -> None:
        """Count a line that is not a record; a line without an end was still being written."""
        if is_erased(line):
            self.erased += 1
        elif line.endswith(b"\n"):
            self.unreadable.add(1, where)
        else:
            self.torn += 1

    def merge(self, later: Skipped) -> None:
        """Add the account of a later part of the log."""
        self.unread |= later.unread
        for name in ("unnamed", "records", "torn", "erased", "repeated"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        for name in ("unreadable", "differing", "untimed", "unscored"):
            getattr(self, name).merge(getattr(later, name))

    def sentences(self) -> list[str]:
        """Return a sentence for each kind of line or file that was left out, the worst first."""
        return list(self._sentences())

    def too_many(self) -> str:
        """Return why no decision can be based on this log, or an empty text."""
        lines = self.records + self.unreadable.number
        if self.unreadable.number <= MOST_UNREADABLE * lines:
            return ""
        return (
            f"{self.unreadable.number:,} of {lines:,} lines are not records of this version; the "
            f"first: {self.unreadable.first}. Restore the files, or remove those lines"
        )

    def _sentences(self) -> Iterator[str]:
        if self.unread:
            shown = [f"{name} ({why})" for name, why in list(self.unread.items())[:NAMES_SHOWN]]
            number = len(self.unread) + self.unnamed
            more = number - len(shown)
            rest = f" and {more:,} more" if more else ""
            files = counted(number, "file was", "files were")
            yield f"{files} not read: {', '.join(shown)}{rest}."
        if self.unreadable.number:
            number = self.unreadable.number
            lines = counted(number, "line is not a record", "lines are not records")
            yield f"{lines}; the first: {self.unreadable.first}."
        if self.differing.number:
            records = counted(self.differing.number, "record has", "records have")
            yield (
                f"{records} the id of another record and other "
                f"content; the first of each id counts. The first: {self.differing.first}."
            )
        if self.repeated:
            records = counted(self.repeated, "record is", "records are")
            yield (f"{records} in the log more than once; each prediction counts once, by its id.")
        if self.untimed.number:
            records = counted(self.untimed.number, "record has", "records have")
            yield (
                f"{records} no readable event time; not counted. The first: {self.untimed.first}."
            )
        if self.unscored.number:
            records = counted(self.unscored.number, "record does", "records do")
            yield (
                f"{records} not have the scores that this model has; "
                f"not counted. The first: {self.unscored.first}."
            )
        if self.erased:
            records = counted(self.erased, "record was", "records were")
            yield f"{records} erased on purpose (`slipway forget`)."
        if self.torn:
            files = counted(self.torn, "file ends", "files end")
            yield f"{files} within a record; its prediction was never returned."


@dataclass(frozen=True)
class LogFile:
    """A file of the log, by its address."""

    path: str
    size: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def shown(self) -> str:
        return shown_name(self.path)


@dataclass(frozen=True)
class Lines:
    """The lines of a file that begin at a byte of it or later, and before another byte.

    Without an `end` they are all further ones, also those that were written meanwhile.
    """

    file: LogFile
    start: int = 0
    end: int | None = None


class NoFolderError(SlipwayError):
    """The folder does not exist: nothing was logged yet, or the address is wrong."""


class LogFolder:
    """The folder of a log, local or remote.

    `files` are the files to read, sorted by name; `unread` has the names of the others, with the
    reason.

    Parameters
    ----------
    url
        A path, or any URL that fsspec reads.
    suffix, what
        The end of the names of its files, and its name in errors: labels have such a folder too.

    Raises
    ------
    SlipwayError
        The folder cannot be reached, or does not exist.
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
            listed = self._local_files() if self._local else self._remote_files()
            self.files = sorted(listed, key=lambda file: file.path)

    def open(self, file: LogFile) -> IO[bytes]:
        """Open a file; never waits for another process.

        Raises
        ------
        OSError
            The file cannot be read, or is no longer a regular file.
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

    def blocks(self, lines: Lines, skipped: Skipped) -> Iterator[tuple[int, bytes]]:
        """Yield lines in blocks of whole ones, each with the byte where it begins.

        A line longer than `MOST_RECORD` is counted and never held in memory. A file that cannot be
        read to its end is added to `skipped`.
        """
        file = lines.file
        try:
            with self.open(file) as source:
                for start, block in _blocks(source, lines.start, lines.end):
                    if block is None:
                        skipped.unreadable.add(1, partial(self._too_long, file, start))
                    else:
                        yield start, block
        except OSError as error:
            skipped.unread[file.shown] = _reason(error)

    def in_use(self, file: LogFile) -> bool:
        """Return whether a process of this machine still writes to a local file."""
        if not self._local:
            return False
        with self.open(file) as source:
            try:
                fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def replace(self, file: LogFile, lines: Iterable[bytes]) -> None:
        """Replace the content of a file: a reader, or a crash, finds the old one or the new one.

        Raises
        ------
        SlipwayError
            It cannot be written.
        """
        with reaching(file.path, self._what, "written"):
            if is_bucket(self.url):
                self._system.pipe_file(file.path, b"".join(lines))
                return
            folder, _, name = file.path.rpartition("/")
            partial = f"{folder}/.{name}.new"
            with self._system.open(partial, "wb") as target:
                target.writelines(lines)
                target.flush()
                if self._local:
                    os.fsync(target.fileno())
            if self._local:
                Path(partial).chmod(Path(file.path).stat().st_mode & 0o777)
                Path(partial).replace(file.path)
            else:
                self._system.mv(partial, file.path)

    def remove(self, file: LogFile) -> None:
        """Remove a file; raises SlipwayError."""
        with reaching(file.path, self._what, "removed"):
            self._system.rm_file(file.path)

    def where(self, file: LogFile, start: int) -> str:
        """Return the file and the line that begins at a byte of it, for a report."""
        line, at = 1, 0
        try:
            with self.open(file) as source:
                while at < start and (block := source.read(min(BLOCK, start - at))):
                    line, at = line + block.count(b"\n"), at + len(block)
        except OSError:  # it was removed meanwhile
            return f"{file.shown}: byte {start:,}"
        return f"{file.shown}: line {line}"

    def _too_long(self, file: LogFile, start: int) -> str:
        return f"{self.where(file, start)} (longer than {MOST_RECORD >> 20} MiB)"

    def _local_files(self) -> Iterator[LogFile]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    about = entry.stat()
                except OSError as error:  # a link to nothing, or to itself
                    self._leave_out(entry.path, _reason(error))
                    continue
                kind = "" if stat.S_ISREG(about.st_mode) else KINDS[stat.S_IFMT(about.st_mode)]
                if self._is_wanted(entry.path, kind):
                    yield LogFile(entry.path, about.st_size)

    def _remote_files(self) -> Iterator[LogFile]:
        self._system.invalidate_cache()
        for about in self._system.ls(self._folder, detail=True):
            path = str(about["name"])
            if path.rstrip("/") == str(self._folder).rstrip("/"):
                continue  # the placeholder that some stores keep for a folder
            kind = "a folder" if about["type"] == "directory" or path.endswith("/") else ""
            if self._is_wanted(path.rstrip("/"), kind):
                yield LogFile(path, int(about.get("size") or 0))

    def _is_wanted(self, path: str, kind: str) -> bool:
        name = path.rpartition("/")[2]
        if OURS.fullmatch(name):
            return False
        if kind:
            self._leave_out(path, kind)
        elif name.startswith("."):
            self._leave_out(path, "a hidden file")
        elif not name.endswith(self._suffix):
            self._leave_out(path, f"the name does not end in {self._suffix}")
        else:
            return True
        return False

    def _leave_out(self, path: str, why: str) -> None:
        self.unread[shown_name(path)] = why


def day_of(file: LogFile) -> str:
    """Return the day that a file is named after, or an empty text."""
    found = DATED.match(file.name)
    return found[0] if found else ""


def shown_name(path: str) -> str:
    """Return the end of a file's name without characters that do not print, for reports."""
    end = printable(path[-LETTERS * 2 :], "?", without="`")
    return end if len(path) <= LETTERS * 2 else f"…{end[1:]}"


def _blocks(source: IO[bytes], first: int, end: int | None) -> Iterator[tuple[int, bytes | None]]:
    """Yield whole lines, None for a line that is too long, and at last a line without an end."""
    start, rest, over = 0, b"", False
    if first:
        # The line that this byte is in, or ends, begins before `first`.
        start, over = source.seek(first - 1), True
    while (end is None or start < end) and (block := source.read(BLOCK)):
        if over:
            line_end = block.find(b"\n") + 1
            start += line_end or len(block)
            if not line_end:
                continue
            block, over = block[line_end:], False
        whole = rest + block
        cut = whole.rfind(b"\n") + 1
        if end is not None and start + cut > end:
            cut = whole.find(b"\n", max(end - 1 - start, 0)) + 1 if start < end else 0
            if cut:
                yield start, whole[:cut]
            return
        if cut:
            yield start, whole[:cut]
        start, rest = start + cut, whole[cut:]
        if len(rest) > MOST_RECORD:
            yield start, None
            start, rest, over = start + len(rest), b"", True
    if rest and (end is None or start < end):
        yield start, rest


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__)[:LETTERS].lower()
