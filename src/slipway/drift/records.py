"""The prediction log as tables, file by file.

DuckDB parses a file with every core, which is most of what a check's time goes to. Where it meets
what is no record, or a value of a wrong type, the rest of that file is read line by line, so that
only what is wrong is lost and its line can be named.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import orjson

from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.serve.log import VERSION
from slipway.storage import reaching

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

TEXTS = ("string", "timestamp")

WRONG = "wrong."

# In one table: as many as the caches of a core like, in whole vectors of DuckDB.
ROWS = 6 * 2048

# What a check takes beyond its imports, about, and what each thread that reads adds (measured).
CHECK_MB, THREAD_MB = 100, 50

INT64 = 2**63

Inputs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Parsed:
    """Records that follow each other in a file.

    Parameters
    ----------
    table
        `time`, `probability`, `model`, `proof`, `key`, `input.<name>`, and, where an input has
        values of a wrong type, which are taken as missing, `wrong.<name>`.
    unreadable
        Lines that are no records; `first_unreadable` names the first of them.
    torn
        The file ends after them in the middle of a line: a prediction nobody was given.
    """

    table: pa.Table
    unreadable: int = 0
    first_unreadable: str = ""
    torn: bool = False


def read(url: str, inputs: Inputs, megabytes: int) -> Iterator[Parsed]:
    """Yield the records of a log in order: by the names of its files, then line by line.

    Parameters
    ----------
    url
        A folder, or any URL that fsspec reads; of a remote one, a file at a time is copied here.
    inputs
        Of a manifest.
    megabytes
        That the check may take, about; with more of them, more cores read.

    Raises
    ------
    SlipwayError
        The log cannot be reached.
    """
    import duckdb
    import fsspec

    with reaching(url, "log"):
        files, folder = fsspec.core.url_to_fs(url)
        if not files.isdir(folder):
            raise SlipwayError(f"{url}: no such folder", "name the folder of the prediction log")
        inside = files.ls(folder, detail=False)
    paths = sorted(path for path in inside if path.endswith(".jsonl"))
    threads = max(1, min(os.cpu_count() or 1, (megabytes - CHECK_MB) // THREAD_MB))
    with duckdb.connect(config={"threads": threads}) as database:
        for path in track(paths, "Reading the log"):
            with _on_this_disk(files, path, url) as place:
                yield from _of_file(place, path, inputs, database)


@contextmanager
def _on_this_disk(files: Any, path: str, url: str) -> Iterator[str]:
    from fsspec.implementations.local import LocalFileSystem

    if isinstance(files, LocalFileSystem):
        yield path
        return
    with NamedTemporaryFile(suffix=".jsonl") as copy:
        with reaching(url, "log"):
            files.get_file(path, copy.name)
        yield copy.name


def _of_file(
    place: str, name: str, inputs: Inputs, database: duckdb.DuckDBPyConnection
) -> Iterator[Parsed]:
    import duckdb
    import pyarrow as pa

    done = 0
    try:
        whole = database.read_json(place, columns=_columns(inputs), format="newline_delimited")
        for batch in whole.to_arrow_reader(ROWS):
            if not _are_records(batch):
                break
            yield Parsed(_flat(batch))
            done += batch.num_rows
        else:
            return
    except (duckdb.Error, pa.ArrowException, OSError):
        pass  # The line that it is about is found, and named, below; so is a file that is gone.
    yield from _line_by_line(place, name, inputs, done)


def _columns(inputs: Inputs) -> dict[str, str]:
    import duckdb

    kinds = {each["name"]: _kind(each) for each in inputs}
    return {
        "version": "BIGINT",
        "time": "VARCHAR",
        "probability": "DOUBLE",
        "model": "VARCHAR",
        "proof": "BOOLEAN",
        "key": "BIGINT" if _key_is_number(inputs) else "VARCHAR",
        "input": str(duckdb.struct_type(kinds)),
    }


def _kind(each: Mapping[str, Any]) -> str:
    return "VARCHAR" if each["type"] in TEXTS else "DOUBLE"


def _key_is_number(inputs: Inputs) -> bool:
    return [each["type"] for each in inputs if each["unique"]] == ["integer"]


def _are_records(batch: pa.RecordBatch) -> bool:
    """Return whether every row is a record of this version."""
    import pyarrow.compute as pc

    if any(batch[name].null_count for name in ("version", "time", "probability", "model")):
        return False
    right = pc.and_(pc.equal(batch["version"], VERSION), pc.is_finite(batch["probability"]))
    return bool(pc.all(right, min_count=0).as_py())


def _flat(batch: pa.RecordBatch) -> pa.Table:
    import pyarrow as pa

    nested = batch["input"]
    columns = {name: batch[name] for name in batch.schema.names if name not in ("version", "input")}
    names = [f"input.{field.name}" for field in nested.type]
    return pa.table(columns | dict(zip(names, nested.flatten(), strict=True)))


def _line_by_line(place: str, name: str, inputs: Inputs, done: int) -> Iterator[Parsed]:
    """Yield the records of a file but for the first `done` ones."""
    with reaching(name, "log"), Path(place).open("rb") as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        rest = islice(lines, done, None)
        while some := list(islice(rest, ROWS)):
            yield _of_lines(some, name, inputs)


def _of_lines(lines: Iterable[tuple[int, bytes]], name: str, inputs: Inputs) -> Parsed:
    unreadable: list[int] = []
    records, torn = [], False
    for number, line in lines:
        record = _record(line)
        if record is not None:
            records.append(record)
        elif line.endswith(b"\n"):
            unreadable.append(number)
        else:
            torn = True
    first = f"{name}: line {unreadable[0]}" if unreadable else ""
    return Parsed(_table(records, inputs), len(unreadable), first, torn)


def _table(records: Sequence[Mapping[str, Any]], inputs: Inputs) -> pa.Table:
    import pyarrow as pa

    number = _key_is_number(inputs)
    columns = {
        "time": pa.array([record["time"] for record in records], pa.string()),
        "probability": pa.array([float(record["probability"]) for record in records], pa.float64()),
        "model": pa.array([record["model"] for record in records], pa.string()),
        "proof": pa.array([record.get("proof") is True for record in records], pa.bool_()),
        "key": pa.array(
            [_key(record.get("key"), number=number) for record in records],
            pa.int64() if number else pa.string(),
        ),
    }
    for each in inputs:
        name = each["name"]
        values = [record["input"].get(name) for record in records]
        if each["type"] in TEXTS:
            columns[f"input.{name}"] = pa.array([_text(value) for value in values], pa.string())
            continue
        numbers = [_number(value) for value in values]
        columns[f"input.{name}"] = pa.array([value for value, _ in numbers], pa.float64())
        if not all(fits for _, fits in numbers):
            columns[f"{WRONG}{name}"] = pa.array([not fits for _, fits in numbers])
    return pa.table(columns)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = orjson.loads(line)
        fits = (
            record["version"] == VERSION
            and isinstance(record["time"], str)
            and isinstance(record["model"], str)
            and isinstance(record["probability"], int | float)
            and isinstance(record["input"], dict)
        )
    except (ValueError, KeyError, TypeError):
        return None
    return record if fits else None


def _key(value: Any, *, number: bool) -> int | str | None:
    if not number:
        return _text(value)
    try:
        key = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return key if -INT64 <= key < INT64 else None


def _text(value: Any) -> str | None:
    """Return a text; of what is none its JSON, which is a word that nobody has seen."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _number(value: Any) -> tuple[float | None, bool]:
    """Return a number, and whether there was one, or nothing; a text may say one."""
    if value is None:
        return None, True
    try:
        return float(value), True
    except (TypeError, ValueError):
        return None, False


def only(table: pa.Table, kept: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return the rows where `kept` is true; a copy only where some are not."""
    import pyarrow.compute as pc

    if pc.all(kept, min_count=0, skip_nulls=False).as_py():
        return table
    return table.filter(kept).combine_chunks()
