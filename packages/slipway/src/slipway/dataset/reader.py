"""The reader of tables: parquet and CSV files as the same Arrow columns.

A CSV file is parsed by the types of the schema, so that nothing else depends on the format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.chunks import Source, cells_of, open_source
from slipway.dataset.csv_format import FOUND, Stated
from slipway.dataset.files import is_csv, require_columns
from slipway.dataset.zone import stated_zone
from slipway.errors import SlipwayError
from slipway.schema.expected import HIDDEN, NOUNS
from slipway.schema.export import column_type
from slipway.untrusted import shown, shown_name

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 250_000

TEXT = ("string", "object")

Types = dict[str, tuple[str, str]]
"""Column name to type and numpy dtype, as `slipway.schema.export.column_type` returns them."""


def schema_types() -> Types:
    """Return the types of the schema's columns."""
    return {name: column_type(name, column) for name, column in project.schema().columns.items()}


def open_table(path: Path, stated: Stated = FOUND) -> Source:
    """Open a file of rows of the schema, whose columns of numbers show the decimal mark.

    Raises
    ------
    SlipwayError
        As `slipway.dataset.chunks.open_source`.
    """
    if not is_csv(path):
        return open_source(path)
    numbers = [name for name, (kind, _) in schema_types().items() if kind == "number"]
    return open_source(path, stated, numbers)


def read_rows(
    paths: Sequence[Path],
    names: Iterable[str] | None = None,
    stated: Stated = FOUND,
    chosen: Sequence[np.ndarray] | None = None,
) -> pa.Table:
    """Return the rows of some files, concatenated, without a copy of those that are left out.

    Parameters
    ----------
    names
        The columns to read; default: all.
    stated
        How CSV files are written (`slipway.dataset.csv_format`).
    chosen
        For each file, which of its rows are read, bool, shape (rows,); default: all.

    Raises
    ------
    SlipwayError
        A file cannot be read, lacks a column, or has another type of it than the first file.
    """
    import pyarrow as pa

    columns = None if names is None else list(names)
    tables = [
        _read(path, columns, stated, None if chosen is None else chosen[at])
        for at, path in enumerate(paths)
    ]
    if any(not table.schema.equals(tables[0].schema) for table in tables):
        tables = [_plain_text(table, tables[0].column_names) for table in tables]
    for path, table in zip(paths, tables, strict=True):
        if not table.schema.equals(tables[0].schema):
            raise SlipwayError(
                f"{path}: {_difference(table, tables[0])}, unlike {paths[0]}",
                "see `slipway validate`: all files have the columns of the schema",
            )
    return pa.concat_tables(tables)


def _read(
    path: Path, names: list[str] | None, stated: Stated, chosen: np.ndarray | None
) -> pa.Table:
    import pyarrow as pa

    source = open_table(path, stated)
    names = list(source.types) if names is None else names
    require_columns(path, names, source.types)
    if repeated := set(names) & set(source.repeated):
        raise SlipwayError(
            f"{path}: column {shown_name(min(repeated))} is repeated",
            f"see `slipway validate {path}`",
        )
    types = schema_types() if source.format else {}
    batches = []
    for start, batch in _typed(source, names, types):
        mask = None if chosen is None else pa.array(chosen[start : start + batch.num_rows])
        batches.append(batch if mask is None else batch.filter(mask))
    if batches:
        return pa.Table.from_batches(batches)
    as_parsed = {name: _arrow_type(*types.get(name, TEXT)) for name in names}
    return pa.table(
        {
            name: pa.array([], as_parsed[name] if source.format else source.types[name])
            for name in names
        }
    )


def _typed(source: Source, names: list[str], types: Types) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the rows in chunks, each with the number of rows before it."""
    import pyarrow as pa

    zone, start = stated_zone() if source.format else "", 0
    for batch in source.batches(names, CHUNK_ROWS):
        columns = [batch.column(batch.schema.names.index(name)) for name in names]
        if source.format:
            columns = [
                _cells(source, name, types.get(name, TEXT), zone, column, start)
                for name, column in zip(names, columns, strict=True)
            ]
        # Files differ in which columns they declare nullable; only the values matter.
        yield start, pa.RecordBatch.from_arrays(columns, names=names)
        start += batch.num_rows


def _cells(
    source: Source, name: str, of: tuple[str, str], zone: str, column: pa.Array, start: int
) -> pa.Array:
    import pyarrow as pa

    values, unreadable = cells_of(column, *of, source.format, zone)
    if unreadable.any():
        at = int(np.argmax(unreadable))
        found = HIDDEN if name in project.personal() else shown(column[at].as_py())
        raise SlipwayError(
            f"{source.path}: column {shown_name(name)} is {found} in row "
            f"{start + at:,}; expected {NOUNS[of[0]]}",
            f"see `slipway validate {source.path}`",
        )
    return values.cast(pa.large_string()) if of[0] == "string" else values


def _arrow_type(kind: str, dtype: str) -> pa.DataType:
    import pyarrow as pa

    if kind == "string":
        return pa.large_string()
    return pa.timestamp("us", "UTC") if kind == "timestamp" else pa.from_numpy_dtype(dtype)


def _plain_text(table: pa.Table, names: list[str]) -> pa.Table:
    """Return a table with its columns in this order, and text stored in one way.

    Libraries differ in both: ``string``, ``large_string`` and dictionaries hold the same text.
    """
    import pyarrow as pa

    if sorted(names) == sorted(table.column_names) and len(set(names)) == len(names):
        table = table.select(names)
    columns = []
    for column in table.columns:
        values = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        is_text = pa.types.is_string(values) or pa.types.is_string_view(values)
        columns.append(column.cast(pa.large_string() if is_text else values))
    return pa.Table.from_arrays(columns, names=table.column_names)


def _difference(table: pa.Table, other: pa.Table) -> str:
    """Return how the columns of a table differ from those of another one."""
    found, expected = set(table.column_names), set(other.column_names)
    if found != expected:
        lacks = expected - found
        names = sorted(lacks or found - expected)
        listed = f"{'columns' if len(names) > 1 else 'column'} {', '.join(map(shown_name, names))}"
        return f"it {'lacks' if lacks else 'adds'} {listed}"
    for field in table.schema:
        if field.type != other.schema.field(field.name).type:
            return f"column {shown_name(field.name)} has type {field.type}"
    return "a column is repeated"
