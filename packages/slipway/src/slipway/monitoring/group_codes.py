"""The protected group of each row of a log, as a code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipway.metrics.groups import group_of

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.project import Columns
    from slipway.schema.checks import ColumnSpec

Slicer = Callable[["Columns"], Mapping[str, np.ndarray]]
"""Inputs of some rows to the group of each row, by attribute: shape (rows,)."""

OTHER = -1


@dataclass(frozen=True)
class Coder:
    """From inputs to the code of each row's group: its place in `names`, or `OTHER`."""

    slicer: Slicer
    names: Mapping[str, Sequence[str]]
    threshold: float | None

    def codes(self, columns: Columns) -> np.ndarray:
        """Return codes of shape (rows, attributes)."""
        found = self.slicer(columns)
        coded = [_codes(found[name], names) for name, names in self.names.items()]
        return np.stack(coded, axis=1)

    def counts(self, codes: np.ndarray, decisions: np.ndarray, classes: int) -> list[np.ndarray]:
        """Return the rows of each group, those of other groups last, by decision; an array each."""
        counts = []
        for column, names in zip(codes.T, self.names.values(), strict=True):
            size = len(names) + 1
            cell = np.where(column == OTHER, len(names), column) * classes + decisions
            flat = np.bincount(cell, minlength=size * classes)
            counts.append(flat.reshape(size, classes))
        return counts


def _codes(texts: np.ndarray, names: Sequence[str]) -> np.ndarray:
    group, places = group_of(texts), {name: place for place, name in enumerate(names)}
    to_code = np.array([places.get(value, OTHER) for value in group.values], dtype="int64")
    return to_code[group.codes]


def columns_of(table: pa.Table, inputs: Sequence[ColumnSpec], prefix: str) -> Columns:
    """Return the inputs of some records, in the types of the data files."""
    import pyarrow.compute as pc

    from slipway.predictions.reader import read_times

    columns = {}
    for each in inputs:
        column = table[f"{prefix}{each['name']}"].combine_chunks()
        if each["type"] == "timestamp":
            columns[each["name"]] = read_times(pc.fill_null(column, "")).view("datetime64[us]")
        else:
            values = column.to_numpy(zero_copy_only=False)
            is_whole = each["type"] == "integer" and column.null_count
            dtype = "float64" if is_whole else each["dtype"]
            columns[each["name"]] = values.astype(dtype)
    return columns
