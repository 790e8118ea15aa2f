"""The subject whose records are erased: a value of one column, and the keys of its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from slipway import project
from slipway.errors import SlipwayError
from slipway.predictions.personal import Hasher, Mask
from slipway.predictions.record import Record
from slipway.project import SCHEMA
from slipway.schema.export import export_schema
from slipway.untrusted import shown_name

if TYPE_CHECKING:
    import pyarrow as pa

# A shorter text, or a number, occurs in files by chance.
LEAST_IN_BYTES = 4


def text_of(value: object) -> str:
    """Return the text by which values are compared: 12, 12.0 and "12" have the same."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def named_column(asked: str) -> str:
    """Return the column that names a subject: as asked, else the entity, else the key.

    Raises
    ------
    SlipwayError
        There is no such column, or the key has several.
    """
    key = project.key_columns()
    name = asked or project.entity() or (key[0] if len(key) == 1 else "")
    if not name:
        raise SlipwayError(
            f"{SCHEMA}: neither `CLUSTERS` nor `KEY` names one column of a subject",
            "name the column with --column",
        )
    if name not in project.schema().columns:
        raise SlipwayError(f"{shown_name(name)}: no column of {SCHEMA}", "name one of its columns")
    return name


@dataclass
class Subject:
    """One subject.

    `keys` are those of its rows as data and log have them, as text; they grow while rows are found.
    """

    column: str
    value: str
    hasher: Hasher
    keys: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._mask = Mask(export_schema(project.schema()), project.key_columns())
        self._values = {self.value, self.hasher.text(self.value)}
        if (self.column,) == project.key_columns():
            self.keys |= self._values

    @property
    def name(self) -> str:
        """The keyed hash by which the record of the erasure names it."""
        return self.hasher.text(f"{self.column}={self.value}")

    def add_keys(self, keys: Iterable[Any]) -> None:
        """Add keys of rows, as the data has them."""
        for key in keys:
            self.keys |= {text_of(key), text_of(self._mask.key(key))}

    def has_value(self, value: object) -> bool:
        return value is not None and text_of(value) in self._values

    def has_key(self, key: object) -> bool:
        return key is not None and text_of(key) in self.keys

    def owns(self, record: Record) -> bool:
        """Return whether a record of the log is of this subject."""
        return self.has_value(record["input"].get(self.column)) or self.has_key(record["key"])

    def is_in(self, content: bytes) -> bool:
        """Return whether a file has a value or a key of this subject, also in compressed pages."""
        if content[:4] == b"PAR1" and (found := self._is_in_parquet(content)) is not None:
            return found
        try:
            return self._is_in_json(orjson.loads(content), "")
        except ValueError:
            pass
        words = {w for w in self._values | self.keys if len(w) >= LEAST_IN_BYTES and not _number(w)}
        return any(word.encode() in content and _has_word(word, content) for word in words)

    def _is_in_parquet(self, content: bytes) -> bool | None:
        """Return whether a column has it; None if it is not a whole parquet file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.ParquetFile(pa.BufferReader(content)).read()
            return any(
                self._is_it(value, name)
                for name, column in zip(table.column_names, table.columns, strict=True)
                for value in self._candidates(name, column)
            )
        except (pa.ArrowException, OSError, ValueError):
            return None

    def _is_in_json(self, value: Any, name: str) -> bool:
        if isinstance(value, Mapping):
            return any(
                self._is_it(key, name) or self._is_in_json(each, key) for key, each in value.items()
            )
        if isinstance(value, list):
            return any(self._is_in_json(each, name) for each in value)
        return self._is_it(value, name)

    def _candidates(self, name: str, column: pa.ChunkedArray) -> list[object]:
        """Return the values of a column, each once: of numbers only in columns of their name."""
        from pyarrow import types

        found = column.combine_chunks()
        if types.is_dictionary(found.type):
            found = found.dictionary
        has_words = types.is_string(found.type) or types.is_large_string(found.type)
        if not has_words and not self._may_have_number(name):
            return []
        is_number = types.is_integer(found.type) or types.is_floating(found.type)
        values: list[object] = found.unique().to_pylist() if has_words or is_number else []
        return values

    def _may_have_number(self, name: str) -> bool:
        return _own_name(name) in (self.column, "key", *project.key_columns())

    def _is_it(self, value: object, name: str) -> bool:
        """Return whether a value is of this subject: a number only under the name of its column."""
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            return False
        if isinstance(value, str) and not _number(value):
            return self.has_value(value) or self.has_key(value)
        if not self._may_have_number(name):
            return False
        is_value = _own_name(name) == self.column and self.has_value(value)
        return is_value or (_own_name(name) != self.column and self.has_key(value))


def _own_name(name: str) -> str:
    """Return the column that a column of a file is of."""
    return name.removeprefix("feature:").removeprefix("input:").removeprefix("input.")


def _number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9.]+", text) is not None


def _has_word(word: str, content: bytes) -> bool:
    """Return whether a text is in a content and not a part of a longer word."""
    pattern = rb"(?<![0-9A-Za-z_])" + re.escape(word.encode()) + rb"(?![0-9A-Za-z_])"
    return re.search(pattern, content) is not None
