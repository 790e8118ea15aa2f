"""Scored rows as lines of the prediction log, and as a table.

A chunk that is scored again, by a run that continues, has the same bytes: the time of all its
records is that of the start of the batch, and their ids are made of their places.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import shake_256
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway.predictions.answers import Fields, class_name
from slipway.predictions.chain import Chain
from slipway.predictions.record import ReviewedAnswer, TaskAnswer, to_line
from slipway.predictions.writer import uuid7
from slipway.schema.checks import RowSchema
from slipway.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

# Bits of the last part of an id: which batch, file, chunk and row; together at most 73, since the
# service leaves the first of its 74 bits free too.
FILE_BITS = CHUNK_BITS = ROW_BITS = 20
BATCH_BITS = 13

ROW_DIGITS = ROW_BITS // 4

# Memory blocks of this many rows are reused; larger ones are returned to the system each time.
ROWS_AT_ONCE = 10_000


def record_ids(started: datetime, batch: int, file: int, chunk: int, rows: np.ndarray) -> list[str]:
    """Return the ids of some rows of a chunk: UUIDs of version 7, ascending, always the same."""
    place = (((batch << FILE_BITS) | file) << CHUNK_BITS) | chunk
    first = uuid7(int(started.timestamp() * 1000), place << ROW_BITS)
    start = first[:-ROW_DIGITS]
    return [f"{start}{row:0{ROW_DIGITS}x}" for row in rows.tolist()]


def input_texts(sent: pa.Table) -> list[bytes]:
    """Return each row as a JSON object, as a client would send it to the service."""
    starts = range(0, sent.num_rows, ROWS_AT_ONCE)
    return [text for start in starts for text in _objects(sent.slice(start, ROWS_AT_ONCE))]


def _objects(sent: pa.Table) -> list[bytes]:
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[pa.Array] = []
    for name, column in zip(sent.column_names, sent.columns, strict=True):
        encoded = column.combine_chunks().dictionary_encode()
        start = (b"," if parts else b"{") + orjson.dumps(name) + b":"
        texts = [start + text for text in [*_texts(encoded.dictionary), b"null"]]
        at = encoded.indices.fill_null(len(texts) - 1)
        parts.append(pa.array(texts, pa.binary()).take(at))
    end = pa.scalar(b"}", pa.binary())
    joined: list[bytes] = pc.binary_join_element_wise(*parts, end, pa.scalar(b"")).to_pylist()
    return joined


def _texts(values: pa.Array) -> list[bytes]:
    """Return values as JSON; a float32 has the fewest digits that name it."""
    from pyarrow import types

    if not len(values):
        return []
    if types.is_timestamp(values.type):
        return [orjson.dumps(text) for text in _times(values)]
    if types.is_floating(values.type) and values.type != "double":
        values = values.cast("string").cast("double")
    if types.is_floating(values.type) or types.is_integer(values.type):
        return orjson.dumps(values.to_pylist())[1:-1].split(b",")
    return [orjson.dumps(value) for value in values.to_pylist()]


def _times(values: pa.Array) -> list[str]:
    moments = values.cast("int64").to_numpy().astype("datetime64[us]")
    seconds = moments.astype("datetime64[s]")
    whole, fine = np.datetime_as_string(seconds), np.datetime_as_string(moments)
    return [f"{text}Z" for text in np.where(moments == seconds, whole, fine).tolist()]


def log_lines(
    ids: Sequence[str],
    answers: Sequence[ReviewedAnswer],
    keys: Sequence[Any],
    inputs: Sequence[bytes],
    about: Fields,
) -> list[bytes]:
    """Return records of answers, with what all of them have."""
    rows = zip(ids, answers, keys, inputs, strict=True)
    with _without_collector():
        return [
            to_line({"id": i, **answer, "key": key, "input": orjson.Fragment(text), **about})
            for i, answer, key, text in rows
        ]


def chained(name: str, lines: Sequence[bytes], secret: str) -> list[bytes]:
    """Return all lines of a file of the log as a chain, always the same: see `Batch.secret`."""
    draw = shake_256(f"{secret} {name}".encode()).digest
    return [Chain(name, draw).extend(b"".join(lines))]


@contextmanager
def _without_collector() -> Iterator[None]:
    # It would scan the answers of a chunk again and again, and finds no cycle in them.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def answer_types(task: Task) -> dict[str, pa.DataType]:
    """Return the columns of an answer: those of `slipway.predictions.record.ANSWER` of the task.

    Those of probabilities are called ``probability_<class>``.
    """
    import pyarrow as pa

    if task.name == "binary":
        return {"probability": pa.float64(), "decision": pa.bool_()}
    if task.name == "multiclass":
        names = [f"probability_{class_name(each)}" for each in task.classes]
        return {**dict.fromkeys(names, pa.float64()), "decision": pa.array(list(task.classes)).type}
    number = {"value": pa.float64()}
    return number if task.quantile is None else {**number, "quantile": pa.float64()}


def answer_columns(
    answers: Sequence[TaskAnswer], types: Mapping[str, pa.DataType]
) -> dict[str, pa.Array]:
    """Return some answers as columns of these types."""
    import pyarrow as pa

    columns = {}
    for name, kind in types.items():
        member = name.removeprefix("probability_")
        if member == name:
            values = [*map(itemgetter(name), answers)]
        else:
            values = [answer["probabilities"][member] for answer in answers]
        columns[name] = pa.array(values, kind)
    return columns


def key_type(spec: RowSchema) -> pa.DataType | None:
    """Return the type of the column `key`; None if rows have none."""
    import pyarrow as pa

    kinds = [column["type"] for column in spec if column["unique"]]
    if not kinds:
        return None
    return pa.int64() if kinds == ["integer"] else pa.string()
