"""The rows of all files of a folder as one table, divided into parts in the order of time.

A part is a period (`slipway.dataset.periods`). Where the holdout is given by a column, the parts
are the rows to learn from and the held out ones. How the rows are divided into files, the names of
the files and their format have no effect on the parts, nor on the order of the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.csv_format import Stated
from slipway.dataset.periods import Unit, local_days, name_of, starts_of, unit_of
from slipway.dataset.reader import read_rows
from slipway.dataset.tables import to_columns
from slipway.dataset.zone import time_zone
from slipway.errors import SlipwayError
from slipway.untrusted import shown_name

if TYPE_CHECKING:
    import pyarrow as pa

LEARNED, HELD_OUT = "learned", "scored"
"""Names of the parts where a column divides the rows."""


@dataclass(frozen=True)
class Table:
    """The files, and the part of each of their rows.

    Attributes
    ----------
    names
        Of the parts, in the order of time.
    parts
        For each file, the position in `names` of each row, int32, shape (rows,).
    unit
        Of the periods; None if the parts are no periods.
    """

    files: tuple[Path, ...]
    names: tuple[str, ...]
    parts: tuple[np.ndarray, ...]
    unit: Unit | None
    stated: Stated

    @cached_property
    def rows(self) -> np.ndarray:
        """The number of rows of each part."""
        counts = [np.bincount(parts, minlength=len(self.names)) for parts in self.parts]
        return np.sum(counts, axis=0)

    def read(self, wanted: range, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Return the rows of some parts, in the order of time and key: all columns, or some.

        Raises
        ------
        SlipwayError
            A file cannot be read, lacks a column, or has another type of it than other files.
        """
        return to_columns(self.arrow(wanted, names))

    def read_each(
        self, wanted: range, names: Iterable[str] | None = None
    ) -> list[dict[str, np.ndarray]]:
        """Return the rows of each of some parts as `read` does; each file is read once."""
        return [to_columns(part) for part in self._each(wanted, names)]

    def arrow(self, wanted: range, names: Iterable[str] | None = None) -> pa.Table:
        """Return what `read` does as an Arrow table."""
        import pyarrow as pa

        return pa.concat_tables(self._each(wanted, names))

    def _each(self, wanted: range, names: Iterable[str] | None) -> list[pa.Table]:
        some = None if names is None else list(names)
        table, parts = self._unordered(wanted, some)
        position = _order(table, parts)
        table = table if position is None else table.take(position)
        if some is not None:
            table = table.select(some)
        counts = self.rows[wanted.start : wanted.stop]
        ends = np.cumsum(counts).tolist()
        return [
            table.slice(start, end - start) for start, end in zip([0, *ends], ends, strict=False)
        ]

    def _unordered(self, wanted: range, names: list[str] | None) -> tuple[pa.Table, np.ndarray]:
        if names is not None:
            names = list(dict.fromkeys([*names, project.event_time(), project.key()]))
        masks = [(parts >= wanted.start) & (parts < wanted.stop) for parts in self.parts]
        chosen = [at for at, mask in enumerate(masks) if mask.any()]
        table = read_rows(
            [self.files[at] for at in chosen], names, self.stated, [masks[at] for at in chosen]
        )
        return table, np.concatenate([self.parts[at][masks[at]] for at in chosen])

    @cached_property
    def digests(self) -> list[str]:
        """The sha256 of the rows of each part: of names, values and order, not of the files."""
        return [_digest(part) for part in self._each(range(len(self.names)), None)]


def by_time(files: Sequence[Path], unit: Unit | None, stated: Stated) -> Table:
    """Return the rows of some files by period, of `unit` or as the data has them.

    Raises
    ------
    SlipwayError
        A file cannot be read, or a row has no event time.
    """
    zone = time_zone()
    days = [local_days(_event_times(path, stated), zone) for path in files]
    known = np.unique(np.concatenate([np.unique(part) for part in days]))
    unit = unit or unit_of(known)
    starts = np.unique(starts_of(known, unit))
    return Table(
        files=tuple(files),
        names=tuple(name_of(start, unit) for start in starts),
        parts=tuple(
            np.searchsorted(starts, starts_of(part, unit)).astype("int32") for part in days
        ),
        unit=unit,
        stated=stated,
    )


def by_mark(
    files: Sequence[Path],
    columns: Sequence[str],
    is_held: Callable[[project.Columns], np.ndarray],
    stated: Stated,
) -> Table:
    """Return the rows of some files in two parts, of which the second is held out.

    Parameters
    ----------
    columns, is_held
        What decides, and which rows are held out by it, bool, shape (rows,).

    Raises
    ------
    SlipwayError
        A file cannot be read, or lacks a column.
    """
    parts = tuple(
        is_held(to_columns(read_rows([path], columns, stated))).astype("int32") for path in files
    )
    return Table(tuple(files), (LEARNED, HELD_OUT), parts, None, stated)


def _order(table: pa.Table, parts: np.ndarray) -> pa.Array | None:
    """Return the positions of the rows in the order of part, time and key; None if they are so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = table[project.key()]
    keys = keys.cast(keys.type.value_type) if pa.types.is_dictionary(keys.type) else keys
    by = pa.table({"part": parts, "time": table[project.event_time()], "key": keys})
    found = pc.sort_indices(by, [(name, "ascending") for name in by.column_names])
    return None if np.array_equal(found.to_numpy(), np.arange(len(by))) else found


def _event_times(path: Path, stated: Stated) -> np.ndarray:
    """Return the event times of a file, datetime64[us], UTC, shape (rows,)."""
    import pyarrow as pa

    name, see = project.event_time(), f"see `slipway validate {path}`"
    column = read_rows([path], [name], stated)[name]
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise SlipwayError(
            f"{path}: column {shown_name(name)} has type {column.type}; expected times with their "
            "zone (timestamp[us, tz=UTC])",
            see,
        )
    if column.null_count or not len(column):
        what = f"is empty in {column.null_count:,} rows" if len(column) else "has no rows"
        raise SlipwayError(f"{path}: column {shown_name(name)}, the event time, {what}", see)
    return np.asarray(column.cast(pa.timestamp("us")).to_numpy())


def _digest(table: pa.Table) -> str:
    """Return the sha256 of the rows of a table, whatever the sequence of its columns.

    Text is hashed as lengths and bytes, so that no two tables give the same input.
    """
    found = hashlib.sha256()
    for name in sorted(table.column_names):
        found.update(f"{name}\0{len(table)}\0".encode())
        for part in _bytes_of(table[name]):
            found.update(part)
    return found.hexdigest()


def _bytes_of(column: pa.ChunkedArray) -> Iterable[bytes]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        (values,) = to_columns(pa.table({"": column})).values()
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), np.nan, values)  # one of the many NaN
        yield f"{values.dtype.str}\0".encode()
        yield np.ascontiguousarray(values).tobytes()
        return
    missing = np.asarray(column.is_null())
    yield b"text\0"
    yield np.packbits(missing).tobytes()
    for chunk in column.chunks:
        text = pc.fill_null(chunk, "").cast(pa.large_string())
        yield np.asarray(pc.binary_length(text), dtype="int64").tobytes()
    for chunk in column.chunks:
        text = pc.fill_null(chunk, "").cast(pa.large_string())
        _, offsets, data = text.buffers()
        ends = np.frombuffer(offsets, "int64")[text.offset : text.offset + len(text) + 1]
        if data is not None and len(text):
            yield data[int(ends[0]) : int(ends[-1])].to_pybytes()
