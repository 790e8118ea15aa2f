"""Answer a prediction log as it grows, beside the service and out of its way.

The log is only ever read. What this writes goes to a folder of its own, one file for each file
of the log, and each line says up to where that file has been read (`end`). So the answers
themselves are the memory: after a crash the next start goes on behind the last whole line, and no
record is left out or answered twice.

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
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NoReturn

import orjson

from slipway.errors import SlipwayError
from slipway.exits import run_command
from slipway.log_files import MOST_RECORD, LogFolder
from slipway.records import parse_record
from slipway.serve.log import stamp
from slipway.shadow.answer import VERSION, Shadow

EVERY = 1.0  # seconds between two looks at the log
TOGETHER = 200  # records whose answers share a write to the disk
BLOCK = 1 << 16  # bytes

ROOM = 1 << 30
"""Bytes of the disk that are left to the service, whose log may stand on the same one."""

STATE = "state.json"


class Follower:
    """Follows one log with one model.

    Parameters
    ----------
    log
        Folder of the prediction log.
    out
        Folder of the answers; each model has a folder of its own in there.
    since
        First day to answer, as ``YYYY-MM-DD``; all that is there if empty.

    Raises
    ------
    SlipwayError
        Another one writes there already, or nobody can.
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
                f"{self._folder}: another challenger writes there", "stop it first"
            ) from None
        except OSError as error:
            raise SlipwayError(
                f"{self._folder}: cannot be written ({error.strerror})", "make it writable"
            ) from None

    def step(self) -> int:
        """Answer what has come since the last step, a part of it at least.

        Returns
        -------
        How many bytes of the log that were.

        Raises
        ------
        OSError
            The disk does not take the answers; what was not taken is answered another time.
        """
        return sum(self._answer(path) for path in self._logged())

    def behind(self) -> int:
        """Return how many bytes of the log wait to be answered."""
        return sum(max(0, path.stat().st_size - self._answers(path).end) for path in self._logged())

    def keep_state(self, fault: str = "") -> None:
        """Write down how far this has come, for `slipway challenger report`."""
        state = {
            "at": stamp(datetime.now(UTC)),
            "model": self._shadow.sha256,
            "answered": self._answered,
            "behind": self.behind(),
            "fault": fault,
        }
        new = self._folder / f"{STATE}.new"
        new.write_bytes(orjson.dumps(state))
        new.replace(self._folder / STATE)

    def room(self) -> bool:
        return shutil.disk_usage(self._folder).free > ROOM

    def _logged(self) -> list[Path]:
        """Return the files to answer: regular ones only, so that nothing here ever waits."""
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
            said = self._say(line)
            if said is not None:
                said["end"] = end
                written.append(orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE))
            if time.monotonic() - started > EVERY:
                break
        answers.append(b"".join(written), end)
        self._answered += len(written)
        return end - begin

    def _say(self, line: bytes) -> dict[str, Any] | None:
        """Return the answer to a line, why there is none, or nothing for a proof."""
        record = parse_record(line)
        if record is None:
            return {"version": VERSION, "fault": "not a record"}
        return None if record.get("proof") is True else self._shadow.answer(record)


class _Answers:
    """The answers to one file of the log, and how much of that file they answer (`end`, bytes)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.end = 0
        self._size = 0
        if path.exists():
            with path.open("r+b") as file:
                self._size = _whole_lines(file)
                file.truncate(self._size)  # a torn last line: its record is answered again
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
    """Yield some whole lines of a file from a place on, with their size.

    A line that is too long for a record is empty here; one without an end is still being written.
    """
    with path.open("rb") as file:
        file.seek(start)
        for _ in range(TOGETHER):
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
    """Return how many bytes of a file are whole lines."""
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
    """Return what the last of the whole lines says."""
    if not size:
        return 0
    start, tail = size, b""
    while start and b"\n" not in tail[:-1]:
        start = max(0, start - BLOCK)
        file.seek(start)
        tail = file.read(size - start)
    return int(orjson.loads(tail[:-1].rpartition(b"\n")[2])["end"])


def follow(follower: Follower) -> NoReturn:
    """Go on until the process is told to stop."""
    told = 0.0
    while True:
        fault, busy = "", False
        try:
            if follower.room():
                busy = follower.step() > 0
            else:
                fault = f"waits: less than {ROOM >> 30} GiB free on the disk"
        except OSError as error:
            fault = str(error)
        if not busy or time.monotonic() - told > EVERY:
            _try_to_keep(follower, fault)
            told = time.monotonic()
        if not busy:
            time.sleep(EVERY)


def _try_to_keep(follower: Follower, fault: str) -> None:
    try:
        follower.keep_state(fault)
    except OSError as error:
        fault = str(error)
    if fault:
        sys.stderr.write(f"slipway challenger: {fault}\n")


def main(arguments: list[str] | None = None) -> None:
    """Follow a log with the model of the current folder."""
    parser = argparse.ArgumentParser(prog="slipway.shadow.follow")
    parser.add_argument("log", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--since", default="")
    asked = parser.parse_args(arguments)
    # The first process of a container is not stopped by a signal that nobody handles.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    follow(Follower(asked.log, asked.out, Shadow(), asked.since))


if __name__ == "__main__":
    run_command("slipway.shadow.follow", main)
