"""The prediction log as blocks of whole lines, each read into an Arrow table.

A table costs a fifth of what a dictionary for each record does. A block that Arrow cannot take, for
one value of a wrong type, is read again line by line, so that only that value is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway.errors import SlipwayError
from slipway.serve.log import VERSION
from slipway.storage import reaching

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = ("string", "timestamp")

WRONG = "wrong."

NEWLINE = ord("\n")

# Bytes read beyond a part, for the end of its last line.
SLACK = 2**16


@dataclass(frozen=True)
class Part:
    """Bytes `start` to `stop` of a file; it has the lines that begin there."""

    log: str
    files: Any
    path: str
    start: int
    stop: int


@dataclass(frozen=True)
class Block:
    """Whole lines of a file, in memory.

    Parameters
    ----------
    start
        How many bytes of the file come before.
    rows
        How many lines there are.
    torn
        The file ends after this block in the middle of a line: a prediction nobody was given.
    """

    part: Part
    start: int
    lines: memoryview
    rows: int
    torn: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a file: the one after `rows` others of a block."""

    part: Part
    start: int
    rows: int

    def name(self) -> str:
        """Return file and number, for which the file is read again up to there."""
        before, left = self.rows, self.start
        with reaching(self.part.log, "log"), self.part.files.open(self.part.path) as file:
            while left > 0 and (read := file.read(min(left, SLACK))):
                before, left = before + read.count(b"\n"), left - len(read)
        return f"{self.part.path}: line {before + 1}"


@dataclass(frozen=True)
class Parsed:
    """The records of a block.

    Parameters
    ----------
    table
        `version`, `time`, `probability`, `model`, `proof`, `key`, `input.<name>`, and, where an
        input has values of a wrong type, which are taken as missing, `wrong.<name>`.
    unreadable
        Lines that are no records; `first_unreadable` is the first of them.
    """

    table: pa.Table
    unreadable: int = 0
    first_unreadable: Line | None = None


def parts(url: str, size: int) -> Iterator[Part]:
    """Yield the parts of a log, file by file, each of `size` bytes at most.

    Raises
    ------
    SlipwayError
        The log cannot be reached.
    """
    import fsspec

    with reaching(url, "log"):
        files, folder = fsspec.core.url_to_fs(url)
        if not files.isdir(folder):
            raise SlipwayError(f"{url}: no such folder", "name the folder of the prediction log")
        found = files.glob(f"{folder}/*.jsonl", detail=True)
    for path in sorted(found):
        whole = found[path]["size"]
        for start in range(0, whole, size):
            yield Part(url, files, path, start, min(start + size, whole))


def read(part: Part) -> Block:
    """Read the lines that begin in a part, and no others.

    Raises
    ------
    SlipwayError
        The file cannot be read.
    """
    begin = max(part.start - 1, 0)
    data, end = _until_line_ends(part, begin)
    torn = not end
    end = end or data.rfind(b"\n") + 1
    first = data.find(b"\n") + 1 if part.start else 0
    if part.start and (not first or begin + first >= part.stop):
        return Block(part, part.start, memoryview(b""), 0)
    lines = memoryview(data)[first:end]
    rows = int(np.count_nonzero(np.frombuffer(lines, "uint8") == NEWLINE))
    return Block(part, begin + first, lines, rows, torn)


def _until_line_ends(part: Part, begin: int) -> tuple[bytes, int]:
    """Return what is there from `begin` on, and where in it the last line ends, or 0."""
    more = SLACK
    while True:
        with reaching(part.log, "log"):
            data: bytes = part.files.cat_file(part.path, start=begin, end=part.stop + more)
        end = data.find(b"\n", part.stop - 1 - begin) + 1
        if end or begin + len(data) < part.stop + more:
            return data, end
        more *= 16


def parse(block: Block, inputs: Sequence[Mapping[str, Any]]) -> Parsed:
    """Read a block; see `Parsed`."""
    import pyarrow as pa
    from pyarrow import json

    options = json.ParseOptions(explicit_schema=_schema(inputs), unexpected_field_behavior="ignore")
    reading = json.ReadOptions(use_threads=False, block_size=len(block.lines) + 1)
    try:
        table = json.read_json(
            pa.BufferReader(pa.py_buffer(block.lines)),
            read_options=reading,
            parse_options=options,
            # It uses again what a block before has given back; Arrow's own asks the kernel anew.
            memory_pool=pa.system_memory_pool(),
        )
        if table.num_rows == block.rows:
            return _checked(_flat(table, inputs), block)
    except pa.ArrowInvalid:
        pass
    return _line_by_line(block, inputs)


def _schema(inputs: Sequence[Mapping[str, Any]]) -> pa.Schema:
    import pyarrow as pa

    kinds = [(each["name"], _kind(each)) for each in inputs]
    return pa.schema(
        [
            ("version", pa.int64()),
            ("time", pa.string()),
            ("probability", pa.float64()),
            ("model", pa.string()),
            ("proof", pa.bool_()),
            ("key", _key_kind(inputs)),
            ("input", pa.struct(kinds)),
        ]
    )


def _kind(each: Mapping[str, Any]) -> pa.DataType:
    import pyarrow as pa

    return pa.string() if each["type"] in TEXTS else pa.float64()


def _key_kind(inputs: Sequence[Mapping[str, Any]]) -> pa.DataType:
    import pyarrow as pa

    kinds = [each["type"] for each in inputs if each["unique"]]
    return pa.int64() if kinds == ["integer"] else pa.string()


def _flat(table: pa.Table, inputs: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    whole = table.combine_chunks()
    nested = whole["input"].combine_chunks()
    columns = {name: whole[name] for name in whole.column_names if name != "input"}
    for position, each in enumerate(inputs):
        values = nested.field(position)
        categories = each["type"] == "string" and not each["unique"]
        columns[f"input.{each['name']}"] = values.dictionary_encode() if categories else values
    return pa.table(columns)


def only(table: pa.Table, kept: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return the rows where `kept` is true; a copy only where some are not."""
    import pyarrow.compute as pc

    if pc.all(kept, min_count=0, skip_nulls=False).as_py():
        return table
    return table.filter(kept).combine_chunks()


def _checked(table: pa.Table, block: Block) -> Parsed:
    import pyarrow.compute as pc

    needed = [pc.equal(table["version"], VERSION)]
    needed += [pc.is_valid(table[name]) for name in ("time", "probability", "model")]
    good = needed[0]
    for each in needed[1:]:
        good = pc.and_kleene(good, each)
    good = pc.fill_null(good, fill_value=False)
    bad = table.num_rows - (pc.sum(good).as_py() or 0)
    if not bad:
        return Parsed(table)
    first = Line(block.part, block.start, pc.index(good, value=False).as_py())
    return Parsed(table.filter(good), bad, first)


def _line_by_line(block: Block, inputs: Sequence[Mapping[str, Any]]) -> Parsed:
    import pyarrow as pa

    schema = _schema(inputs)
    fields = [name for name in schema.names if name != "input"]
    columns: dict[str, list[Any]] = {name: [] for name in fields}
    values: dict[str, list[Any]] = {each["name"]: [] for each in inputs}
    wrong: dict[str, list[bool]] = {each["name"]: [] for each in inputs}
    key = int if pa.types.is_integer(_key_kind(inputs)) else str
    unreadable: list[int] = []
    for number, line in enumerate(bytes(block.lines).splitlines()):
        record = _record(line)
        if record is None:
            unreadable.append(number)
            continue
        for name in fields:
            value = record.get(name)
            columns[name].append(value if name != "key" or isinstance(value, key) else None)
        for each in inputs:
            value, fits = _fitting(record["input"].get(each["name"]), each["type"])
            values[each["name"]].append(value)
            wrong[each["name"]].append(not fits)
    known = {name: pa.array(columns[name], schema.field(name).type) for name in fields}
    known |= {
        f"input.{each['name']}": pa.array(values[each["name"]], _kind(each)) for each in inputs
    }
    known |= {f"{WRONG}{name}": pa.array(bad) for name, bad in wrong.items() if any(bad)}
    first = Line(block.part, block.start, unreadable[0]) if unreadable else None
    return Parsed(pa.table(known), len(unreadable), first)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = orjson.loads(line)
        fits = (
            record["version"] == VERSION
            and isinstance(record["time"], str)
            and isinstance(record["model"], str)
            and isinstance(record["probability"], int | float)
            and isinstance(record["input"], dict)
        )
    except (ValueError, KeyError, TypeError):
        return None
    record["proof"] = record.get("proof") is True
    record["probability"] = float(record["probability"]) if fits else None
    return record if fits else None


def _fitting(value: Any, kind: str) -> tuple[Any, bool]:
    if value is None:
        return None, True
    if kind in TEXTS:
        return (value, True) if isinstance(value, str) else (None, False)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, False
    return float(value), True
