"""The subject whose records are erased: a value of one column, and the keys of its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from slipway import project
from slipway.errors import SlipwayError
from slipway.predictions.personal import Hasher, Mask
from slipway.predictions.record import Record
from slipway.project import SCHEMA
from slipway.schema.export import export_schema
from slipway.untrusted import shown_name

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

    @property
    def texts(self) -> set[str]:
        """Values and keys, as they are written."""
        return self._values | self.keys

    def is_word(self, text: str) -> bool:
        """Return whether a text is a value or a key of this subject."""
        return self.has_value(text) or self.has_key(text)


def own_name(name: str) -> str:
    """Return the column that a column of a file is of."""
    return name.removeprefix("feature:").removeprefix("input:").removeprefix("input.")


def is_number(text: str) -> bool:
    """Return whether a text is a number, which occurs in files by chance."""
    return re.fullmatch(r"-?[0-9.]+", text) is not None
