"""Rows by a text label each: the values of a slice, or protected groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

NONE = "(none)"


@dataclass(frozen=True)
class Group:
    """A slice: its values, and the index of each row's value, shape (rows,)."""

    values: Sequence[str]
    codes: np.ndarray

    def members(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each value that occurs and the positions of its rows."""
        order = np.argsort(self.codes, kind="stable").astype("int32")
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.values)))
        for value, start, end in zip(self.values, [0, *ends[:-1]], ends, strict=True):
            if end > start:
                yield value, order[start:end]


Groups = Mapping[str, Group]


def group_of(labels: np.ndarray) -> Group:
    """Return the values of some labels, shape (rows,), as texts; a missing one is `NONE`."""
    encoded = _texts(labels).fill_null(NONE).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    values = encoded.dictionary.to_pylist()
    return Group(values, codes.astype(np.min_scalar_type(len(values) + 1)))


def _texts(labels: np.ndarray) -> pa.StringArray:
    import pyarrow as pa

    objects = labels.astype(object)
    try:
        return pa.array(objects, pa.string(), from_pandas=True)
    except pa.ArrowTypeError:  # numbers or truth values: their texts
        return pa.array([None if each is None or each != each else str(each) for each in objects])
