"""Take the files that a container sends: a known few kinds of them, under plain names."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from slipway.errors import SlipwayError

NAME = re.compile(r"(log|model)/[A-Za-z0-9][A-Za-z0-9._-]{0,200}")

LINES_SHOWN = 5


@dataclass(frozen=True)
class Fetched:
    """What came of the log."""

    files: int = 0
    size: int = 0

    def __add__(self, other: Fetched) -> Fetched:
        return Fetched(self.files + other.files, self.size + other.size)

    def text(self) -> str:
        return f"{self.files:,} files of the log, {self.size / 1e6:,.1f} MB"


def unpack(command: Sequence[str], out: Path) -> Fetched:
    """Run a command that sends files, and write them below a folder.

    Raises
    ------
    SlipwayError
        It fails, or sends something else.
    """
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as process:
            stream = cast("IO[bytes]", process.stdout)
            fetched, fault = Fetched(), ""
            try:
                fetched = _take(stream, out)
            except (tarfile.TarError, EOFError) as error:
                fault = f"what came is no log ({error})"
            finally:
                stream.close()  # ends a sender that has more to say
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()[-LINES_SHOWN:]
    if fault or process.returncode:
        raise SlipwayError(
            f"`{command[0]}` did not send the log: {' '.join(lines) or fault}",
            "see whether the service runs: `slipway status`",
        )
    return fetched


def _take(stream: IO[bytes], out: Path) -> Fetched:
    fetched = Fetched()
    with tarfile.open(fileobj=stream, mode="r|") as entries:
        for entry in entries:
            if not entry.isfile() or not NAME.fullmatch(entry.name):
                raise SlipwayError(
                    f"the service sent a file called {entry.name[:80]!r}",
                    "only files of its log and its model were asked for: look at that container",
                )
            path = out / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(cast("IO[bytes]", entries.extractfile(entry)), file)
            if entry.name.startswith("log/"):
                fetched += Fetched(1, entry.size)
    while stream.read(1 << 16):  # what pads the stream: unread, it would end the sender
        pass
    return fetched
