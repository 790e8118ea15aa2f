"""The prediction log as blocks of whole lines, each read into an Arrow table.

A table costs a fifth of what a dictionary for each record does. A block that Arrow cannot take, for
one value of a wrong type, is read again line by line, so that only that value is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from slipway.errors import SlipwayError
from slipway.serve.log import VERSION
from slipway.storage import reaching

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = ("string", "timestamp")

WRONG = "wrong."


@dataclass(frozen=True)
class Block:
    """Whole lines of one file.

    Parameters
    ----------
    first
        Number of the first line, from 1.
    rows
        How many lines there are.
    torn
        The file ends after this block in the middle of a line: a prediction nobody was given.
    """

    path: str
    first: int
    lines: bytes
    rows: int
    torn: bool = False


@dataclass(frozen=True)
class Parsed:
    """The records of a block.

    Parameters
    ----------
    table
        `version`, `time`, `probability`, `model`, `proof`, `key`, `input.<name>`, and, where an
        input has values of a wrong type, which are taken as missing, `wrong.<name>`.
    unreadable
        Lines that are no records; `first_unreadable` names the first of them.
    """

    table: pa.Table
    unreadable: int = 0
    first_unreadable: str = ""


def blocks(url: str, size: int) -> Iterator[Block]:
    """Yield the blocks of a log, file by file, each of about `size` bytes.

    Raises
    ------
    SlipwayError
        The log cannot be reached, or a file of it cannot be read.
    """
    import fsspec

    with reaching(url, "log"):
        files, folder = fsspec.core.url_to_fs(url)
        if not files.isdir(folder):
            raise SlipwayError(f"{url}: no such folder", "name the folder of the prediction log")
        for path in sorted(files.glob(f"{folder}/*.jsonl")):
            yield from _of_file(files, path, size)


def _of_file(files: Any, path: str, size: int) -> Iterator[Block]:
    first = 1
    with files.open(path, "rb") as file:
        while lines := file.read(size) + file.readline():
            torn = not lines.endswith(b"\n")
            if torn:
                lines = lines[: lines.rfind(b"\n") + 1]
            rows = lines.count(b"\n")
            yield Block(path, first, lines, rows, torn)
            if torn:  # what is written meanwhile is for the next time
                return
            first += rows


def parse(block: Block, inputs: Sequence[Mapping[str, Any]]) -> Parsed:
    """Read a block; see `Parsed`."""
    import pyarrow as pa
    from pyarrow import json

    options = json.ParseOptions(explicit_schema=_schema(inputs), unexpected_field_behavior="ignore")
    reading = json.ReadOptions(use_threads=False, block_size=len(block.lines) + 1)
    try:
        table = json.read_json(
            pa.BufferReader(block.lines), read_options=reading, parse_options=options
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
    import pyarrow.compute as pc

    whole = table.combine_chunks()
    nested = whole["input"]
    for each in inputs:
        name = each["name"]
        whole = whole.append_column(f"input.{name}", pc.struct_field(nested, name))
    return whole.drop_columns(["input"])


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
    at = block.first + pc.index(good, value=False).as_py()
    return Parsed(table.filter(good), bad, f"{block.path}: line {at}")


def _line_by_line(block: Block, inputs: Sequence[Mapping[str, Any]]) -> Parsed:
    import pyarrow as pa

    schema = _schema(inputs)
    fields = [name for name in schema.names if name != "input"]
    columns: dict[str, list[Any]] = {name: [] for name in fields}
    values: dict[str, list[Any]] = {each["name"]: [] for each in inputs}
    wrong: dict[str, list[bool]] = {each["name"]: [] for each in inputs}
    key = int if pa.types.is_integer(_key_kind(inputs)) else str
    unreadable, first = 0, ""
    for number, line in enumerate(block.lines.splitlines(), block.first):
        record = _record(line)
        if record is None:
            unreadable, first = unreadable + 1, first or f"{block.path}: line {number}"
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
    return Parsed(pa.table(known), unreadable, first)


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
