"""Files of rows, read in chunks, so that memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slipway import times
from slipway.dataset.files import (
    CSV,
    PARQUET,
    check_delimiter,
    check_first_bytes,
    open_parquet,
    reading,
    require_file,
)
from slipway.errors import SlipwayError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyarrow import csv

READERS = (PARQUET, CSV)
CSV_BLOCK = 16 << 20
PARQUET_BUFFER = 1 << 20

# A cell of a CSV file is read by the type of its column and its own text, independent of other
# cells. RE2, which Arrow uses, has no `\Z`; its `$` is the end of the text.
WHOLE = r"^[+-]?(0|[1-9][0-9]*)$"
NUMBER = r"^[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[iI]nf(inity)?)$"
INFINITE = r"[iI]nf"
MISSING = r"^([nN]a[nN]|NAN)?$"
TIME = f"^(?:{times.PATTERN})$"

# More digits than any integer type has, and as many as Arrow's decimals hold.
MOST_DIGITS = 38


class Values(NamedTuple):
    """A column of a chunk: its values, and which texts could not be read as its type."""

    series: pd.Series
    unreadable: np.ndarray
    text: pd.Series


@dataclass(frozen=True)
class Source:
    """A file of rows.

    Attributes
    ----------
    types
        Column name to Arrow type in the file; every type is text in a CSV file.
    repeated
        Names of more than one column.
    """

    path: Path
    types: dict[str, pa.DataType]
    repeated: list[str]
    rows: int | None

    @property
    def is_text(self) -> bool:
        return self.path.suffix.lower() == CSV

    def batches(self, names: Sequence[str], chunk_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, at most `chunk_rows` at once.

        Raises
        ------
        SlipwayError
            The file is damaged further down.
        """
        read = _csv_batches if self.is_text else _parquet_batches
        with reading(self.path):
            yield from read(self.path, names, chunk_rows)


def open_source(path: Path) -> Source:
    """Read the schema of a file.

    Raises
    ------
    SlipwayError
        It does not exist, is neither parquet nor CSV, or cannot be read.
    """
    require_file(path)
    if path.suffix.lower() not in READERS:
        raise SlipwayError(
            f"{path}: neither .parquet nor .csv", "convert it: `DataFrame.to_parquet(path)`"
        )
    if path.suffix.lower() == CSV:
        check_first_bytes(path)
        with reading(path):
            schema, rows = _csv_schema(path), None
        check_delimiter(path, schema.names)
    else:
        with open_parquet(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    types = dict(zip(reversed(schema.names), reversed(schema.types), strict=True))
    ordered = {name: types[name] for name in dict.fromkeys(schema.names)}
    repeated = [name for name in ordered if schema.names.count(name) > 1]
    return Source(path, ordered, repeated, rows)


def _parquet_batches(path: Path, names: Sequence[str], chunk_rows: int) -> Iterator[pa.RecordBatch]:
    # Buffered: else a whole column of a row group is in memory.
    with open_parquet(path, buffer_size=PARQUET_BUFFER, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=chunk_rows, columns=list(names)):
            batch.validate(full=True)  # Reading alone accepts text that is not UTF-8.
            yield batch


def _csv_schema(path: Path) -> pa.Schema:
    from pyarrow import csv

    with csv.open_csv(path, parse_options=_parse_options()) as file:
        return file.schema


def _parse_options() -> csv.ParseOptions:
    from pyarrow import csv

    return csv.ParseOptions(newlines_in_values=True)


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
    with csv.open_csv(path, read, _parse_options(), convert) as file:
        for batch in file:
            for start in range(0, batch.num_rows, chunk_rows):
                yield batch.slice(start, chunk_rows)


def values_of(column: pa.Array, kind: str, dtype: str, is_text: bool) -> Values:
    """Return a column of a chunk as pandas reads it; each value depends on its own cell alone.

    Whole numbers stay whole: where some are missing, in one of pandas' nullable types.

    Parameters
    ----------
    kind, dtype
        Result of `slipway.schema.export.column_type`.
    is_text
        The values are text in the file and are parsed as `kind`.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not is_text or kind == "string":
        series = _to_pandas(column)
        return Values(series, np.zeros(len(series), dtype=bool), series)
    import pyarrow.compute as pc

    text = column.to_pandas()
    values = _read_times(column) if kind == "timestamp" else READ[kind](column, np.dtype(dtype))
    wrong = pc.and_(pc.is_null(values), pc.invert(_matches(column, MISSING)))
    return Values(_to_pandas(values), wrong.to_numpy(zero_copy_only=False), text)


def _to_pandas(column: pa.Array) -> pd.Series:
    import pyarrow as pa

    if not pa.types.is_integer(column.type) or not column.null_count:
        return column.to_pandas()
    return column.to_pandas(types_mapper=_nullable)


def _matches(text: pa.Array, pattern: str) -> pa.Array:
    """Return where a text matches; a missing one counts as empty."""
    import pyarrow.compute as pc

    return pc.match_substring_regex(pc.fill_null(text, ""), pattern)


def _keep(text: pa.Array, kept: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(kept, text, pa.scalar(None, text.type))


def _read_integers(text: pa.Array, dtype: np.dtype[Any]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    width = np.iinfo(dtype)
    short = pc.less_equal(pc.utf8_length(pc.fill_null(text, "")), MOST_DIGITS)
    digits = _keep(text, pc.and_(_matches(text, WHOLE), short))
    numbers = digits.cast(pa.decimal128(MOST_DIGITS, 0))
    low, high = (pa.scalar(Decimal(int(end)), numbers.type) for end in (width.min, width.max))
    fits = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    return _keep(numbers, pc.fill_null(fits, fill_value=False)).cast(pa.from_numpy_dtype(dtype))


def _read_numbers(text: pa.Array, dtype: np.dtype[Any]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = _keep(text, _matches(text, NUMBER)).cast(pa.from_numpy_dtype(dtype))
    # A number too large for the type is unreadable; infinity in the file is left to the checks.
    fits = pc.or_(pc.is_finite(numbers), _matches(text, INFINITE))
    return _keep(numbers, pc.fill_null(fits, fill_value=False))


READ = {"integer": _read_integers, "number": _read_numbers}


def _read_times(text: pa.Array) -> pa.Array:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = _keep(text, _matches(text, TIME))
    # Digits beyond microseconds are cut off, as in `slipway.times.parse_time`.
    texts = pc.replace_substring_regex(texts, r"(\.[0-9]{6})[0-9]+", r"\1")
    moments = pd.to_datetime(texts.to_pandas(), utc=True, format="ISO8601", errors="coerce")
    return pa.array(moments.dt.as_unit("us"), pa.timestamp("us", "UTC"))


def _nullable(found: pa.DataType) -> Any:
    import pandas as pd

    name = str(found)
    return pd.api.types.pandas_dtype(name.replace("i", "I", 1).replace("uI", "UI"))
