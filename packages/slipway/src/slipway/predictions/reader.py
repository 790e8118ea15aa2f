"""The prediction log as tables, batch by batch: the reader of whole logs.

DuckDB parses with every core, but opening a file costs it milliseconds, and a line as much memory
as it is long. So the log is read in pieces of whole lines, each in one temporary file. Where
DuckDB finds a line that is not a record, or a value of a wrong type, the rest of that piece is
parsed line by line with `parse_record`, so that only the wrong line is lost, and is named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway.errors import SlipwayError
from slipway.predictions.chain import ERASED, is_erased
from slipway.predictions.files import BLOCK, MOST_RECORD, Lines, LogFile, LogFolder, Skipped
from slipway.predictions.record import (
    ANSWER,
    ANSWERS,
    CLASS,
    FIELDS,
    INTEGER_KEY,
    KEY,
    TEXT_KEY,
    Kind,
    Record,
    parse_record,
    stamp,
)
from slipway.predictions.seen import Seen
from slipway.progress import track
from slipway.times import EARLIEST, END, EPOCH, PATTERN, microseconds, time_or_none

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from slipway.schema.checks import InputSpec

# Columns of `read_log`; those of every batch.
LOGGED = tuple(field.name for field in FIELDS if field.column)
ALWAYS = ("id", "time", "key", *ANSWER, "model", "proof")

INPUT = "input."

# A column of flags: an input had a value of a wrong type, which is read as missing.
WRONG = "wrong."

# The position of a record in its piece.
ROW = "row"

# Rows of a batch: whole vectors of DuckDB that fit into the caches of a core; of a wide table, as
# many as have these cells, but one vector at least.
VECTOR, ROWS, CELLS = 2048, 6 * 2048, 2_000_000

PIECE = 64 * 2**20

# Memory that a command takes beyond its imports, and what each thread that reads adds, and that
# again for each input (measured).
COMMAND_MB, THREAD_MB, INPUT_MB = 100, 50, 0.1

DEFAULT_MB = 300

INT64 = 2**63

# Hashes of 64 bits: the id of a record, and what else it holds.
ID, CONTENT = "hash of id", "hash of content"

# Whether a row is a record; see `slipway.predictions.record`.
FITS = "is a record"

HASHED = (
    f'*, hash(id) AS "{ID}", hash(time, {", ".join(ANSWER)}, model, proof, key, input) '
    f'AS "{CONTENT}"'
)

TEXTS = ("string", "timestamp")

# JSON does not have these numbers, and DuckDB reads them. A text that looks like them costs time
# only: its piece is read line by line.
NOT_JSON = r"[\[:,\s-](?i:nan|inf)"

UNREADABLE = -(2**62)
"""Takes the place of a time that cannot be read."""

# Lengths of 2013-10-01T09:30:00Z, and of the same with microseconds, as the service writes it.
USUAL_LENGTHS = (20, len(stamp(EPOCH)))

Inputs = Sequence["InputSpec"]


def read_log(
    url: str | Path, since: datetime | None = None, until: datetime | None = None
) -> pd.DataFrame:
    """Return the predictions of a log, sorted by id, without those of smoke tests.

    Parameters
    ----------
    url
        The log's folder: a path, or any URL that fsspec reads (``s3://bucket/predictions``).
    since, until
        Only predictions from `since` on and before `until`, both with a time zone.

    Returns
    -------
    DataFrame
        A row for each prediction: `id`, `time` (UTC), `key`, the answer, `review`, `model`
        (sha256), `data` (md5), `commit`, and the row as it was sent, in columns called
        ``input.<name>``. An answer is `probability` and `decision`, `probabilities` (a dict) and
        `decision`, or `value` (with `quantile`, if it is one). ``attrs["torn"]`` counts files that
        end within a record, whose prediction was never returned. ``attrs["faults"]`` has a sentence
        for each kind of line or file that was left out.

    Raises
    ------
    SlipwayError
        There is no such folder.
    """
    import pandas as pd
    import pyarrow.compute as pc

    skipped = Skipped()
    first = "" if since is None else stamp(since)
    last = "9999" if until is None else stamp(until)
    frames, inputs = [], dict[str, None]()
    for batch in read_batches(url, skipped, fields=LOGGED, sent=True):
        table, times = batch.traffic, batch.traffic["time"]
        table = only(table, pc.and_(pc.greater_equal(times, first), pc.less(times, last)))
        if table.num_rows:
            frame, names = _frame(table)
            inputs |= dict.fromkeys(names)
            frames.append(frame)
    answers = {name for frame in frames for name in ANSWER if name in frame} or {*ANSWER}
    logged = [name for name in LOGGED if name not in ANSWER or name in answers]
    columns = [*logged, *(f"{INPUT}{name}" for name in inputs)]
    whole = pd.concat(frames or [pd.DataFrame(columns=columns)], ignore_index=True)
    # A column without any value is in no batch, so that it cannot change a type.
    whole = whole.sort_values("id").reindex(columns=columns).reset_index(drop=True)
    whole["time"] = pd.to_datetime(whole["time"], format="ISO8601", utc=True).dt.as_unit("us")
    whole.attrs |= {"torn": skipped.torn, "faults": skipped.sentences()}
    return whole


def _frame(table: pa.Table) -> tuple[pd.DataFrame, list[str]]:
    """Return some records as a frame, and the names of their inputs."""
    import pandas as pd

    absent = {name for name in ANSWER if table[name].null_count == len(table)}
    columns = {name: table[name].to_pylist() for name in LOGGED if name not in absent}
    for name in columns.keys() & {"key", "probabilities", "decision"}:
        columns[name] = [text and orjson.loads(text) for text in columns[name]]
    sent = [orjson.loads(text) for text in table["input"].to_pylist()]
    inputs = pd.DataFrame(sent, index=range(len(sent)))
    known = inputs.dropna(axis=1, how="all").add_prefix(INPUT)
    return pd.DataFrame(columns).join(known), inputs.columns.tolist()


@dataclass(frozen=True)
class Batch:
    """Consecutive records of the log, each of which is read for the first time.

    The `table` has `id`, `time`, `key`, `model`, `proof`, further fields as asked, `row`, the
    hashes `ID` and `CONTENT`, `input`
    (the row as it was sent, as JSON, if asked), ``input.<name>``, and ``wrong.<name>`` where an
    input has values of a wrong type, which are read as missing. An answer is in `probability`,
    `value`, `quantile`, `probabilities` and `decision` (as JSON); those that it lacks are missing.
    """

    table: pa.Table
    _piece: _Piece

    @cached_property
    def traffic(self) -> pa.Table:
        """The records that are not of a smoke test."""
        import pyarrow.compute as pc

        return only(self.table, pc.invert(self.table["proof"]))

    def where(self, row: int) -> str:
        """Return file and line of a `row`, until the next batch is read."""
        return self.places([row])[0]()

    def places(self, rows: Sequence[int]) -> list[Callable[[], str]]:
        """Return functions that return file and line of each `row`, at any time."""
        return self._piece.places(rows)


def read_batches(
    url: str | Path,
    skipped: Skipped,
    inputs: Inputs = (),
    *,
    fields: Sequence[str] = (),
    sent: bool = False,
    megabytes: int = DEFAULT_MB,
) -> Iterator[Batch]:
    """Yield the records of a log, file by file in the order of their names.

    Parameters
    ----------
    url
        A folder, or any URL that fsspec reads; of a remote log, one piece at a time is copied here.
    skipped
        Counts what is left out.
    inputs
        All inputs of a manifest, or some inputs that are text. Of all, `key` has its type: that
        of the unique one, or text; otherwise it is JSON.
    fields
        Further fields of the records.
    sent
        Whether to return the row as it was sent, as JSON; then `inputs` that are not text are
        ignored.
    megabytes
        Memory to use, approximately; with more memory, more cores read.

    Raises
    ------
    SlipwayError
        The log cannot be read.
    """
    folder = LogFolder(url)
    skipped.unread |= folder.unread
    pieces = track(pieces_of(folder.files), "Reading the log")
    yield from read_pieces(
        folder, pieces, skipped, Seen(), inputs, fields=fields, sent=sent, megabytes=megabytes
    )


Piece = Sequence[Lines]
"""Lines of the log that are read at once."""


def pieces_of(files: Sequence[LogFile]) -> list[Piece]:
    """Divide a log into pieces of about `PIECE` bytes, by the sizes of its files."""
    pieces: list[Piece] = []
    lines: list[Lines] = []
    size = PIECE
    for file in files:
        starts = range(0, max(file.size, 1), PIECE)
        for start in starts:
            end = start + PIECE if start != starts[-1] else None
            length = (file.size if end is None else end) - start
            if size + length > PIECE:
                pieces.append(lines := [])
                size = 0
            lines.append(Lines(file, start, end))
            size += length
    return pieces


def read_pieces(
    folder: LogFolder,
    pieces: Iterable[Piece],
    skipped: Skipped,
    seen: Seen,
    inputs: Inputs = (),
    *,
    fields: Sequence[str] = (),
    sent: bool = False,
    megabytes: int = DEFAULT_MB,
) -> Iterator[Batch]:
    """Yield the records of some pieces whose ids were not seen; as `read_batches`."""
    import duckdb

    of_thread = THREAD_MB + INPUT_MB * len(inputs)
    threads = max(1, min(os.cpu_count() or 1, int((megabytes - COMMAND_MB) // of_thread)))
    layout = _Layout(inputs, fields, sent=sent)
    with (
        duckdb.connect(config={"threads": threads}) as database,
        NamedTemporaryFile(prefix="slipway-log-", suffix=".jsonl") as file,
    ):
        for lines in pieces:
            piece = _copy(folder, lines, file, skipped)
            for table in _of_piece(piece, layout, database, skipped) if piece.size else ():
                skipped.records += table.num_rows
                batch = Batch(table, piece)
                yield Batch(layout.flat(_new(batch, seen, skipped)), piece)


@dataclass(frozen=True)
class _Part:
    """Lines of one file in a piece: where they begin in the file (`source`) and in the piece.

    Parts are `whole` unless the file ends within a line.
    """

    file: LogFile
    source: int
    start: int
    whole: bool


@dataclass
class _Piece:
    """Some of the log's lines, in one temporary file."""

    folder: LogFolder
    file: IO[bytes]
    parts: list[_Part] = field(default_factory=list)
    size: int = 0

    def add(self, file: LogFile, source: int, lines: bytes) -> None:
        whole = lines.endswith(b"\n")
        self.parts.append(_Part(file, source, self.size, whole))
        with _writing(self.file):
            self.size += self.file.write(lines if whole else lines + b"\n")

    def close(self) -> None:
        with _writing(self.file):
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

    def places(self, rows: Sequence[int]) -> list[Callable[[], str]]:
        wanted, places = set(rows), dict[int, Callable[[], str]]()
        for row, (part, start, _) in enumerate(self.lines()):
            if row in wanted:
                places[row] = partial(self.folder.where, part.file, start)
                if len(places) == len(wanted):
                    break
        return [places[row] for row in rows]


def _copy(folder: LogFolder, lines: Piece, file: IO[bytes], skipped: Skipped) -> _Piece:
    """Copy lines to a file, in place of what it has."""
    file.seek(0)
    piece = _Piece(folder, file)
    for each in lines:
        for start, block in folder.blocks(each, skipped):
            for at, lines_of in _not_erased(start, block, skipped):
                piece.add(each.file, at, lines_of)
    piece.close()
    return piece


def _not_erased(start: int, block: bytes, skipped: Skipped) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a block but those of erased records, in runs with their first byte.

    DuckDB would stop at each of them, and the rest of the piece would be read line by line.
    """
    if ERASED not in block:
        yield start, block
        return
    kept, at = bytearray(), start
    for line in BytesIO(block):
        if is_erased(line):
            skipped.erased += 1
            if kept:
                yield start, bytes(kept)
            kept, start = bytearray(), at + len(line)
        else:
            kept += line
        at += len(line)
    if kept:
        yield start, bytes(kept)


@contextmanager
def _writing(file: IO[bytes]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SlipwayError(
            f"{file.name}: a piece of the log cannot be written ({error.strerror})",
            f"free {PIECE >> 20} MiB there, or name another folder in TMPDIR",
        ) from None


def _of_piece(
    piece: _Piece, layout: _Layout, database: duckdb.DuckDBPyConnection, skipped: Skipped
) -> Iterator[pa.Table]:
    import duckdb
    import pyarrow as pa

    done = 0
    try:
        whole = database.read_json(
            piece.file.name,
            columns=layout.columns,
            format="newline_delimited",
            maximum_object_size=MOST_RECORD + BLOCK,
        )
        typed = whole.project(layout.projection)
        for batch in typed.project(HASHED).to_arrow_reader(layout.rows):
            if not layout.are_records(batch):
                break
            rows = pa.array(np.arange(done, done + batch.num_rows))
            yield pa.Table.from_batches([batch]).append_column(ROW, rows)
            done += batch.num_rows
        else:
            return
    except (duckdb.Error, pa.ArrowException, OSError):
        pass  # The wrong line is found, and named, below.
    yield from _line_by_line(piece, layout, done, database, skipped)


def _line_by_line(
    piece: _Piece,
    layout: _Layout,
    done: int,
    database: duckdb.DuckDBPyConnection,
    skipped: Skipped,
) -> Iterator[pa.Table]:
    """Yield the records of a piece without the first `done` ones."""
    rest = islice(enumerate(piece.lines()), done, None)
    while some := list(islice(rest, layout.rows)):
        records, rows = [], []
        for row, (part, start, line) in some:
            record = parse_record(line)
            if record is not None:
                records.append(record)
                rows.append(row)
            else:
                given = line if part.whole else line.rstrip(b"\n")
                skipped.add_line(given, partial(piece.folder.where, part.file, start))
        nested = layout.table(records, rows)
        yield database.from_arrow(nested).project(HASHED).to_arrow_table()


class _Layout:
    """The columns to read, for DuckDB and for records that Python parsed."""

    def __init__(self, inputs: Inputs, fields: Sequence[str], *, sent: bool) -> None:
        self._sent = sent
        # Some inputs alone would hide numbers in the others that are not JSON.
        self._as_json = sent or not _are_all(inputs)
        self._inputs = [each for each in inputs if not self._as_json or _is_text(each)]
        names = {*ALWAYS, *fields}
        self._kinds = {each.name: each.kind for each in FIELDS if each.name in names}
        self._kinds["key"] = _key_kind(inputs)

    @property
    def rows(self) -> int:
        """The rows of a batch."""
        whole = CELLS // max(len(self._inputs), 1) // VECTOR * VECTOR
        return min(max(whole, VECTOR), ROWS)

    @property
    def columns(self) -> dict[str, str]:
        """The types in which DuckDB reads the fields of a line."""
        import duckdb

        fields = dict.fromkeys(["version", *self._kinds], "JSON")
        if self._as_json:
            return fields | {"input": "JSON"}
        types = {each["name"]: _sql_type(each) for each in self._inputs}
        return fields | {"input": str(duckdb.struct_type(types))}

    @property
    def projection(self) -> str:
        """The fields in their types, and whether each line is a record."""
        required = {each.name for each in FIELDS if each.required}
        values, fits = [], []
        for each in FIELDS:
            kind, column = self._kinds.get(each.name, each.kind), f'"{each.name}"'
            accepts, value = (text.format(column) for text in (kind.sql_accepts, kind.sql_value))
            if each.name in required and (each.name != "input" or self._as_json):
                fits.append(accepts)
            if each.name == "proof":
                values.append(f"coalesce({column} = 'true', false) AS proof")
            elif each.name in self._kinds:
                typed = value if each.name in required else f"CASE WHEN {accepts} THEN {value} END"
                values.append(f"{typed} AS {column}")
        if self._as_json:
            values.append("CAST(input AS VARCHAR) AS input")
            values += [
                f"input->>{_quoted(_pointer(each['name']))} AS {_identifier(INPUT + each['name'])}"
                for each in self._inputs
            ]
        else:
            values.append("input")
        fits.append(f"({' OR '.join(_accepts(answer) for answer in ANSWERS)})")
        return f'{", ".join(values)}, {" AND ".join(fits)} AS "{FITS}"'

    def are_records(self, batch: pa.RecordBatch) -> bool:
        """Return whether every row that DuckDB read is a record."""
        import pyarrow as pa
        import pyarrow.compute as pc

        required = [each.name for each in FIELDS if each.required and each.name != "version"]
        if any(batch[name].null_count for name in [*required, FITS]):
            return False
        if (read_times(batch["time"]) == UNREADABLE).any():
            return False
        checks = [batch[FITS], pc.is_finite(batch["probability"]), pc.is_finite(batch["value"])]
        if batch["probabilities"].null_count < len(batch):
            checks.append(_is_json(batch["probabilities"]))
        if self._as_json:
            checks.append(_is_json(batch["input"]))
        else:
            values = batch["input"].flatten()
            checks += [pc.is_finite(each) for each in values if pa.types.is_floating(each.type)]
        return all(pc.all(check, min_count=0).as_py() for check in checks)

    def table(self, records: Sequence[Record], rows: Sequence[int]) -> pa.Table:
        """Return parsed records with the columns that `projection` has."""
        import pyarrow as pa

        columns: dict[str, pa.Array] = {ROW: pa.array(rows, pa.int64())}
        for name, kind in self._kinds.items():
            values = [_value(record.get(name), kind) for record in records]
            columns[name] = pa.array(values, pa.type_for_alias(kind.arrow))
        columns["proof"] = columns["proof"].fill_null(False)
        inputs: dict[str, pa.Array] = {}
        for each in self._inputs:
            name = each["name"]
            given = [record["input"].get(name) for record in records]
            if _is_text(each):
                inputs[name] = pa.array([_text(value) for value in given], pa.string())
                continue
            numbers = [_number(value) for value in given]
            inputs[name] = pa.array([value for value, _ in numbers], pa.float64())
            if not all(fits for _, fits in numbers):
                columns[f"{WRONG}{name}"] = pa.array([not fits for _, fits in numbers])
        if self._as_json:
            sent = [orjson.dumps(record["input"]).decode() for record in records]
            columns["input"] = pa.array(sent, pa.string())
            columns |= {f"{INPUT}{name}": values for name, values in inputs.items()}
        else:
            columns["input"] = pa.StructArray.from_arrays(list(inputs.values()), list(inputs))
        return pa.table(columns)

    def flat(self, table: pa.Table) -> pa.Table:
        """Return a table with a column for each input."""
        import pyarrow as pa

        left_out = {FITS} | (set() if self._sent else {"input"})
        columns = {name: table[name] for name in table.column_names if name not in left_out}
        if not self._as_json:
            nested = table["input"].combine_chunks()
            names = [f"{INPUT}{each.name}" for each in nested.type]
            columns |= dict(zip(names, nested.flatten(), strict=True))
        return pa.table(columns)


def _are_all(inputs: Inputs) -> bool:
    """Return whether these are all inputs of a manifest, which alone have a dtype."""
    return any(each["unique"] or "dtype" in each for each in inputs)


def _accepts(answer: Mapping[str, Kind]) -> str:
    """Return the condition, as SQL, that a line has all fields of an answer."""
    parts = [kind.sql_accepts.format(f'"{name}"') for name, kind in answer.items()]
    return f"({' AND '.join(parts)})"


def _is_json(texts: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.invert(pc.match_substring_regex(texts, NOT_JSON))


def _key_kind(inputs: Inputs) -> Kind:
    if not _are_all(inputs):
        return KEY
    unique = ["hash" if _is_text(each) else each["type"] for each in inputs if each["unique"]]
    return INTEGER_KEY if unique == ["integer"] else TEXT_KEY


def _sql_type(each: InputSpec) -> str:
    return "VARCHAR" if _is_text(each) else "DOUBLE"


def _is_text(each: InputSpec) -> bool:
    """Return whether an input is text in the log, as the hash of a personal value is."""
    return each["type"] in TEXTS or "personal" in each


def _pointer(name: str) -> str:
    """Return the JSON pointer (RFC 6901) of a member."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _value(value: Any, kind: Kind) -> Any:
    """Return the value of a field in the type of its kind; None if it has another type."""
    if kind is INTEGER_KEY:
        return _integer(value)
    if kind is TEXT_KEY:
        return _text(value)
    if not kind.accepts(value):
        return None
    if kind in (KEY, CLASS) or isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return float(value) if kind.arrow == "double" else value


def _integer(value: Any) -> int | None:
    try:
        key = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return key if -INT64 <= key < INT64 else None


def _text(value: Any) -> str | None:
    """Return a text; of another value its JSON, which is a category that was never seen."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _number(value: Any) -> tuple[float | None, bool]:
    """Return a number, also from a text, and whether the value is a number or missing."""
    if value is None:
        return None, True
    try:
        return float(value), True
    except (TypeError, ValueError, OverflowError):
        return None, False


def _new(batch: Batch, seen: Seen, skipped: Skipped) -> pa.Table:
    """Return the records whose id was not read before; count the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = batch.table
    if not table.num_rows:
        return table
    ends = pc.min_max(table["id"]).as_py()
    ids, contents = (table[name].to_numpy() for name in (ID, CONTENT))
    new, differs = seen.add(ids, contents, ends["min"], ends["max"])
    if new.all():
        return table
    others = int(differs.sum())
    first = int(np.argmax(differs))
    skipped.differing.add(others, lambda: batch.where(table[ROW][first].as_py()))
    skipped.repeated += int((~new).sum()) - others
    return only(table, pa.array(new))


def only(table: pa.Table, kept: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return the rows where `kept` is true; a copy only where some are not."""
    import pyarrow.compute as pc

    if pc.all(kept, min_count=0, skip_nulls=False).as_py():
        return table
    return table.filter(kept).combine_chunks()


def read_times(texts: pa.Array) -> np.ndarray:
    """Return times as microseconds since 1970 in UTC, shape (rows,); `UNREADABLE` for other texts.

    The texts that are times are those of `slipway.times`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        moments = texts.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # one of them is not a time, or has another form
        encoded = texts.dictionary_encode()
        known = np.array([_time(text) for text in encoded.dictionary.to_pylist()], dtype="int64")
        return known[encoded.indices.to_numpy()] if len(known) else np.empty(0, dtype="int64")
    fits = (moments >= microseconds(EARLIEST)) & (moments < microseconds(END))
    if not _have_usual_form(texts):
        pattern = pc.match_substring_regex(texts, f"^(?:{PATTERN})$")
        fits &= pattern.to_numpy(zero_copy_only=False)
    return np.where(fits, moments, UNREADABLE)


def _have_usual_form(texts: pa.Array) -> bool:
    """Return whether all have a length that the service writes, and end in Z: no search needed."""
    import pyarrow.compute as pc

    length = pc.min_max(pc.binary_length(texts)).as_py()
    return (
        length["min"] == length["max"]
        and length["min"] in USUAL_LENGTHS
        and pc.all(pc.ends_with(texts, "Z")).as_py()
    )


def _time(text: str) -> int:
    time = time_or_none(text)
    return UNREADABLE if time is None else microseconds(time)
