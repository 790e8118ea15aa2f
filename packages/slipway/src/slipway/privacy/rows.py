"""Remove the rows of a subject from files of data: only those that have some are written again."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.chunks import Source, open_source, values_of
from slipway.dataset.keys import keys_of
from slipway.dataset.reader import TEXT
from slipway.dataset.zone import stated_zone
from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.privacy.subject import Subject
from slipway.schema.export import column_type

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from slipway.dataset.csv_format import Stated

CHUNK_ROWS = 250_000

# Names of codecs in the footer of a file that PyArrow writes by another name.
CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}


@dataclass(frozen=True)
class FileRows:
    """The rows of a subject in a file: `bad`, shape (rows,), bool."""

    source: Source
    bad: np.ndarray

    @property
    def path(self) -> Path:
        return self.source.path

    @property
    def count(self) -> int:
        return int(self.bad.sum())


def find_rows(paths: Sequence[Path], subject: Subject, stated: Stated) -> list[FileRows]:
    """Return the files with rows of a subject, and add the keys of these to it.

    Raises
    ------
    SlipwayError
        A file cannot be read, or lacks the column.
    """
    found = []
    for path in paths:
        source = open_source(path, stated)
        if subject.column not in source.types:
            raise SlipwayError(
                f"{path}: has no column `{subject.column}`, so its rows cannot be found",
                "remove the subject from it yourself, or name a column that it has with --column",
            )
        bad = _mask(_column(source, subject.column), subject.has_value)
        if bad.any():
            key = project.key_columns()
            if key and set(key) <= source.types.keys():
                keys = keys_of([_column(source, name) for name in key])
                subject.add_keys(keys[bad].dropna().tolist())
            found.append(FileRows(source, bad))
    return found


def remove_rows(rows: FileRows) -> None:
    """Write a file again, in its format, without the rows; remove it if no row is left."""
    path = rows.path
    if rows.bad.all():
        path.unlink()
        return
    partial = path.with_name(f".{path.name}.new")
    write = _write_csv if rows.source.format else _write_parquet
    write(rows, partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.chmod(0o644)
    partial.replace(path)  # which leaves the cache alone, where the file may be a link


def _column(source: Source, name: str) -> pd.Series:
    import pandas as pd

    columns = project.schema().columns
    kind, dtype = column_type(name, columns[name]) if name in columns else TEXT
    parts = [
        values_of(batch.column(0), kind, dtype, source.format, stated_zone()).series
        for batch in source.batches([name], CHUNK_ROWS)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.Series(dtype=object)


def _mask(values: pd.Series, is_it: Callable[[object], bool]) -> np.ndarray:
    import pandas as pd

    codes, known = pd.factorize(values)
    own = [is_it(value.item() if isinstance(value, np.generic) else value) for value in known]
    return np.array([*own, False], dtype=bool)[codes]


def _write_parquet(rows: FileRows, out: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    start = 0
    with pq.ParquetFile(rows.path) as source:
        codec = source.metadata.row_group(0).column(0).compression
        compression = CODECS.get(codec, codec.lower())
        with pq.ParquetWriter(out, source.schema_arrow, compression=compression) as writer:
            for group in range(source.num_row_groups):
                table = source.read_row_group(group)
                kept = ~rows.bad[start : start + table.num_rows]
                start += table.num_rows
                if kept.any():
                    writer.write_table(_plain(table.filter(pa.array(kept))))


def _plain(table: pa.Table) -> pa.Table:
    """Return a table whose dictionaries have only values that occur in it."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table.column(at).cast(field.type.value_type).dictionary_encode()
            table = table.set_column(at, field, column.cast(field.type))
    return table


def _write_csv(rows: FileRows, out: Path) -> None:
    """Copy a file line by line, byte for byte, without the lines of the rows."""
    written = rows.source.format
    if written is None:
        raise ValueError("not a CSV file")
    encoding = written.encoding
    with (
        rows.path.open(encoding=encoding, newline="") as source,
        out.open("w", encoding=encoding, newline="") as target,
    ):
        number = -2  # of the row; the header is -1
        for record, text in _records(source, written.delimiter):
            number += bool(record)
            if number < 0 or not record or not rows.bad[number]:
                target.write(text)
    if number + 1 != len(rows.bad):
        out.unlink()
        raise SlipwayError(
            f"{rows.path}: its lines do not correspond to its {counted(len(rows.bad), 'row')}",
            "convert it to parquet, `dvc add data`, and run this again",
        )


def _records(source: Iterator[str], delimiter: str) -> Iterator[tuple[list[str], str]]:
    """Yield each record of a CSV file with its text, which may have several lines."""
    held: list[str] = []

    def lines() -> Iterator[str]:
        for line in source:
            held.append(line)
            yield line

    for record in csv.reader(lines(), delimiter=delimiter):
        yield record, "".join(held)
        held.clear()
