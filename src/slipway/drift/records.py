"""The prediction log as tables, piece by piece.

DuckDB parses with every core, which is most of what a check's time goes to; but a file costs it
milliseconds, and a line as much memory as it is long. So the log is cut into pieces of whole lines
first, in one file on this disk. Where DuckDB meets what is no record, or a value of a wrong type,
the rest of that piece is read line by line, so that only what is wrong is lost and its line can be
named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway.errors import SlipwayError
from slipway.log_files import BLOCK, MOST_RECORD, LogFile, LogFolder, Skipped
from slipway.progress import track
from slipway.records import parse_record
from slipway.seen import Seen
from slipway.serve.log import VERSION, stamp
from slipway.times import EARLIEST, END, EPOCH, PATTERN, microseconds

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

TEXTS = ("string", "timestamp")

FIELDS = ("version", "id", "time", "probability", "model", "proof", "key", "decision")

WRONG = "wrong."

# The position of a row in its piece.
ROW = "row"

# In one table: as many as the caches of a core like, in whole vectors of DuckDB.
ROWS = 6 * 2048

PIECE = 64 * 2**20

# What a check takes beyond its imports, about, and what each thread that reads adds (measured).
CHECK_MB, THREAD_MB = 100, 50

INT64 = 2**63

LETTERS_OF_TIME = len(stamp(EPOCH))

# Of a record: what names it and what it says, as 64 bits each.
ID, CONTENT = "hash of id", "hash of content"

# Whether a row is a record as `slipway.records` defines it. DuckDB would read a number as text and
# a text as a number, so the fields of a record are read as JSON, whose first letter shows the type.
FITS = "is a record"

HASHED = (
    f'*, hash(id) AS "{ID}", hash(time, probability, model, coalesce(proof, false), key, decision, '
    f'input) AS "{CONTENT}"'
)

Inputs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Parsed:
    """Records that follow each other in the log, none of which was there before.

    Parameters
    ----------
    table
        `time`, `probability`, `model`, `proof`, `key`, `row`, `input.<name>`, and, where an input
        has values of a wrong type, which are taken as missing, `wrong.<name>`.
    where
        Returns the file and the line of a `row`, until the next part is read.
    """

    table: pa.Table
    where: Callable[[int], str]


@dataclass(frozen=True)
class _Part:
    """Lines of one file in a piece.

    Parameters
    ----------
    source
        Where they begin in the file.
    start
        Where they begin in the piece.
    whole
        False where the file ends without an end of its line.
    """

    file: LogFile
    source: int
    start: int
    whole: bool


@dataclass
class _Piece:
    """Some of the log's lines, in one file."""

    folder: LogFolder
    file: IO[bytes]
    parts: list[_Part] = field(default_factory=list)
    size: int = 0

    def add(self, file: LogFile, source: int, lines: bytes) -> None:
        whole = lines.endswith(b"\n")
        self.parts.append(_Part(file, source, self.size, whole))
        self.size += self.file.write(lines if whole else lines + b"\n")

    def close(self) -> None:
        self.file.flush()
        self.file.truncate()

    def lines(self) -> Iterator[tuple[_Part, int, bytes]]:
        """Yield each line that is not empty, with its part and where it begins in its file."""
        ends = [*(part.start for part in self.parts[1:]), self.size]
        with open(self.file.name, "rb") as file:  # noqa: PTH123 - another reader of the same file
            for part, end in zip(self.parts, ends, strict=True):
                while (at := file.tell()) < end:
                    line = file.readline()
                    if line.strip():
                        yield part, part.source + at - part.start, line

    def where(self, row: int) -> str:
        part, start, _ = next(islice(self.lines(), row, None))
        return self.folder.where(part.file, start)


def read(url: str, inputs: Inputs, megabytes: int, skipped: Skipped) -> Iterator[Parsed]:
    """Yield the records of a log in order: by the names of its files, then line by line.

    Parameters
    ----------
    url
        A folder, or any URL that fsspec reads; of a remote one, a piece at a time is copied here.
    inputs
        Of a manifest.
    megabytes
        That the check may take, about; with more of them, more cores read.
    skipped
        Is told what is left out.

    Raises
    ------
    SlipwayError
        The log cannot be reached.
    """
    import duckdb

    folder = LogFolder(url)
    skipped.unread |= folder.unread
    threads = max(1, min(os.cpu_count() or 1, (megabytes - CHECK_MB) // THREAD_MB))
    seen = Seen()
    with (
        duckdb.connect(config={"threads": threads}) as database,
        NamedTemporaryFile(prefix="slipway-log-", suffix=".jsonl") as file,
    ):
        for piece in _pieces(folder, file, skipped):
            for table in _of_piece(piece, inputs, database, skipped):
                skipped.records += table.num_rows
                kept = _once(table, seen, skipped, piece.where)
                yield Parsed(_flat(kept), piece.where)


def _pieces(folder: LogFolder, file: IO[bytes], skipped: Skipped) -> Iterator[_Piece]:
    piece = _Piece(folder, file)
    for each in track(folder.files, "Reading the log"):
        for start, lines in folder.blocks(each, skipped):
            if piece.size and piece.size + len(lines) > PIECE:
                piece.close()
                yield piece
                file.seek(0)
                piece = _Piece(folder, file)
            _write(piece, each, start, lines)
    if piece.size:
        piece.close()
        yield piece


def _write(piece: _Piece, file: LogFile, start: int, lines: bytes) -> None:
    try:
        piece.add(file, start, lines)
    except OSError as error:
        raise SlipwayError(
            f"{piece.file.name}: a piece of the log cannot be written ({error.strerror})",
            f"free {PIECE >> 20} MiB there, or name another folder in TMPDIR",
        ) from None


def _of_piece(
    piece: _Piece, inputs: Inputs, database: duckdb.DuckDBPyConnection, skipped: Skipped
) -> Iterator[pa.Table]:
    import duckdb
    import pyarrow as pa

    done = 0
    try:
        whole = database.read_json(
            piece.file.name,
            columns=_columns(inputs),
            format="newline_delimited",
            maximum_object_size=MOST_RECORD + BLOCK,
        )
        typed = whole.project(_typed(inputs))
        for batch in typed.project(HASHED).to_arrow_reader(ROWS):
            if not _are_records(batch):
                break
            rows = pa.array(np.arange(done, done + batch.num_rows))
            yield pa.Table.from_batches([batch]).append_column(ROW, rows)
            done += batch.num_rows
        else:
            return
    except (duckdb.Error, pa.ArrowException, OSError):
        pass  # The line that it is about is found, and named, below.
    yield from _line_by_line(piece, inputs, done, database, skipped)


def _columns(inputs: Inputs) -> dict[str, str]:
    import duckdb

    kinds = {each["name"]: _kind(each) for each in inputs}
    return dict.fromkeys(FIELDS, "JSON") | {"input": str(duckdb.struct_type(kinds))}


def _typed(inputs: Inputs) -> str:
    """Return the columns of a record in their types, and whether each row is a record."""
    texts = ", ".join(f"{name}->>'$' AS {name}" for name in ("id", "time", "model"))
    number = "CAST(TRY_CAST(key AS BIGINT) AS VARCHAR) = CAST(key AS VARCHAR)"
    key, is_key = (
        ("TRY_CAST(key AS BIGINT)", number)
        if _key_is_number(inputs)
        else ("key->>'$'", _is_text("key"))
    )
    fits = [
        f"version = '{VERSION}'",
        *(_is_text(name) for name in ("id", "time", "model")),
        "NOT starts_with(probability, '\"') AND probability NOT IN ('true', 'false')",
        "decision IN ('true', 'false')",
        is_key,
    ]
    return (
        f"{texts}, TRY_CAST(probability AS DOUBLE) AS probability, "
        f"coalesce(proof = 'true', false) AS proof, {key} AS key, decision = 'true' AS decision, "
        f'input, {" AND ".join(fits)} AS "{FITS}"'
    )


def _is_text(name: str) -> str:
    return f"starts_with({name}, '\"')"


def _kind(each: Mapping[str, Any]) -> str:
    return "VARCHAR" if each["type"] in TEXTS else "DOUBLE"


def _key_is_number(inputs: Inputs) -> bool:
    return [each["type"] for each in inputs if each["unique"]] == ["integer"]


def _are_records(batch: pa.RecordBatch) -> bool:
    """Return whether every row is a record of this version."""
    import pyarrow as pa
    import pyarrow.compute as pc

    needed = ("id", "time", "probability", "model", "key", "decision", "input", FITS)
    if any(batch[name].null_count for name in needed):
        return False
    if not _are_times(batch["time"]):
        return False
    # DuckDB takes NaN, which is not JSON.
    numbers = [each for each in batch["input"].flatten() if pa.types.is_floating(each.type)]
    finite = (pc.is_finite(each) for each in [batch["probability"], *numbers])
    return all(pc.all(each, min_count=0).as_py() for each in [batch[FITS], *finite])


def _are_times(texts: pa.Array) -> bool:
    """Return whether all are times as `slipway.times` defines them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = texts.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    early, late = pc.less(moments, microseconds(EARLIEST)), pc.less(moments, microseconds(END))
    if pc.any(early).as_py() or not pc.all(late, min_count=0).as_py():
        return False
    length = pc.binary_length(texts)
    # Those that the service writes need no search.
    ours = pc.and_(pc.equal(length, LETTERS_OF_TIME), pc.ends_with(texts, "Z"))
    if pc.all(ours, min_count=0).as_py():
        return True
    return bool(pc.all(pc.match_substring_regex(texts, f"^(?:{PATTERN})$")).as_py())


def _flat(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    nested = table["input"].combine_chunks()
    left_out = ("id", "decision", "input", FITS, ID, CONTENT)
    columns = {name: table[name] for name in table.column_names if name not in left_out}
    names = [f"input.{each.name}" for each in nested.type]
    return pa.table(columns | dict(zip(names, nested.flatten(), strict=True)))


def _once(table: pa.Table, seen: Seen, skipped: Skipped, where: Callable[[int], str]) -> pa.Table:
    """Return the records that were not there before; count the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not table.num_rows:
        return table
    ends = pc.min_max(table["id"]).as_py()
    ids, contents = (table[name].to_numpy() for name in (ID, CONTENT))
    new, differs = seen.add(ids, contents, ends["min"], ends["max"])
    if new.all():
        return table
    others = int(differs.sum())
    first = int(np.argmax(differs))
    skipped.differing.add(others, lambda: where(table[ROW][first].as_py()))
    skipped.repeated += int((~new).sum()) - others
    return only(table, pa.array(new))


def _line_by_line(
    piece: _Piece,
    inputs: Inputs,
    done: int,
    database: duckdb.DuckDBPyConnection,
    skipped: Skipped,
) -> Iterator[pa.Table]:
    """Yield the records of a piece but for the first `done` ones."""
    rest = islice(enumerate(piece.lines()), done, None)
    while some := list(islice(rest, ROWS)):
        records, rows = [], []
        for row, (part, start, line) in some:
            record = parse_record(line)
            if record is not None:
                records.append(record)
                rows.append(row)
            else:
                given = line if part.whole else line.rstrip(b"\n")
                skipped.add_line(given, partial(piece.folder.where, part.file, start))
        nested = _table(records, rows, inputs)
        yield database.from_arrow(nested).project(HASHED).to_arrow_table()


def _table(records: Sequence[Mapping[str, Any]], rows: Sequence[int], inputs: Inputs) -> pa.Table:
    """Return records in the types in which DuckDB reads them."""
    import pyarrow as pa

    number = _key_is_number(inputs)
    keys = [_key(record["key"], number=number) for record in records]
    columns = {
        "id": pa.array([record["id"] for record in records], pa.string()),
        "time": pa.array([record["time"] for record in records], pa.string()),
        "probability": pa.array([float(record["probability"]) for record in records], pa.float64()),
        "model": pa.array([record["model"] for record in records], pa.string()),
        "proof": pa.array([record.get("proof") is True for record in records], pa.bool_()),
        "key": pa.array(keys, pa.int64() if number else pa.string()),
        "decision": pa.array([record["decision"] for record in records], pa.bool_()),
        ROW: pa.array(rows, pa.int64()),
    }
    values: dict[str, pa.Array] = {}
    for each in inputs:
        name = each["name"]
        given = [record["input"].get(name) for record in records]
        if each["type"] in TEXTS:
            values[name] = pa.array([_text(value) for value in given], pa.string())
            continue
        numbers = [_number(value) for value in given]
        values[name] = pa.array([value for value, _ in numbers], pa.float64())
        if not all(fits for _, fits in numbers):
            columns[f"{WRONG}{name}"] = pa.array([not fits for _, fits in numbers])
    columns["input"] = pa.StructArray.from_arrays(list(values.values()), list(values))
    return pa.table(columns)


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
    except (TypeError, ValueError, OverflowError):
        return None, False


def only(table: pa.Table, kept: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return the rows where `kept` is true; a copy only where some are not."""
    import pyarrow.compute as pc

    if pc.all(kept, min_count=0, skip_nulls=False).as_py():
        return table
    return table.filter(kept).combine_chunks()
