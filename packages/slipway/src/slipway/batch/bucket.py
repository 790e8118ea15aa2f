"""The folder of a batch in a bucket or on an SSH server.

A bucket shows an object when all of it has arrived, so nothing is renamed there; on a server, files
are written under other names first. A lock would outlive a killed run, so there is none. Of two
runs that begin at once in a bucket, one creates ``batch.json`` and both continue that batch: what
they write depends only on it and on the rows. A server has no such request.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.batch.folder import (
    CONTINUE,
    LOG,
    MANIFEST,
    PARTIAL,
    REJECTED,
    SCORES,
    Batch,
    BatchFolder,
    Chunk,
    Counts,
    Place,
    contents_of,
    known_batch,
    name_of,
    require_empty,
)
from slipway.errors import SlipwayError
from slipway.storage import is_bucket, reaching

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

WHAT = "folder of the batch"

REQUESTS = 16  # at once, for the counts of complete chunks


def place_of(out: str | Path) -> Place:
    """Return the folder of a batch by its path or URL."""
    scheme, _, path = str(out).rpartition("://")
    if scheme in ("", "file", "local"):
        return BatchFolder(Path(path))
    return BatchBucket(str(out).rstrip("/"))


class BatchBucket:
    """A folder by its URL; see `Place`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._complete: dict[str, Counts] = {}

    @property
    def address(self) -> str:
        return self._url

    @contextmanager
    def locked(self) -> Iterator[None]:
        with reaching(self._url, WHAT, "written"):
            system, path = self._system()
            if not is_bucket(self._url):
                for name in (SCORES, REJECTED, LOG, PARTIAL):
                    system.makedirs(f"{path}/{name}", exist_ok=True)
        yield

    def begin(self, batch: Batch) -> Batch:
        with reaching(self._url, WHAT):
            known = self._read_manifest()
            if known is None and MANIFEST not in (others := self._others()):
                require_empty(self._url, others)
        if known is None:
            with reaching(self._url, WHAT, "written"):
                self._create_manifest(batch.content())
                known = self._read_manifest()
        batch = known_batch(self._url, known or b"", batch)
        self.refresh()
        return batch

    def finish(self, batch: Batch) -> None:
        with reaching(self._url, WHAT, "written"):
            self._put(MANIFEST, batch.content())

    def refresh(self) -> None:
        with reaching(self._url, WHAT):
            system, path = self._system()
            system.invalidate_cache()
            found = system.ls(f"{path}/{SCORES}", detail=False) if self._has(SCORES) else []
            names = {str(each).rpartition("/")[2] for each in found}
            new = sorted(name for name in names - {""} if name not in self._complete)
            with ThreadPoolExecutor(REQUESTS) as pool:
                self._complete |= dict(zip(new, pool.map(self._read_counts, new), strict=True))

    def counts(self, file: int, chunk: int) -> Counts | None:
        return self._complete.get(Path(name_of(SCORES, file, chunk)).name)

    def write(self, file: int, number: int, chunk: Chunk) -> None:
        with _continuing(), reaching(self._url, WHAT, "written"):
            for name, content in contents_of(file, number, chunk):
                self._put(name, b"".join(content))

    def _system(self) -> tuple[AbstractFileSystem, str]:
        import fsspec

        # Not kept: connections are not copied to other processes; fsspec keeps one for each.
        system, path = fsspec.core.url_to_fs(self._url)
        return system, str(path).rstrip("/")

    def _has(self, name: str) -> bool:
        system, path = self._system()
        return bool(system.isdir(f"{path}/{name}"))

    def _others(self) -> list[str]:
        system, path = self._system()
        if not system.isdir(path):
            return []
        names = {str(each).rstrip("/").rpartition("/")[2] for each in system.ls(path, detail=False)}
        own = () if is_bucket(self._url) else (SCORES, REJECTED, LOG, PARTIAL)
        return sorted(names - {"", Path(path).name, *own})

    def _read_manifest(self) -> bytes | None:
        system, path = self._system()
        try:
            content: bytes = system.cat_file(f"{path}/{MANIFEST}")
        except FileNotFoundError:
            return None
        return content

    def _create_manifest(self, content: bytes) -> None:
        if not is_bucket(self._url):
            self._put(MANIFEST, content)
            return
        system, path = self._system()
        with suppress(FileExistsError):  # another run was faster
            system.pipe_file(f"{path}/{MANIFEST}", content, mode="create")

    def _put(self, name: str, content: bytes) -> None:
        """Write a file that appears when it is complete."""
        system, path = self._system()
        target = f"{path}/{name}"
        if is_bucket(self._url):
            system.pipe_file(target, content)
            return
        partial = f"{path}/{PARTIAL}/{Path(name).name}"
        system.pipe_file(partial, content)
        system.mv(partial, target)

    def _read_counts(self, name: str) -> Counts:
        import pyarrow.parquet as pq

        system, path = self._system()
        with system.open(f"{path}/{SCORES}/{name}", "rb") as file:
            return Counts.of(pq.read_schema(file))


@contextmanager
def _continuing() -> Iterator[None]:
    try:
        yield
    except SlipwayError as error:
        raise SlipwayError(str(error), f"{error.do}; then {CONTINUE}") from error
