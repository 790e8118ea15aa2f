"""Whether a file has a value or a key of a subject: parquet, JSON, CSV and archives by their parts.

Files are read in blocks, so that memory does not grow with them.
"""

from __future__ import annotations

import csv
import html
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import orjson

from slipway import project
from slipway.dataset.csv_format import FOUND, CsvFormat, Stated, find_format
from slipway.errors import SlipwayError, first_line
from slipway.privacy.subject import LEAST_IN_BYTES, Subject, is_number, own_name, text_of
from slipway.repository.git import PREFIX

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BLOCK = 4 << 20

MOST_JSON = 64 << 20
"""A larger file of JSON is searched line by line, and a longer line as bytes: for text only."""

HEADER = 1 << 16  # bytes in which a CSV file has the names of its columns

NOT_ASCII = ("windows-1252", "utf-16-le", "utf-16-be")


@dataclass(frozen=True)
class Search:
    """A search for a subject, whose keys are complete.

    `stated` is how CSV files are written, as ``params.yaml`` has it. `unread` has the archives that
    could not be opened, with the reason: only their bytes were searched.
    """

    subject: Subject
    stated: Stated = FOUND
    unread: dict[str, str] = field(default_factory=dict)

    def is_in(self, path: Path, shown: str = "") -> bool:
        """Return whether a file, shown by its path or another name, has a value or a key."""
        with path.open("rb") as file:
            start = file.read(HEADER)
        if start.startswith(b"PAR1") and (found := self._is_in_parquet(path)) is not None:
            return found
        if start.startswith(b"PK") and is_zipfile(path):
            return self._is_in_archive(path, shown or path.as_posix())
        is_in_its_format = (
            self._is_in_json(path)
            if start.lstrip()[:1] in (b"{", b"[")
            else self._is_in_csv(path, start)
        )
        return is_in_its_format or self._is_in_bytes(path)

    def is_in_line(self, line: bytes) -> bool:
        """Return whether a part of a record of the log may be of the subject."""
        return self._has_spelling(line) or any(
            re.search(rb'":"?' + re.escape(number.encode()) + rb"(?![0-9.])", line)
            for number in filter(is_number, self.subject.texts)
        )

    def _is_in_archive(self, path: Path, shown: str) -> bool:
        """Return whether a member has it; a model of skops is such a file."""
        try:
            return any(
                self.subject.is_word(name) or self.is_in(copy, f"{shown}: {name}")
                for name, copy in _members(path)
            )
        except (BadZipFile, _NotOpenedError) as error:
            self.unread[shown] = first_line(error)
            return self._is_in_bytes(path)

    def _is_in_parquet(self, path: Path) -> bool | None:
        """Return whether a column has it; None if it is not a whole parquet file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                return any(
                    self._is_value(value, name)
                    for name, column in self._columns(file)
                    for value in column
                )
        except (pa.ArrowException, OSError, ValueError):
            return None

    def _columns(self, file: pq.ParquetFile) -> Iterator[tuple[str, list[Any]]]:
        """Yield the values of columns, each once: of numbers only in columns of their name."""
        wanted = [each.name for each in file.schema_arrow if self._may_have(each)]
        for group in range(file.num_row_groups if wanted else 0):
            table = file.read_row_group(group, columns=wanted)
            for name, column in zip(table.column_names, table.columns, strict=True):
                yield name, _values(column)

    def _may_have(self, column: pa.Field) -> bool:
        from pyarrow import types

        kind = column.type.value_type if types.is_dictionary(column.type) else column.type
        return (
            types.is_string(kind)
            or types.is_large_string(kind)
            or types.is_nested(kind)
            or self._may_have_number(column.name)
        )

    def _is_in_json(self, path: Path) -> bool:
        """Return whether JSON, or a line of JSON, has it."""
        if path.stat().st_size <= MOST_JSON:
            try:
                return self._is_value(orjson.loads(path.read_bytes()), "")
            except ValueError:
                pass
        with path.open("rb") as file:
            while line := file.readline(MOST_JSON):
                try:
                    if self._is_value(orjson.loads(line), ""):
                        return True
                except ValueError:
                    continue
        return False

    def _is_in_csv(self, path: Path, start: bytes) -> bool:
        """Return whether a column of its name has it; False without a header of such columns."""
        names = {self.subject.column, *project.key_columns()}
        head = start.replace(b"\0", b"").split(b"\n")[0].decode("latin-1")
        if not any(name in head or not name.isascii() for name in names):
            return False
        try:
            form = find_format(path, self.stated)
            with path.open(encoding=form.encoding, errors="replace", newline="") as file:
                rows = csv.reader(file, delimiter=form.delimiter)
                header = [name.strip("\ufeff ") for name in next(rows, [])]
                return any(self._is_in_row(header, row, form) for row in rows)
        except (SlipwayError, csv.Error, UnicodeError, LookupError):
            return False

    def _is_in_row(self, header: Sequence[str], row: Sequence[str], form: CsvFormat) -> bool:
        cells = dict(zip(header, (_cell(text, form) for text in row), strict=False))
        if self.subject.has_value(cells.get(self.subject.column)):
            return True
        key = [cells.get(name) for name in project.key_columns()]
        if len(key) == 1:
            return self.subject.has_key(key[0])
        return tuple(key) in self._keys_in_parts

    @cached_property
    def _keys_in_parts(self) -> set[tuple[str, ...]]:
        keys = (orjson.loads(key) for key in self.subject.keys if key.startswith("["))
        return {tuple(map(text_of, key)) for key in keys}

    def _is_in_bytes(self, path: Path) -> bool:
        """Return whether a file has a text of the subject, in any spelling and encoding."""
        held = b""
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                content = held + block
                if self._has_spelling(content):
                    return True
                held = content[-self._longest :]
        return False

    def _has_spelling(self, content: bytes) -> bool:
        narrow, wide = self._spellings
        return any(_has_word(word, content) for word in narrow) or (
            b"\0" in content and any(_has_word(word, content) for word in wide)
        )

    @cached_property
    def _spellings(self) -> tuple[list[bytes], list[bytes]]:
        """The spellings of texts, and those of UTF-16, which occur only where bytes are zero."""
        texts = (t for t in self.subject.texts if len(t) >= LEAST_IN_BYTES and not is_number(t))
        words = {each for text in texts for each in _spellings(text, self.stated.encoding)}
        return [w for w in words if b"\0" not in w], [w for w in words if b"\0" in w]

    @cached_property
    def _longest(self) -> int:
        return (
            max((len(word) for words in self._spellings for word in words), default=0) + 4
        )  # what is before and after a word

    def _is_value(self, value: Any, name: str) -> bool:
        """Return whether a value has it: a number only under the name of its column."""
        if isinstance(value, dict):
            return any(
                self._is_value(key, name) or self._is_value(each, key)
                for key, each in value.items()
            )
        if isinstance(value, list):
            return any(self._is_value(each, name) for each in value)
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            return False
        if isinstance(value, str) and not is_number(value):
            return self.subject.is_word(value)
        if not self._may_have_number(name):
            return False
        if own_name(name) == self.subject.column:
            return self.subject.has_value(value)
        return self.subject.has_key(value)

    def _may_have_number(self, name: str) -> bool:
        return own_name(name) in (self.subject.column, "key", *project.key_columns())


class _NotOpenedError(Exception):
    """An archive is damaged, encrypted, or compressed in a way that Python does not know."""


def _members(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and a copy of each file of an archive."""
    with ZipFile(path) as archive, TemporaryDirectory(prefix=PREFIX) as folder:
        for member in archive.infolist():
            if member.is_dir():
                continue
            try:
                copy = archive.extract(member, folder)
            except (OSError, RuntimeError, zlib.error) as error:  # RuntimeError: encrypted
                raise _NotOpenedError(f"{member.filename}: {error}") from error
            yield member.filename, Path(copy)


def _values(column: pa.ChunkedArray) -> list[Any]:
    from pyarrow import types

    if types.is_nested(column.type):
        values: list[Any] = column.to_pylist()
        return values
    found = column.combine_chunks()
    once: list[Any] = (
        found.dictionary if types.is_dictionary(found.type) else found.unique()
    ).to_pylist()
    return once


def _cell(text: str, form: CsvFormat) -> str:
    """Return a cell of a CSV file as the text by which values are compared."""
    number = text.strip().replace(form.decimal, ".")
    if not is_number(number):
        return text
    try:
        return text_of(float(number) if "." in number else int(number))
    except ValueError:
        return text


def _spellings(text: str, stated: str) -> Iterator[bytes]:
    """Yield the bytes of a text in JSON, CSV, HTML and plain text, in the usual encodings."""
    shapes = {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        text.replace('"', '""'),
        html.escape(text),
        html.escape(text, quote=False),
    }
    for shape in shapes:
        yield shape.encode()
        for encoding in (*NOT_ASCII, stated):
            try:
                yield shape.encode(encoding)
            except (UnicodeError, LookupError):  # it has no such letter; "auto" is no encoding
                continue


def _has_word(word: bytes, content: bytes) -> bool:
    """Return whether bytes are in a content, and not a part of a longer word.

    Formats such as ONNX have the length of a text before it, and a letter may follow.
    """
    if word not in content:
        return False
    pattern = re.escape(word)
    if b"\0" in word:  # UTF-16, in either order of the bytes
        wide = rb"(?<!\w\0)(?<!\0\w)" + pattern + rb"(?!\w\0)(?!\0\w)"
        return re.search(wide, content) is not None
    ends = rb"(?<![0-9A-Za-z_])" + pattern + rb"(?![0-9A-Za-z_])"
    return re.search(re.escape(_length(len(word))) + pattern + b"|" + ends, content) is not None


def _length(number: int) -> bytes:
    """Return a length as Protocol Buffers write it: seven bits in a byte, the lowest first."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
