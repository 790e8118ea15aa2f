"""Score a prediction log as it grows, without slowing the service down.

The log is only read. The answers go to a folder of their own, one file for each file of the log,
and each line has the position up to which that file has been read (`end`). After a crash the next
start continues after the last whole line, so no record is left out or scored twice.

``python3 -m slipway.shadow.follow LOG OUT [--since YYYY-MM-DD]``
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NoReturn

import orjson

from slipway.errors import SlipwayError
from slipway.exits import run_command
from slipway.predictions.files import MOST_RECORD, LogFolder
from slipway.predictions.record import is_smoke_test, parse_record, stamp
from slipway.shadow.answer import VERSION, Shadow

POLL_SECONDS = 1.0
BATCH = 200  # records whose answers share a write to the disk
BLOCK = 1 << 16  # bytes

ROOM = 1 << 30
"""Bytes of the disk that are left to the service, whose log may be on the same disk."""

STATE = "state.json"


@dataclass(frozen=True)
class Progress:
    """The content of `STATE`.

    Attributes
    ----------
    at
        Time of the last update.
    answered
        Records since the start of the process.
    behind
        Bytes of the log that are not scored yet.
    fault
        Why it makes no progress; else empty.
    """

    at: str
    model: str
    answered: int
    behind: int
    fault: str = ""


class Follower:
    """Follows one log with one model.

    Parameters
    ----------
    log
        Folder of the prediction log.
    out
        Folder of the answers; each model has a folder of its own in there.
    since
        First day to score, as ``YYYY-MM-DD``; the whole log if empty.
    """

    def __init__(self, log: Path, out: Path, shadow: Shadow, since: str = "") -> None:
        self._log = log
        self._shadow = shadow
        self._since = since
        self._folder = out / shadow.sha256
        self._files: dict[str, _Answers] = {}
        self._answered = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SlipwayError(
                f"{self._folder}: another process writes to it", "stop that first"
            ) from None
        except OSError as error:
            raise SlipwayError(
                f"{self._folder}: cannot be written ({error.strerror})", "make it writable"
            ) from None

    def step(self) -> int:
        """Score records that are new since the last step, at least some of them.

        Returns
        -------
        Their size in bytes.

        Raises
        ------
        OSError
            The answers cannot be written; those records are scored again later.
        """
        return sum(self._answer(path) for path in self._logged())

    def behind(self) -> int:
        """Return the bytes of the log that are not scored yet."""
        return sum(max(0, path.stat().st_size - self._answers(path).end) for path in self._logged())

    def write_progress(self, fault: str = "") -> None:
        """Write the progress, for `slipway shadow report`."""
        at = stamp(datetime.now(UTC))
        progress = Progress(at, self._shadow.sha256, self._answered, self.behind(), fault)
        new = self._folder / f"{STATE}.new"
        new.write_bytes(orjson.dumps(asdict(progress)))
        new.replace(self._folder / STATE)

    def room(self) -> bool:
        return shutil.disk_usage(self._folder).free > ROOM

    def _logged(self) -> list[Path]:
        """Return the files to score: regular ones only, so that no read blocks."""
        paths = [Path(file.path) for file in LogFolder(self._log).files]
        return [path for path in paths if path.name[:10] >= self._since]

    def _answers(self, path: Path) -> _Answers:
        if path.name not in self._files:
            self._files[path.name] = _Answers(self._folder / path.name)
        return self._files[path.name]

    def _answer(self, path: Path) -> int:
        answers = self._answers(path)
        if path.stat().st_size <= answers.end:
            return 0
        written, begin, end = [], answers.end, answers.end
        started = time.monotonic()
        for line, size in _lines(path, begin):
            end += size
            answer = self._score(line)
            if answer is not None:
                placed = {**answer, "end": end}
                written.append(orjson.dumps(placed, option=orjson.OPT_APPEND_NEWLINE))
            if time.monotonic() - started > POLL_SECONDS:
                break
        answers.append(b"".join(written), end)
        self._answered += len(written)
        return end - begin

    def _score(self, line: bytes) -> Mapping[str, object] | None:
        """Return the answer to a line, or why there is none; None for a smoke test."""
        record = parse_record(line)
        if record is None:
            return {"version": VERSION, "fault": "not a record"}
        return None if is_smoke_test(record) else self._shadow.answer(record)


class _Answers:
    """The answers to one file of the log, and the position in that file (`end`, bytes)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.end = 0
        self._size = 0
        if path.exists():
            with path.open("r+b") as file:
                self._size = _whole_lines(file)
                file.truncate(self._size)  # of a torn last line: its record is scored again
                self.end = _end_of(file, self._size)

    def append(self, lines: bytes, end: int) -> None:
        if lines:
            with self._path.open("ab", buffering=0) as file:
                try:
                    rest = memoryview(lines)
                    while rest:
                        rest = rest[file.write(rest) :]
                    os.fdatasync(file.fileno())
                except OSError:
                    file.truncate(self._size)
                    raise
            self._size += len(lines)
        self.end = end


def _lines(path: Path, start: int) -> Iterator[tuple[bytes, int]]:
    """Yield some whole lines of a file from a position on, with their size.

    A line that is too long for a record is yielded empty; one without an end is not complete.
    """
    with path.open("rb") as file:
        file.seek(start)
        for _ in range(BATCH):
            line = file.readline(MOST_RECORD)
            size = len(line)
            while line and not line.endswith(b"\n") and size >= MOST_RECORD:
                more = file.readline(BLOCK)
                if not more:
                    return
                line, size = more[-1:], size + len(more)
            if not line.endswith(b"\n"):
                return
            yield line if size <= MOST_RECORD else b"", size


def _whole_lines(file: IO[bytes]) -> int:
    """Return the size of the whole lines of a file."""
    at = file.seek(0, os.SEEK_END)
    while at:
        start = max(0, at - BLOCK)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def _end_of(file: IO[bytes], size: int) -> int:
    """Return `end` of the last whole line."""
    if not size:
        return 0
    start, tail = size, b""
    while start and b"\n" not in tail[:-1]:
        start = max(0, start - BLOCK)
        file.seek(start)
        tail = file.read(size - start)
    return int(orjson.loads(tail[:-1].rpartition(b"\n")[2])["end"])


def follow(follower: Follower) -> NoReturn:
    """Score the log until the process is stopped."""
    written = 0.0
    while True:
        fault, busy = "", False
        try:
            if follower.room():
                busy = follower.step() > 0
            else:
                fault = f"waiting: less than {ROOM >> 30} GiB free on the disk"
        except OSError as error:
            fault = str(error)
        if not busy or time.monotonic() - written > POLL_SECONDS:
            _try_to_write(follower, fault)
            written = time.monotonic()
        if not busy:
            time.sleep(POLL_SECONDS)


def _try_to_write(follower: Follower, fault: str) -> None:
    try:
        follower.write_progress(fault)
    except OSError as error:
        fault = str(error)
    if fault:
        sys.stderr.write(f"slipway shadow: {fault}\n")


def main(arguments: list[str] | None = None) -> None:
    """Score a log with the model of the current folder."""
    parser = argparse.ArgumentParser(prog="slipway.shadow.follow")
    parser.add_argument("log", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--since", default="")
    asked = parser.parse_args(arguments)
    # The first process of a container ignores a signal without a handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    follow(Follower(asked.log, asked.out, Shadow(), asked.since))


if __name__ == "__main__":
    run_command("slipway.shadow.follow", main)
