"""Rows by a text label each: the values of a slice, or protected groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


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


def group_of(texts: np.ndarray) -> Group:
    """Return the values of some texts, shape (rows,); a missing one is `(none)`."""
    import pyarrow as pa

    encoded = pa.array(texts.astype(object), pa.string()).dictionary_encode()
    values = [value or "" for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return Group([*values, "(none)"], codes.astype(np.min_scalar_type(len(values) + 1)))
