"""A file that has a subject is found, in whatever format, encoding and spelling it is written."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slipway.predictions.personal import SECRET, Hasher
from slipway.privacy.contents import BLOCK, Search
from slipway.privacy.subject import Subject

COLUMN, NUMBERS = "carrier", "distance"
NAME = 'Zo\u00eb "Q" Muller'

Contents = Callable[[str, object], bytes]


def table(column: str, value: object) -> bytes:
    return parquet(pa.table({column: [value, value], "other": [1, 2]}))


def parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    return bytes(sink.getvalue().to_pybytes())


def as_categories(column: str, value: object) -> bytes:
    return parquet(pa.table({column: pa.array([value, value]).dictionary_encode()}))


def nested(column: str, value: object) -> bytes:
    return parquet(pa.table({"rows": [[{column: value}], []]}))


def csv_as(encoding: str, delimiter: str = ",") -> Contents:
    def write(column: str, value: object) -> bytes:
        text = io.StringIO(newline="")
        rows = csv.writer(text, delimiter=delimiter)
        rows.writerows([["a", column, "b"], [1, value, 2], [3, "another", 4]])
        return text.getvalue().encode(encoding)

    return write


def as_json(column: str, value: object) -> bytes:
    return json.dumps({"rows": [{column: value}]}, indent=1).encode()


def json_lines(column: str, value: object) -> bytes:
    return b"{}\n" + json.dumps({"input": {column: value}}, ensure_ascii=False).encode() + b"\n"


ALL: dict[str, Contents] = {
    "parquet": table,
    "parquet, a category": as_categories,
    "parquet, nested": nested,
    "CSV": csv_as("utf-8"),
    "CSV of windows-1252": csv_as("windows-1252", ";"),
    "CSV of UTF-16": csv_as("utf-16"),
    "JSON": as_json,
    "JSON lines": json_lines,
}


def zipped(_: str, value: object) -> bytes:
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps([value]))
    return made.getvalue()


def of_onnx(_: str, value: object) -> bytes:
    words = [str(value).encode(), b"another"]
    return bytes(onnx.helper.make_attribute("keys_strings", words).SerializeToString())


def page(_: str, value: object) -> bytes:
    return f"<td>{html.escape(str(value))}</td>".encode()


def sentence(_: str, value: object) -> bytes:
    return json.dumps({"message": f"of {value}, as before"}).encode()


def between_blocks(_: str, value: object) -> bytes:
    return b"\n" * (BLOCK - 3) + str(value).encode()


OF_TEXT: dict[str, Contents] = ALL | {
    "zip": zipped,
    "ONNX": of_onnx,
    "HTML": page,
    "a sentence in JSON": sentence,
    "between two blocks": between_blocks,
}


def search(column: str, value: str) -> Search:
    return Search(Subject(column, value, Hasher({SECRET: "s" * 16})))


@pytest.mark.parametrize("kind", OF_TEXT)
def test_a_text_is_found_and_a_part_of_another_is_not(tmp_path: Path, kind: str) -> None:
    path, subject = tmp_path / "object", search(COLUMN, NAME)
    path.write_bytes(OF_TEXT[kind](COLUMN, NAME))
    assert subject.is_in(path)

    path.write_bytes(OF_TEXT[kind](COLUMN, f"{NAME}s"))
    assert not subject.is_in(path)


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "damaged": lambda content: content[:45] + b"\xff" * 8 + content[53:],
    "encrypted": lambda content: content.replace(
        b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\x01"
    ).replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0\x01"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_archive_that_cannot_be_opened_is_named(tmp_path: Path, kind: str) -> None:
    path, subject = tmp_path / "object", search(COLUMN, NAME)
    path.write_bytes(UNREADABLE[kind](zipped(COLUMN, NAME)))
    assert not subject.is_in(path, "an object")
    assert list(subject.unread) == ["an object"]


@pytest.mark.parametrize("kind", ALL)
def test_a_number_is_found_by_the_name_of_its_column(tmp_path: Path, kind: str) -> None:
    path, subject = tmp_path / "object", search(NUMBERS, "1400")
    for value in (1400, 1400.0):
        path.write_bytes(ALL[kind](NUMBERS, value))
        assert subject.is_in(path)

    path.write_bytes(ALL[kind]("minutes", 1400))
    assert not subject.is_in(path)
    path.write_bytes(ALL[kind](NUMBERS, 14000))
    assert not subject.is_in(path)
