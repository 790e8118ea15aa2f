"""The rows of all files of a folder as one table, divided into parts.

Parts are periods (`slipway.dataset.periods`), in the order of time; or, where rows are held out by
a hash or a column, folds (`slipway.dataset.hashes`) and then the holdout. How the rows are divided
into files, the names of the files and their format have no effect on the parts, nor on the order of
the rows. Only rows without a key depend on both, since their key is the file and the number of the
row in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.csv_format import Stated
from slipway.dataset.hashes import FOLDS, hashes_of
from slipway.dataset.periods import Unit, local_days, name_of, starts_of, unit_of
from slipway.dataset.reader import read_rows, schema_types
from slipway.dataset.tables import to_columns
from slipway.dataset.zone import time_zone
from slipway.errors import SlipwayError
from slipway.untrusted import shown_name

if TYPE_CHECKING:
    import pyarrow as pa

FOLD, HELD_OUT = "fold", "holdout"
"""Names of parts that are no periods: `fold-1`, …, and the holdout."""

TIME = "time"
"""`Table.by` of rows that are held out by periods."""

HASH = "hash"
"""How `Table.by` begins for rows that are held out by a hash, which no other row changes."""

ROWS_AT_ONCE = 1_000_000
"""Rows that are in memory for their digests, or those of the largest part. A file with rows of
several groups is read for each."""

PART = rf"({FOLD}-[1-9]|{HELD_OUT})"
"""The pattern of these names, which sort in the sequence of the parts."""


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
        Of the periods; None if the parts are folds and the holdout.
    by
        What the rows are held out by, in words: *time*, or such as *hash of customer, 0.2*.
    is_random
        Whether the holdout is a part like any fold: rows are held out by a hash.
    """

    files: tuple[Path, ...]
    names: tuple[str, ...]
    parts: tuple[np.ndarray, ...]
    unit: Unit | None
    stated: Stated
    by: str = TIME
    is_random: bool = False

    @cached_property
    def rows(self) -> np.ndarray:
        """The number of rows of each part."""
        counts = [np.bincount(parts, minlength=len(self.names)) for parts in self.parts]
        return np.sum(counts, axis=0)

    def read(self, wanted: range, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Return the rows of some parts, in the order of time and key: all columns, or some.

        All columns include `slipway.project.ROW_KEY` if rows have no key.

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
            names = list(dict.fromkeys([*names, *_ordering()]))
        masks = [(parts >= wanted.start) & (parts < wanted.stop) for parts in self.parts]
        chosen = [at for at, mask in enumerate(masks) if mask.any()]
        table = read_keyed(
            [self.files[at] for at in chosen], names, self.stated, [masks[at] for at in chosen]
        )
        return table, np.concatenate([self.parts[at][masks[at]] for at in chosen])

    @cached_property
    def digests(self) -> list[str]:
        """The sha256 of the rows of each part: of names, values and order, not of the files."""
        return [_digest(part) for some in self._groups() for part in self._each(some, None)]

    def digest(self, parts: range) -> str:
        """Return the sha256 of the rows of some parts together."""
        return hashlib.sha256("\n".join(self.digests[part] for part in parts).encode()).hexdigest()

    def _groups(self) -> Iterator[range]:
        """Yield the parts in groups of at most `ROWS_AT_ONCE` rows, or of one part."""
        start, rows = 0, 0
        for part, count in enumerate(self.rows.tolist()):
            if part > start and rows + count > ROWS_AT_ONCE:
                yield range(start, part)
                start, rows = part, 0
            rows += count
        yield range(start, len(self.names))


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


def by_column(files: Sequence[Path], column: str, value: str, entity: str, stated: Stated) -> Table:
    """Return the rows of some files in folds, and those with a value in a column as the holdout.

    Parameters
    ----------
    entity
        As in `by_hash`, for the folds.

    Raises
    ------
    SlipwayError
        A file cannot be read, or lacks the column.
    """
    held, folds = [], []
    for path in files:
        (marks,) = to_columns(read_rows([path], [column], stated)).values()
        held.append(np.array([str(each) == value for each in marks.tolist()], dtype=bool))
        folds.append(hashes_of(_hashed_by(path, stated, entity)).fold)
    return _folds(files, held, folds, stated, f"column {column}", is_random=False)


def by_hash(files: Sequence[Path], share: float, entity: str, stated: Stated) -> Table:
    """Return the rows of some files in folds, and those whose hash is below a share as the holdout.

    Parameters
    ----------
    entity
        The column whose hash decides, and where it is empty that of the key; "": always the key.

    Raises
    ------
    SlipwayError
        A file cannot be read, or lacks a column.
    """
    found = [hashes_of(_hashed_by(path, stated, entity)) for path in files]
    held = [each.position < share for each in found]
    keys = " and ".join(project.key_columns()) or "the number of the row"
    by = f"{HASH} of {entity or keys}, {share:g}"
    return _folds(files, held, [each.fold for each in found], stated, by, is_random=True)


def _folds(
    files: Sequence[Path],
    held: Sequence[np.ndarray],
    folds: Sequence[np.ndarray],
    stated: Stated,
    by: str,
    *,
    is_random: bool,
) -> Table:
    parts = [np.where(mask, FOLDS, fold) for mask, fold in zip(held, folds, strict=True)]
    known = np.unique(np.concatenate(parts))
    names = [HELD_OUT if part == FOLDS else f"{FOLD}-{part + 1}" for part in known.tolist()]
    positions = tuple(np.searchsorted(known, each).astype("int32") for each in parts)
    return Table(tuple(files), tuple(names), positions, None, stated, by, is_random)


def _hashed_by(path: Path, stated: Stated, entity: str) -> np.ndarray:
    """Return the values of a file whose hashes divide its rows, as text, shape (rows,)."""
    names = list(dict.fromkeys([*filter(None, [entity]), *_key_names()]))
    columns = to_columns(read_keyed([path], names, stated))
    keys = project.row_keys(columns)
    if not entity:
        return keys
    import pandas as pd

    values = columns[entity]
    missing = pd.isna(values)
    return (
        np.where(missing, keys.astype(object), values.astype(object)) if missing.any() else values
    )


def read_keyed(
    paths: Sequence[Path],
    names: Iterable[str] | None,
    stated: Stated,
    chosen: Sequence[np.ndarray] | None = None,
) -> pa.Table:
    """Return what `read_rows` does, with the column `ROW_KEY` if rows have no key.

    Without `chosen`, `paths` is one file.

    Raises
    ------
    SlipwayError
        As `read_rows`.
    """
    wanted = None if names is None else list(names)
    if project.key_columns() or (wanted is not None and project.ROW_KEY not in wanted):
        return read_rows(paths, wanted, stated, chosen)
    import pyarrow as pa

    read = None if wanted is None else [name for name in wanted if name != project.ROW_KEY]
    if read == []:
        read = [next(iter(schema_types()))]  # of which the rows are counted
    table = read_rows(paths, read, stated, chosen)
    rows = [np.arange(len(table))] if chosen is None else [*map(np.flatnonzero, chosen)]
    keys = [
        f"{path.name}:{row}" for path, of_file in zip(paths, rows, strict=True) for row in of_file
    ]
    table = table.append_column(project.ROW_KEY, pa.array(keys, pa.large_string()))
    return table if wanted is None else table.select(wanted)


def _key_names() -> list[str]:
    return list(project.key_columns()) or [project.ROW_KEY]


def _ordering() -> list[str]:
    """Return the columns by which rows are sorted: a row without a key stays where it is."""
    time = project.event_time()
    return [*([time] if time else []), *_key_names()]


def _order(table: pa.Table, parts: np.ndarray) -> pa.Array | None:
    """Return the positions of the rows in the order of part, time and key; None if they are so.

    Rows without a key keep the order of the files and of the rows in them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    by = {"part": pa.array(parts)}
    for name in _ordering():
        if name not in table.column_names:
            raise SlipwayError(
                f"{project.SCHEMA}: `KEY` names {shown_name(name)}, which is not a column of the "
                "data",
                f"name some of: {', '.join(map(shown_name, sorted(table.column_names)))}",
            )
        column = table[name]
        is_coded = pa.types.is_dictionary(column.type)
        by[f"by {name}"] = column.cast(column.type.value_type) if is_coded else column
    if not project.key_columns():
        by[f"by {project.ROW_KEY}"] = pa.array(np.arange(len(table)))
    sorted_by = pa.table(by)
    found = pc.sort_indices(sorted_by, [(name, "ascending") for name in sorted_by.column_names])
    return None if np.array_equal(found.to_numpy(), np.arange(len(table))) else found


def _event_times(path: Path, stated: Stated) -> np.ndarray:
    """Return the event times of a file, datetime64[us], UTC, shape (rows,)."""
    import pyarrow as pa

    name, see = named_time(), f"see `slipway validate {path}`"
    column = read_rows([path], [name], stated)[name]
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise SlipwayError(
            f"{path}: column {shown_name(name)} has type {column.type}; expected times with their "
            "zone (timestamp[us, tz=UTC])",
            see,
        )
    if column.null_count or not len(column):
        what = f"is empty (rows: {column.null_count:,})" if len(column) else "has no rows"
        raise SlipwayError(f"{path}: column {shown_name(name)}, the event time, {what}", see)
    return np.asarray(column.cast(pa.timestamp("us")).to_numpy())


def named_time() -> str:
    """Return the column with the event time; raises SlipwayError if rows have no time."""
    name = project.event_time()
    if name is None:
        raise SlipwayError(
            f"{project.SCHEMA}: `EVENT_TIME` is None, so rows have no periods",
            "name the column with the time of the event, or hold out a share of the rows",
        )
    return name


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
