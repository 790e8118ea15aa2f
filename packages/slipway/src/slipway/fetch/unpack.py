"""Receive the files that a container sends: regular files of the log and the model only."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.predictions.files import Skipped, shown_name

NAME = re.compile(r"(log|model)/[A-Za-z0-9][A-Za-z0-9._-]{0,200}")

MOST_FILES = 100_000

MOST_BYTES = 100 * 2**30

# Bytes that are left free on the disk.
SPARED = 2**30

# Bytes of a header entry, which tarfile holds in memory.
MOST_HEADER = 2**16

PADDING = 2**20

# The entry that names the files that were not sent.
LEFT = "left"

CONTENT = (tarfile.REGTYPE, tarfile.AREGTYPE)

LINES_SHOWN = 5


@dataclass(frozen=True)
class Fetched:
    """The files of the log that were fetched, and sentences about those that were not."""

    files: int = 0
    size: int = 0
    left: Sequence[str] = ()

    def __add__(self, other: Fetched) -> Fetched:
        return Fetched(self.files + other.files, self.size + other.size)

    def text(self) -> str:
        left = "".join(f"{sentence} " for sentence in self.left)
        return f"{left}{counted(self.files, 'file')} of the log, {self.size / 1e6:,.1f} MB"


class Limits:
    """The number of files, and the bytes, that may still be fetched."""

    def __init__(self, out: Path) -> None:
        self._files = MOST_FILES
        self._bytes = min(MOST_BYTES, max(0, shutil.disk_usage(out).free - SPARED))

    def take(self, size: int) -> None:
        """Count a file before it is written.

        Raises
        ------
        SlipwayError
            There are too many files, or too many bytes.
        """
        self._files, self._bytes = self._files - 1, self._bytes - size
        if self._files < 0:
            raise SlipwayError(
                f"the log has more than {MOST_FILES:,} files", "move old ones out of its folder"
            )
        if self._bytes < 0:
            raise SlipwayError(
                f"the log does not fit: more than {MOST_BYTES >> 30} GiB, or less than "
                f"{SPARED >> 30} GiB would be left on the disk",
                "move old files out of its folder, or fetch it to a larger disk with --out",
            )


class _Entry(tarfile.TarInfo):
    """A header of the stream; refuses large headers before they are held in memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Entry:
        entry = super().frombuf(buf, encoding, errors)
        if entry.type not in CONTENT and entry.size > MOST_HEADER:
            raise tarfile.ReadError(f"a header of {entry.size:,} bytes")
        return entry


def unpack(command: Sequence[str], out: Path) -> Fetched:
    """Run a command that sends files, and write them below a folder.

    Raises
    ------
    SlipwayError
        The command fails, or sends something else.
    """
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process:
            stream = cast("IO[bytes]", process.stdout)
            fetched, fault = Fetched(), ""
            try:
                fetched = _take(stream, out)
            except (tarfile.TarError, EOFError) as error:
                fault = f"not a stream of log files ({error})"
            finally:
                stream.close()  # ends a sender that has not finished
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - MOST_HEADER))
        lines = errors.read().decode("utf-8", "replace").strip().splitlines()[-LINES_SHOWN:]
    if fault or process.returncode:
        # A sender that is cut off reports an error too.
        reasons = "; ".join(filter(None, [fault, " ".join(lines)]))
        raise SlipwayError(
            f"`{command[0]}` did not send the log: {reasons}",
            "check that the service is running: `slipway status`",
        )
    return fetched


def _take(stream: IO[bytes], out: Path) -> Fetched:
    out.mkdir(parents=True, exist_ok=True)
    fetched, limits, left = Fetched(), Limits(out), Skipped()
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Entry) as entries:
        for entry in entries:
            if entry.name == LEFT and entry.type in CONTENT and entry.size <= MOST_HEADER:
                left = _parse_left(cast("IO[bytes]", entries.extractfile(entry)).read())
                continue
            if entry.type not in CONTENT or not NAME.fullmatch(entry.name):
                raise SlipwayError(
                    f"the service sent a file called {entry.name[:80]!r}",
                    "only files of its log and its model were expected: inspect that container",
                )
            limits.take(entry.size)
            path = out / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(cast("IO[bytes]", entries.extractfile(entry)), file)
            if entry.name.startswith("log/"):
                fetched += Fetched(1, entry.size)
    if len(stream.read(PADDING)) == PADDING:  # the padding must be read, or the sender fails
        raise tarfile.ReadError("it continues after its end")
    return replace(fetched, left=left.sentences())


def _parse_left(note: bytes) -> Skipped:
    """Return the files that `pack` did not send."""
    try:
        content = json.loads(note)
        files = {shown_name(str(name)): shown_name(str(why)) for name, why in content["files"]}
        more = len(content["files"]) - len(files) + int(content["more"])
        return Skipped(unread=files, unnamed=max(0, more))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise tarfile.ReadError("its list of other files cannot be read") from None
