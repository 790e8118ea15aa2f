"""The writer of the prediction log: a record is on disk before its prediction is returned.

Each writer process has a file of its own for each UTC day, so writers need no lock. A file grows
by whole records and is not written to after an error. So a crash can only leave one torn line
at the end of a file, of a prediction that was never returned. The records of a file are a chain of
hashes (`slipway.predictions.chain`), whose end goes to a second place every few seconds.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
from slipway.predictions.chain import Chain
from slipway.predictions.checkpoints import EVERY, Checkpoint, Checkpoints

PROBE_EVERY = 1.0  # seconds

logger = logging.getLogger("slipway.log")


class Ids:
    """Makes unique ids that sort by time: UUIDs of version 7 (RFC 9562, method 2).

    48 bits of milliseconds, then 74 random bits that count up within a millisecond: two
    workers collide only if they draw the same number in the same millisecond.
    """

    def __init__(self) -> None:
        self._millisecond = 0
        self._tail = 0

    def next(self, now: datetime) -> str:
        """Return an id greater than all before it, even if the clock was set back."""
        millisecond = int(now.timestamp() * 1000)
        if millisecond > self._millisecond:
            self._millisecond = millisecond
            # The top bit starts as 0, so that counting up never overflows.
            self._tail = int.from_bytes(os.urandom(10)) & ((1 << 73) - 1)
        else:
            self._tail += 1
        return uuid7(self._millisecond, self._tail)


@dataclass(frozen=True)
class Room:
    """Bytes of a disk: free for this process, and in all."""

    free: int
    size: int


class LogUnavailable(Exception):
    """The records are not on disk, so their predictions must not be returned."""


class PredictionLog:
    """Appends records; those that arrive together share a commit.

    Parameters
    ----------
    folder
        Made if missing, at the start only: a folder that is removed later, or is on another disk,
        is an error.
    sync
        Whether a commit waits for the disk (survives a power cut) or for the kernel only
        (survives `kill -9` of this process).
    waits_since
        Called with the time of the oldest record that is not on disk (Unix time), or None.
    checkpoints
        The second place; None if there is none. While it cannot be written, predictions go on.
    checkpoints_fail
        Called with whether the second place can no longer be written, when that changes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync: bool,
        waits_since: Callable[[float | None], None] = lambda _: None,
        checkpoints: Checkpoints | None = None,
        checkpoints_fail: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._keeper = None if checkpoints is None else _Keeper(checkpoints, checkpoints_fail)
        self._sync = sync
        self._waits_since = waits_since
        self._file: _File | None = None
        self._last: Path | None = None
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prediction-log")
        self._writable = True
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._disk = folder.stat().st_dev
            self._probe()
        except OSError as error:
            raise SlipwayError(
                f"{folder}: the prediction log cannot be written ({error.strerror})",
                "make the folder writable, or name another one in SLIPWAY_LOG",
            ) from None

    async def append(self, day: date, lines: bytes) -> None:
        """Write whole records to that day's file, together; return once they are on disk.

        Raises
        ------
        LogUnavailable
            They could not be written.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(day, lines, time.time(), loop.create_future())
        self._waiting.append(waiting)
        if self._committing is None:
            self._committing = loop.create_task(self._commit())
        if self._keeper is not None:
            self._keeper.start()
        await waiting.safe

    async def writable(self) -> bool:
        """Return whether a record can be written; checked once a second at most."""
        if self._probe_is_due():
            self._writable = await self._in_thread(_attempt, self._probe) is None
        return self._writable

    async def room(self) -> Room | None:
        """Return the free space of the log's disk; None if it is not known."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _room, self._folder)

    async def close(self) -> None:
        if self._committing is not None:
            await self._committing
        self._thread.shutdown()
        if self._file is not None:
            self._note(self._file, closed=True)
            self._file.close()
        if self._keeper is not None:
            await self._keeper.close()

    async def _commit(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            self._waits_since(group[0].since)
            fault = await self._in_thread(_attempt, self._write, group)
            self._writable = fault is None
            for waiting in group:
                waiting.settle(fault)
        self._committing = None
        self._waits_since(None)

    def _write(self, group: list[_Waiting]) -> None:
        if self._probe_is_due() or not self._sound:
            self._probe()  # An open file may grow where a new one would be refused.
        for day, part in groupby(group, key=lambda waiting: waiting.day):
            lines = b"".join(waiting.lines for waiting in part)
            file, self._file = self._file, None
            if file is None or file.day != day:
                if file is not None:
                    self._note(file, closed=True)
                    file.close()
                file = _File(self._folder, day, self._sync)
                self._last = file.path
            file.append(lines)
            self._note(file)
            self._file = file

    def _note(self, file: _File, *, closed: bool = False) -> None:
        if self._keeper is not None:
            self._keeper.note(file.checkpoint(closed=closed))

    def _probe_is_due(self) -> bool:
        return time.monotonic() - self._probed > PROBE_EVERY

    def _probe(self) -> None:
        """Write a file in the log's folder and remove it; raises OSError."""
        self._probed, self._sound = time.monotonic(), False
        if not self._is_on_its_disk():
            raise OSError(errno.ESTALE, "the log's folder is on another disk than at the start")
        path = self._folder / f".{os.getpid()}.probe"
        try:
            path.write_bytes(bytes(4096))
        finally:
            path.unlink(missing_ok=True)
        self._sound = True

    def _is_on_its_disk(self) -> bool:
        """Return whether the folder is on the disk of the start, which may have been unmounted.

        A disk that is mounted again may have another number; it has the file that was written last.
        """
        disk = self._folder.stat().st_dev
        if disk != self._disk and self._last is not None and self._last.exists():
            self._disk = disk
        return disk == self._disk

    async def _in_thread(self, function: Any, *arguments: Any) -> OSError | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)


class _Keeper:
    """Writes the newest checkpoint of each file to the second place, every few seconds."""

    def __init__(self, place: Checkpoints, fails: Callable[[bool], None]) -> None:
        self._place = place
        self._fails = fails
        self._newest: dict[str, Checkpoint] = {}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    def note(self, checkpoint: Checkpoint) -> None:
        with self._lock:
            self._newest[checkpoint.file] = checkpoint

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Write what is left."""
        if self._task is not None:
            self._task.cancel()
        await self._write_once()
        self._thread.shutdown()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._write_once()

    async def _write_once(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write)

    def _write(self) -> None:
        with self._lock:
            due, self._newest = self._newest, {}
        for name, checkpoint in due.items():
            try:
                self._place.write(checkpoint)
            except SlipwayError as error:
                if not self._failed:
                    logger.error("%s; %s", error, error.do)
                self._note_failed(True)
                with self._lock:
                    self._newest.setdefault(name, checkpoint)
            else:
                self._note_failed(False)

    def _note_failed(self, failed: bool) -> None:
        if failed is not self._failed:
            self._failed = failed
            self._fails(failed)


@dataclass(slots=True)
class _Waiting:
    day: date
    lines: bytes
    since: float
    safe: asyncio.Future[None]

    def settle(self, fault: OSError | None) -> None:
        if self.safe.done():  # the request was cancelled
            return
        if fault is None:
            self.safe.set_result(None)
        else:
            self.safe.set_exception(LogUnavailable(fault.strerror))


class _File:
    """One day's file of this process."""

    def __init__(self, folder: Path, day: date, sync: bool) -> None:
        self.day = day
        self._sync = sync
        self.path = folder / f"{day}_{Ids().next(datetime.now(UTC))}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._handle = os.open(self.path, flags, 0o640)
        # `LogFolder.in_use` sees it; the system takes it away if this process is killed.
        with suppress(OSError):  # not every network file system has locks
            fcntl.flock(self._handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        self._chain = Chain(self.path.name)
        self._size = 0
        if sync:
            _sync_folder(folder)

    def append(self, lines: bytes) -> None:
        """Write whole records; after an OSError the file is not used again.

        After a failed write or sync the content of the disk is not known, so the file is cut back
        to its last good record and closed; the next commit starts another file.
        """
        lines = self._chain.extend(lines)
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            if self._sync:
                os.fdatasync(self._handle)
            self._check_place()
        except OSError:
            self._give_up()
            raise
        self._size += len(lines)

    def checkpoint(self, *, closed: bool) -> Checkpoint:
        """Return how the file ends now."""
        chain, now = self._chain, datetime.now(UTC)
        return Checkpoint(
            file=self.path.name, records=chain.records, link=chain.link, time=now, closed=closed
        )

    def close(self) -> None:
        os.close(self._handle)

    def _check_place(self) -> None:
        """Raise OSError if the path no longer leads to this file: its folder was moved."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise OSError(errno.ENOENT, "the log's file or its folder is not there") from None
        if not os.path.samestat(found, os.fstat(self._handle)):
            raise OSError(errno.ESTALE, "the log's folder was replaced")

    def _give_up(self) -> None:
        with suppress(OSError):
            os.ftruncate(self._handle, self._size)
            if self._size == 0:
                self.path.unlink(missing_ok=True)
        with suppress(OSError):
            self.close()


def uuid7(millisecond: int, tail: int) -> str:
    """Return a UUID of version 7: 48 bits of milliseconds since 1970, then 74 other bits."""
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    text = f"{(millisecond << 80) | (7 << 76) | (high << 64) | (0b10 << 62) | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _attempt(function: Any, *arguments: Any) -> OSError | None:
    try:
        function(*arguments)
    except OSError as fault:
        return fault
    return None


def _room(folder: Path) -> Room | None:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return Room(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
