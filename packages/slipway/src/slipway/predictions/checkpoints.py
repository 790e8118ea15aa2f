"""Checkpoints of the log in a second place: how long each file is, and its last link.

A program that can change the log can also compute its chains again, or cut their ends. The second
place should be one where the service can write and no one can delete: a bucket with versions or
object lock, or a folder of another machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.errors import SlipwayError
from slipway.storage import reaching

CHECKPOINTS = "SLIPWAY_CHECKPOINTS"
"""Environment variable: the second place, a folder or any URL that fsspec reads."""

EVERY = 5.0  # seconds

_SUFFIX = ".checkpoint.json"
_WHAT = "folder of checkpoints"


class Checkpoint(BaseModel):
    """The state of a file of the log; `closed` if its writer does not continue it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(min_length=1, max_length=200)
    records: int = Field(ge=0)
    link: str = Field(pattern="^[0-9a-f]{64}$")
    time: datetime
    closed: bool = False


class Checkpoints:
    """The checkpoints in a folder or bucket, one for each file of the log.

    Raises
    ------
    SlipwayError
        It cannot be reached, or is the folder of the log.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        with reaching(url, _WHAT):
            self._system, self._folder = fsspec.core.url_to_fs(url)

    def prepare(self, log: Path) -> bool:
        """Make the folder; return whether that was possible.

        Raises
        ------
        SlipwayError
            It is that of the log.
        """
        if Path(self._folder).resolve() == log.resolve():
            raise SlipwayError(
                f"{CHECKPOINTS}={self.url} is the folder of the log",
                "name a second place, where a change of the log changes nothing",
            )
        try:
            with reaching(self.url, _WHAT, "written"):
                self._system.makedirs(self._folder, exist_ok=True)
        except SlipwayError:
            return False  # the service goes on, and each checkpoint tries again
        return True

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of a file.

        Raises
        ------
        SlipwayError
            It could not be written.
        """
        path = f"{self._folder}/{checkpoint.file}{_SUFFIX}"
        text = checkpoint.model_dump_json().encode()
        with reaching(self.url, _WHAT, "written"):
            if self._is_local():
                # A reader, or a crash, must not find half of one.
                written = Path(f"{path}.new")
                written.parent.mkdir(parents=True, exist_ok=True)
                written.write_bytes(text)
                written.replace(path)
            else:
                self._system.pipe_file(path, text)

    def read(self) -> Iterator[Checkpoint]:
        """Yield all checkpoints.

        Raises
        ------
        SlipwayError
            The folder does not exist; one cannot be read, or is not a checkpoint of its file.
        """
        with reaching(self.url, _WHAT):
            self._system.invalidate_cache()
            if not self._system.exists(self._folder):
                raise SlipwayError(
                    f"{self.url}: no such {_WHAT}", f"name the folder or URL of {CHECKPOINTS}"
                )
            paths = sorted(self._system.glob(f"{self._folder}/*{_SUFFIX}"))
            texts = [(str(path), self._system.cat_file(path)) for path in paths]
        for path, text in texts:
            try:
                found = Checkpoint.model_validate_json(text)
                reason = (
                    "" if path.endswith(f"/{found.file}{_SUFFIX}") else f"it is of {found.file}"
                )
            except ValidationError as error:
                reason = str(error.errors()[0]["msg"])
            if reason:
                raise SlipwayError(
                    f"{path}: not a checkpoint of this file ({reason})",
                    "restore it from the versions of its folder",
                )
            yield found

    def _is_local(self) -> bool:
        from fsspec.implementations.local import LocalFileSystem

        return isinstance(self._system, LocalFileSystem)
