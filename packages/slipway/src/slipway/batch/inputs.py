"""The files of a batch: which ones a pattern names, and their rows in chunks of a fixed size."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypedDict

from slipway.dataset.chunks import Malformed, Source
from slipway.dataset.csv_format import Stated
from slipway.dataset.files import (
    READ,
    list_folder,
    may_hold_rows,
    require_columns,
    require_file,
)
from slipway.dataset.reader import open_table
from slipway.errors import SlipwayError
from slipway.schema.checks import RowSchema
from slipway.storage import reaching
from slipway.untrusted import shown_name

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem

# Fields of fsspec's description of a remote file that change with its content.
VERSIONS = ("ETag", "etag", "LastModified", "last_modified", "updated", "mtime")

# Arrow's types of a parquet file, by the type of the column.
ACCEPTED = {
    "string": "text",
    "integer": "a type of integers",
    "number": "a type of numbers",
    "timestamp": "timestamps with a time zone",
}

# Instead of an advice that names one of these commands.
ADVICE = {
    "slipway validate": "write all columns that `slipway schema` lists, then run the same command "
    "again",
    "slipway restore": "write the file again, then run the same command again",
}


@dataclass(frozen=True)
class InputFile:
    """A file of rows; `version` is the ETag or the time of the last change."""

    path: str
    size: int
    version: str


class _RemoteFile(TypedDict):
    """The description of a remote file by fsspec; may have some of `VERSIONS` too."""

    name: str
    size: int
    type: str


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a file; `is_last` if no further rows follow.

    `malformed` are lines of a CSV file that could not be read: their rows have no values.
    """

    number: int
    first_row: int
    rows: pa.Table
    is_last: bool
    malformed: tuple[Malformed, ...] = ()


def find_inputs(pattern: str) -> list[InputFile]:
    """Return the files that a path, a folder or a pattern names, sorted by path.

    Parameters
    ----------
    pattern
        Local, or a URL that fsspec reads, such as ``s3://bucket/rows/*.parquet``.

    Raises
    ------
    SlipwayError
        No file matches, or the folder has tables that cannot be read.
    """
    found = _remote(pattern) if "://" in pattern else _local(pattern)
    if not found:
        raise SlipwayError(
            f"{pattern}: no file matches",
            "name a file, a folder or a pattern, such as `--rows 'rows/*.parquet'`",
        )
    # `a/**/**` matches a file several times.
    return sorted({file.path: file for file in found}.values(), key=lambda file: file.path)


def may_match(pattern: str, folder: str | Path, names: Sequence[str]) -> bool:
    """Return whether a folder is inside the one that a pattern names, or it names one of its files.

    Parameters
    ----------
    pattern
        As in `find_inputs`.
    names
        Of the files, relative to `folder`.
    """
    from fsspec.utils import glob_translate

    with reaching(folder, "folder of the batch"):
        other, written = _storage(str(folder))
    with reaching(pattern, "rows"):
        system, read = _storage(pattern)
        if system != other:
            return False
        if not glob.has_magic(read) or system.isdir(read):
            return f"{written}/".startswith(f"{read}/")
    # Within a name, `**` is as `*`.
    whole = re.compile(glob_translate(re.sub(r"(?<![/*])\*\*|\*\*(?![/*]|$)", "*", read)))
    return any(whole.fullmatch(f"{written}/{name}") for name in names)


def _storage(address: str) -> tuple[AbstractFileSystem, str]:
    """Return the storage of an address and its path there; of a local one, the real path."""
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    local = "file" in system.protocol
    return system, os.path.realpath(path) if local else str(path).rstrip("/")


def _local(pattern: str) -> list[InputFile]:
    path = Path(pattern)
    if path.is_dir():
        listing = list_folder(path)
        _require_all_read(f"{path}/", [e.text() for e in listing.not_read if e.may_hold_rows])
        paths = listing.read
    elif path.exists():
        paths = [path]
    else:
        paths = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207
        paths = [each for each in paths if not each.is_dir()]
    with _advising():
        for each in paths:
            require_file(each)
    return [
        InputFile(each.as_posix(), each.stat().st_size, str(each.stat().st_mtime_ns))
        for each in paths
    ]


def _remote(pattern: str) -> list[InputFile]:
    import fsspec

    with reaching(pattern, "rows"):
        system, path = fsspec.core.url_to_fs(pattern)
        system.invalidate_cache()  # else a file that has changed meanwhile is not noticed
        if system.isdir(path):
            about = _remote_folder(system, str(path), pattern)
        elif system.isfile(path):  # its name may have the letters of a pattern
            about = {str(path): system.info(path)}
        else:
            about = system.glob(path, detail=True)
        # With user and host, which `unstrip_protocol` drops.
        bare = str(path).rstrip("/")
        start, found, _ = pattern.rstrip("/").rpartition(bare)
        return [
            InputFile(
                f"{start}{name}" if found else system.unstrip_protocol(name),
                int(each["size"]),
                _version(each),
            )
            for name, each in about.items()
            if each["type"] == "file"
        ]


def _remote_folder(system: AbstractFileSystem, path: str, address: str) -> dict[str, _RemoteFile]:
    """Return the tables of a folder by name; refuse one that is not read, as in a local folder."""
    about: dict[str, _RemoteFile] = {}
    lost = []
    for each in system.ls(path, detail=True):
        full = str(each["name"]).rstrip("/")
        name = full.rpartition("/")[2]
        if full == path.rstrip("/") or name.startswith((".", "_")):
            continue
        if each["type"] == "directory":
            inside = (str(e).rpartition("/")[2] for e in system.ls(full, detail=False))
            if may_hold_rows(name) or any(map(may_hold_rows, inside)):
                lost.append(f"{shown_name(name)} (a folder; folders are not searched)")
        elif name.lower().endswith(READ):
            about[str(each["name"])] = each
        elif may_hold_rows(name):
            lost.append(f"{shown_name(name)} (only {', '.join(READ)} files are read)")
    _require_all_read(address, lost)
    return about


def _require_all_read(folder: str, lost: Sequence[str]) -> None:
    if lost:
        raise SlipwayError(
            f"{folder}: not read: {', '.join(lost[:5])}",
            "convert or move them, or name the files to score with a pattern",
        )


def _version(about: Mapping[str, object]) -> str:
    return next((str(about[name]) for name in VERSIONS if about.get(name)), "")


@contextmanager
def opened(file: InputFile, spec: RowSchema, stated: Stated) -> Iterator[Source]:
    """Open a file; a remote one is copied here until the block ends.

    Raises
    ------
    SlipwayError
        It cannot be read, lacks an input of the model, or has another type of it.
    """
    if "://" not in file.path:
        with _advising():
            yield _checked(Path(file.path), file.path, spec, stated)
        return
    import fsspec

    with TemporaryDirectory(prefix="slipway-rows-") as folder, _advising():
        path = Path(folder) / file.path.rpartition("/")[2]
        with reaching(file.path, "rows"):
            system, remote = fsspec.core.url_to_fs(file.path)
            system.get_file(remote, str(path))
        yield _checked(path, file.path, spec, stated)


@contextmanager
def _advising() -> Iterator[None]:
    """Replace the advice for files of data/: these need no label, and no commit has them."""
    try:
        yield
    except SlipwayError as error:
        advice = next((do for command, do in ADVICE.items() if command in error.do), error.do)
        raise type(error)(str(error), advice) from error.__cause__


def check_local(files: Sequence[InputFile], spec: RowSchema, stated: Stated) -> None:
    """Open each local file, so that a run ends before its first row if one cannot be scored."""
    for file in files:
        if "://" not in file.path:
            with opened(file, spec, stated):
                pass


def _checked(path: Path, name: str, spec: RowSchema, stated: Stated) -> Source:
    source = open_table(path, stated)
    require_columns(Path(name), [column["name"] for column in spec], source.types)
    for column in spec:
        found = source.types[column["name"]]
        if column["name"] in source.repeated:
            raise SlipwayError(
                f"{name}: column {shown_name(column['name'])} is repeated", "keep one of them"
            )
        if not source.format and not _is_accepted(column["type"], found):
            raise SlipwayError(
                f"{name}: column {shown_name(column['name'])} has the type {found}; "
                f"expected {ACCEPTED[column['type']]} ({column['dtype']})",
                "convert the column, then run the same command again",
            )
    return source


def _is_accepted(kind: str, found: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(found):
        found = found.value_type
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    accepted = {
        "string": texts,
        "integer": (types.is_integer,),
        "number": (types.is_integer, types.is_floating),
        "timestamp": (lambda each: types.is_timestamp(each) and each.tz is not None,),
    }
    return types.is_null(found) or any(test(found) for test in accepted[kind])


def pieces(
    source: Source, names: Sequence[str], chunk_rows: int, chunks: range | None = None
) -> Iterator[Piece]:
    """Yield the rows in order, `chunk_rows` at once, whatever the row groups of the file are.

    Parameters
    ----------
    chunks
        Those of a parquet file that are read; default: all of the file.
    """
    import pyarrow as pa

    part, number, skipped = None, 0, 0
    if chunks is not None:
        start, stop = chunks.start * chunk_rows, min(chunks.stop * chunk_rows, source.rows or 0)
        part, before = source.part_of(start, stop)
        number, skipped = chunks.start, start - before
    waiting: list[pa.RecordBatch] = []
    malformed: list[Malformed] = []
    held = -skipped

    def piece(rows: pa.Table, *, is_last: bool) -> Piece:
        first = number * chunk_rows
        inside = range(first, first + rows.num_rows)
        lines = tuple(line for line in malformed if line.row in inside)
        return Piece(number, first, rows, is_last, lines)

    for batch in source.batches(names, chunk_rows, part, malformed.append):
        ordered = batch.select(list(names))
        if held < 0:
            ordered = ordered.slice(min(-held, batch.num_rows))
            held += batch.num_rows - ordered.num_rows
        waiting.append(ordered)
        held += ordered.num_rows
        # One row more than a chunk, so that the last chunk is known to be the last.
        while held > chunk_rows:
            table = pa.Table.from_batches(waiting)
            yield piece(table.slice(0, chunk_rows), is_last=False)
            waiting = table.slice(chunk_rows).to_batches()
            number, held = number + 1, held - chunk_rows
            if chunks is not None and number == chunks.stop:
                return
    if held > 0:
        last = chunks is None or (number + 1) * chunk_rows >= (source.rows or 0)
        yield piece(pa.Table.from_batches(waiting), is_last=last)


def spans(source: Source, chunk_rows: int) -> list[range | None]:
    """Return chunks that follow each other, which begin in the same row groups; None: all.

    A job for each span reads a row group about once.
    """
    found: list[range | None] = []
    row = 0
    for part in source.parts(chunk_rows):
        if part is None:
            return [None]
        end = row + sum(source.groups[part.start : part.stop])
        chunks = range(ceil(row / chunk_rows), ceil(end / chunk_rows))
        if chunks:
            found.append(chunks)
        row = end
    return found


def count_chunks(rows: int | None, chunk_rows: int) -> int | None:
    """Return the number of chunks of a file; None if its rows are not known."""
    return None if rows is None else ceil(rows / chunk_rows)
