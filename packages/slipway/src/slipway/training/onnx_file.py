"""Refuse models that refer to other files, whose bytes the hash of the model does not cover."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from slipway.errors import SlipwayError

# The parts of ONNX's messages in which a tensor may lie: kind → field number → kind of the part.
# https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
PARTS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}

EXTERNAL_DATA, DATA_LOCATION = 13, 14

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# A tree ensemble is one attribute with 100,000 numbers and short texts, which need no step each:
# `floats`, `ints` and `strings` of AttributeProto.
SHORT = b"|".join(re.escape(bytes([size])) + b".{%d}" % size for size in range(17))
VALUES = re.compile(
    rb"(?:\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x4a(?:" + SHORT + rb"))+", re.DOTALL
)

DEEPEST = 64

FIX = "do not use it: rebuild it with `dvc repro`"


def refuse_external_data(content: bytes) -> None:
    """Refuse a model whose weights are in other files, or that is not an ONNX model.

    Raises
    ------
    SlipwayError
        Names the reason.
    """
    try:
        external = _has_external(memoryview(content), "model", DEEPEST)
    except (IndexError, ValueError) as error:
        raise SlipwayError(f"the model is not a readable ONNX file ({error})", FIX) from None
    if external:
        raise SlipwayError(
            "the model keeps weights in another file (ONNX external data), and no hash covers that",
            "save it as one file: `onnx.save(model, path, save_as_external_data=False)`",
        )


def _has_external(content: memoryview, kind: str, depth: int) -> bool:
    if not depth:
        raise ValueError("nested too deeply")
    parts = PARTS[kind]
    for field, value in _fields(content, skip=kind == "attribute"):
        if kind == "tensor" and (field == EXTERNAL_DATA or (field == DATA_LOCATION and value != 0)):
            return True
        if field in parts:
            if isinstance(value, int):
                raise ValueError(f"field {field} of a {kind} has the wrong type")
            if _has_external(value, parts[field], depth - 1):
                return True
    return False


def _fields(content: memoryview, *, skip: bool) -> Iterator[tuple[int, int | memoryview]]:
    """Yield field numbers and values of a protobuf message; `skip` runs of values."""
    at, end = 0, len(content)
    while at < end:
        if skip and (run := VALUES.match(content, at)):
            at = run.end()
            continue
        tag, at = _varint(content, at)
        field, wire = tag >> 3, tag & 7
        if not 0 < tag < 1 << 32:
            raise ValueError("a field has no valid number")
        if wire == VARINT:
            value, at = _varint(content, at)
            yield field, value
            continue
        if wire == BYTES:
            size, at = _varint(content, at)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
        else:
            raise ValueError("a group, which ONNX does not have")
        if size > end - at:
            raise ValueError("it ends too early")
        if wire == BYTES:
            yield field, content[at : at + size]
        else:
            yield field, 0
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number has no end")
