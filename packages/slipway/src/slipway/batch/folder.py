"""The folder of a batch: its manifest, and the files of each chunk.

``batch.json`` names the model and the inputs, ``scores/`` has a parquet file for each chunk,
``rejected/`` the rows that were not scored, ``log/`` the same predictions as a prediction log. A
chunk is written under other names first; then its files are renamed, that of its scores last. So a
chunk is complete if its scores are there, and whatever an interrupted run has left otherwise is
replaced by the same content. A folder in a bucket is in `slipway.batch.bucket`.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway.batch.inputs import InputFile, may_match
from slipway.batch.records import BATCH_BITS
from slipway.dataset.csv_format import Stated
from slipway.errors import SlipwayError
from slipway.predictions.record import stamp
from slipway.serving.release import Release

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "batch.json"
SCORES, REJECTED, LOG, PARTIAL = "scores", "rejected", "log", "partial"
COUNTS = b"slipway"

BUFFER = 2**20

# What a run that is interrupted at its start leaves.
STARTED = (".lock", f"{MANIFEST}.part")

CONTINUE = "run the same command again: it continues where it stopped"

START_AGAIN = "name another folder in --out, or remove this one to score all rows again"


class Batch(BaseModel):
    """What all files of a folder have in common.

    Attributes
    ----------
    model
        Its sha256.
    number
        Distinguishes batches that start in the same millisecond.
    secret
        What the salts of the log are made of, so that a chunk that is scored again has the same
        bytes. It is removed at the end: with it, an erased record could be found out by trying.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    version: int = 1
    model: str
    commit: str
    data: str
    started: str
    number: int
    secret: str = ""
    chunk_rows: int
    uncertainty_band: float
    csv: dict[str, str]
    inputs: list[InputFile]

    @classmethod
    def new(
        cls,
        model: str,
        release: Release,
        inputs: list[InputFile],
        chunk_rows: int,
        band: float,
        stated: Stated,
    ) -> Batch:
        return cls(
            model=model,
            commit=release.commit,
            data=release.data,
            started=stamp(datetime.now(UTC)),
            number=secrets.randbits(BATCH_BITS),
            secret=secrets.token_hex(16),
            chunk_rows=chunk_rows,
            uncertainty_band=band,
            csv={name: str(getattr(stated, name)) for name in ("delimiter", "encoding", "decimal")},
            inputs=inputs,
        )

    def content(self) -> bytes:
        """Return the manifest."""
        left_out = None if self.secret else {"secret"}
        return self.model_dump_json(indent=2, exclude=left_out).encode() + b"\n"


class Counts(BaseModel):
    """The counts of a chunk, of a file or of all.

    Attributes
    ----------
    reasons
        Rows by column and check, such as ``age: in_range``.
    watched
        Sum of the numbers that are monitored.
    is_last
        No row of the file follows.
    """

    scored: int = 0
    rejected: int = 0
    review: int = 0
    reasons: dict[str, int] = {}
    decided: dict[str, int] = {}
    watched: float = 0.0
    is_last: bool = False

    @classmethod
    def of(cls, scores: pa.Schema) -> Counts:
        """Return those in the metadata of a file of scores."""
        return cls.model_validate_json(scores.metadata[COUNTS])

    def plus(self, other: Counts) -> Counts:
        return Counts(
            scored=self.scored + other.scored,
            rejected=self.rejected + other.rejected,
            review=self.review + other.review,
            reasons=dict(Counter(self.reasons) + Counter(other.reasons)),
            decided=dict(Counter(self.decided) + Counter(other.decided)),
            watched=self.watched + other.watched,
        )


@dataclass(frozen=True)
class Chunk:
    """What is written for a chunk; `log` is named after its first id."""

    scores: pa.Table
    rejected: pa.Table
    log_name: str
    log: list[bytes]
    counts: Counts


class Place(Protocol):
    """Where a batch is written: a local folder, or one in a bucket. Processes get copies of it."""

    @property
    def address(self) -> str:
        """The path or URL, as a person writes it."""

    def locked(self) -> AbstractContextManager[None]:
        """Make the folder; keep other runs out of it until the block ends, where that is possible.

        Raises
        ------
        SlipwayError
            It cannot be written, has other files, or another run writes to it.
        """

    def begin(self, batch: Batch) -> Batch:
        """Return the batch that this folder has: a new one, or the one that is continued.

        Raises
        ------
        SlipwayError
            The folder is of another model, other inputs or other settings.
        """

    def finish(self, batch: Batch) -> None:
        """Replace the manifest, when all chunks are complete."""

    def refresh(self) -> None:
        """Find the chunks that other processes have written since the run began."""

    def counts(self, file: int, chunk: int) -> Counts | None:
        """Return the counts of a chunk; None if it is not complete."""

    def write(self, file: int, number: int, chunk: Chunk) -> None:
        """Write a chunk: all of it, or nothing that counts.

        Raises
        ------
        SlipwayError
            It cannot be written.
        """


class BatchFolder:
    """A local folder of a batch; see `Place`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def address(self) -> str:
        return str(self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            others = [each.name for each in self.path.iterdir() if each.name not in STARTED]
            if not (self.path / MANIFEST).is_file():
                require_empty(self.address, others)
            lock = (self.path / ".lock").open("a")
        except OSError as error:
            raise SlipwayError(
                f"{self.path}: cannot be written ({error.strerror})", "name another folder in --out"
            ) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SlipwayError(
                    f"{self.path}: another run writes to it", "wait for its end, or stop it"
                ) from None
            yield

    def begin(self, batch: Batch) -> Batch:
        path = self.path / MANIFEST
        if path.exists():
            batch = known_batch(self.address, path.read_bytes(), batch)
        else:
            _replace(_written(self.path / f"{MANIFEST}.part", [batch.content()]), path)
        shutil.rmtree(self.path / PARTIAL, ignore_errors=True)
        for name in (SCORES, REJECTED, LOG, PARTIAL):
            (self.path / name).mkdir(exist_ok=True)
        return batch

    def finish(self, batch: Batch) -> None:
        path = self.path / MANIFEST
        _replace(_written(self.path / f"{MANIFEST}.part", [batch.content()]), path)

    def refresh(self) -> None:
        pass

    def counts(self, file: int, chunk: int) -> Counts | None:
        import pyarrow.parquet as pq

        path = self.path / name_of(SCORES, file, chunk)
        return Counts.of(pq.read_schema(path)) if path.exists() else None

    def write(self, file: int, number: int, chunk: Chunk) -> None:
        try:
            ready = [
                (_written(self._partial(Path(name).name), content), self.path / name)
                for name, content in contents_of(file, number, chunk)
            ]
            for partial, path in ready:
                _replace(partial, path)
        except OSError as error:
            raise SlipwayError(
                f"{self.path}: cannot be written ({error.strerror})",
                f"free space on its disk, then {CONTINUE}",
            ) from None

    def _partial(self, name: str) -> Path:
        # Of its own process: another worker may take the job of one that is only slow.
        return self.path / PARTIAL / f"{name}.{gethostname()}.{os.getpid()}"


def name_of(kind: str, file: int, number: int) -> str:
    """Return the name of a chunk's file, relative to the folder."""
    return f"{kind}/{kind}-{file:05}-{number:05}.parquet"


def contents_of(file: int, number: int, chunk: Chunk) -> Iterator[tuple[str, list[bytes]]]:
    """Yield name and content of the files of a chunk, in the order in which they must appear."""
    if chunk.log:
        yield f"{LOG}/{chunk.log_name}", chunk.log
    if chunk.rejected.num_rows:
        yield name_of(REJECTED, file, number), [_parquet(chunk.rejected)]
    about = {COUNTS: chunk.counts.model_dump_json().encode()}
    yield name_of(SCORES, file, number), [_parquet(chunk.scores.replace_schema_metadata(about))]


def require_outside(rows: str, out: str | Path) -> None:
    """Refuse a folder whose files would be rows of the next run, or make it refuse the rows.

    Parameters
    ----------
    rows
        As in `slipway.batch.inputs.find_inputs`.
    """
    written = [name_of(SCORES, 0, 0), name_of(REJECTED, 0, 0), f"{LOG}/0.jsonl", MANIFEST]
    if may_match(rows, out, written):
        raise SlipwayError(
            f"{out}: --out is inside of --rows ({rows}), so its files would be taken for rows",
            "name a folder outside of it in --out",
        )


def require_empty(address: str, names: list[str]) -> None:
    """Refuse a folder without a manifest that has files."""
    if names:
        raise SlipwayError(
            f"{address}: has other files ({', '.join(sorted(names)[:3])}) and no {MANIFEST}",
            "name a new or empty folder in --out",
        )


def known_batch(address: str, content: bytes, batch: Batch) -> Batch:
    """Return the batch of a manifest, which must be that of this run."""
    try:
        known = Batch.model_validate_json(content)
    except ValidationError:
        raise SlipwayError(
            f"{address}/{MANIFEST}: not the manifest of a batch", START_AGAIN
        ) from None
    _require_same(address, known, batch)
    # Without one it was complete; chunks that were removed since are scored again with another.
    return known if known.secret else known.model_copy(update={"secret": batch.secret})


def _require_same(address: str, known: Batch, batch: Batch) -> None:
    names = {
        "model": "the model",
        "commit": "the commit of the release",
        "data": "the data of the release",
        "chunk_rows": "--chunk-rows",
        "uncertainty_band": "serve.uncertainty_band of params.yaml",
        "csv": "the section data of params.yaml",
    }
    for name, what in names.items():
        before, now = getattr(known, name), getattr(batch, name)
        if before != now:
            raise SlipwayError(
                f"{address}: has scores of another batch: {what} was {before}, and is {now}",
                START_AGAIN,
            )
    before_by_path = {file.path: file for file in known.inputs}
    for file in batch.inputs:
        if file != before_by_path.pop(file.path, None):
            raise SlipwayError(
                f"{address}: {file.path} is new or has changed since this batch started",
                START_AGAIN,
            )
    if before_by_path:
        raise SlipwayError(
            f"{address}: {min(before_by_path)} belongs to this batch, and no longer matches",
            START_AGAIN,
        )


def _parquet(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _written(path: Path, lines: Iterable[bytes]) -> Path:
    with path.open("wb", BUFFER) as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    return path


def _replace(partial: Path, path: Path) -> None:
    """Rename a file and wait until the disk has the new name, so that the last one is the last."""
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
