"""Files of rows, read a chunk at a time, so that memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slipway.errors import SlipwayError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

READERS = (".parquet", ".csv")
CSV_BLOCK = 16 << 20
PARQUET_BUFFER = 1 << 20
ZONE = r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"


class Values(NamedTuple):
    """A column of a chunk: its values, and where text could not be read as its type."""

    series: pd.Series
    unreadable: np.ndarray
    text: pd.Series


@dataclass(frozen=True)
class Source:
    """A file of rows.

    Attributes
    ----------
    types
        Column name to Arrow type, as the file says; every type is text in a CSV file.
    repeated
        Names that stand over more than one column.
    """

    path: Path
    types: dict[str, pa.DataType]
    repeated: list[str]
    rows: int | None

    @property
    def is_text(self) -> bool:
        return self.path.suffix.lower() == ".csv"

    def batches(self, names: Sequence[str], chunk_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, at most `chunk_rows` at once.

        Raises
        ------
        SlipwayError
            The file is damaged further down.
        """
        read = _csv_batches if self.is_text else _parquet_batches
        yield from _explained(self.path, lambda: read(self.path, names, chunk_rows))


def open_source(path: Path) -> Source:
    """Read what a file says of itself.

    Raises
    ------
    SlipwayError
        It is not there, or is neither parquet nor CSV.
    """
    if not path.is_file():
        raise SlipwayError(f"{path}: no such file", "check the path")
    if path.suffix.lower() not in READERS:
        raise SlipwayError(f"{path}: neither .parquet nor .csv", "convert it to parquet")
    source: Source = next(_explained(path, lambda: iter([_open(path)])))
    return source


def _explained(path: Path, read: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SlipwayError(f"{path}: cannot be read: {reason}", "replace the file") from None


def _open(path: Path) -> Source:
    if path.suffix.lower() == ".csv":
        schema, rows = _csv_schema(path), None
    else:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    types = dict(zip(reversed(schema.names), reversed(schema.types), strict=True))
    ordered = {name: types[name] for name in dict.fromkeys(schema.names)}
    repeated = [name for name in ordered if schema.names.count(name) > 1]
    return Source(path, ordered, repeated, rows)


def _parquet_batches(path: Path, names: Sequence[str], chunk_rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    # Buffered: else a whole column of a row group is in memory, however large.
    with pq.ParquetFile(path, buffer_size=PARQUET_BUFFER, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=chunk_rows, columns=list(names)):
            batch.validate(full=True)  # Reading alone lets text pass that is not UTF-8.
            yield batch


def _csv_schema(path: Path) -> pa.Schema:
    from pyarrow import csv

    with csv.open_csv(path) as file:
        return file.schema


def _csv_batches(path: Path, names: Sequence[str], chunk_rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv

    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        include_columns=list(names),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    read = csv.ReadOptions(block_size=CSV_BLOCK)
    parse = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(path, read, parse, convert) as file:
        for batch in file:
            for start in range(0, batch.num_rows, chunk_rows):
                yield batch.slice(start, chunk_rows)


def values_of(column: pa.Array, kind: str, dtype: str, is_text: bool) -> Values:
    """Return a column of a chunk as pandas reads it.

    Parameters
    ----------
    kind, dtype
        What `slipway.rows.column_type` says of the column.
    is_text
        The values stand as text in the file and have to be read as `kind` first.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not is_text or kind == "string":
        series = column.to_pandas()
        return Values(series, np.zeros(len(series), dtype=bool), series)
    return _read_text(column, kind, dtype)


def _read_text(column: pa.Array, kind: str, dtype: str) -> Values:
    import pyarrow as pa

    text = column.to_pandas()
    if kind == "timestamp":
        target = pa.timestamp("us", "UTC")
    else:
        target = pa.from_numpy_dtype(np.dtype(dtype))
    try:
        return Values(column.cast(target).to_pandas(), np.zeros(len(text), dtype=bool), text)
    except pa.ArrowInvalid:
        series = _read_each(text, kind, dtype)
        return Values(series, (series.isna() & text.notna()).to_numpy(), text)


def _read_each(text: pd.Series, kind: str, dtype: str) -> pd.Series:
    """Return the values that can be read and, for those that cannot, none."""
    import pandas as pd

    if kind == "timestamp":
        times = text.where(text.str.contains(ZONE, na=False))
        return pd.to_datetime(times, utc=True, format="ISO8601", errors="coerce")
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    if kind == "integer":
        width = np.iinfo(dtype)
        numbers = numbers.where((numbers % 1 == 0) & numbers.between(width.min, width.max))
    return numbers
