"""Files of rows, read in chunks, so that memory does not grow with the file."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slipway import times
from slipway.dataset.csv_format import (
    FOUND,
    CsvFormat,
    Stated,
    find_format,
    require_closed,
    require_one_width,
)
from slipway.dataset.files import (
    READ,
    check_first_bytes,
    is_csv,
    open_parquet,
    reading,
    require_file,
)
from slipway.errors import SlipwayError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyarrow import csv

CSV_BLOCK = 16 << 20
PARQUET_BUFFER = 1 << 20

# A cell of a CSV file is read by the type of its column and its own text, independent of other
# cells. RE2, which Arrow uses, has no `\Z`; its `$` is the end of the text.
WHOLE = r"^[+-]?(0|[1-9][0-9]*)$"
NUMBER = r"^[+-]?(([0-9]+{mark}?[0-9]*|{mark}[0-9]+)([eE][+-]?[0-9]+)?|[iI]nf(inity)?)$"
INFINITE = r"[iI]nf"
MISSING = r"^([nN]a[nN]|NAN)?$"
TIME = f"^(?:{times.PATTERN})$"
LOCAL_TIME = f"^(?:{times.LOCAL_PATTERN})$"

# More digits than any integer type has, and as many as Arrow's decimals hold.
MOST_DIGITS = 38


Part = range | None
"""Row groups of a parquet file; None: all rows."""


class Malformed(NamedTuple):
    """A line of a CSV file with too few or too many values; `row` is its position in the file."""

    row: int
    expected: int
    found: int


class Cells(NamedTuple):
    """The cells of a column as Arrow values, and which texts could not be read as its type."""

    values: pa.Array
    unreadable: np.ndarray


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
    format
        How a CSV file is written; None of a parquet file.
    groups
        The rows of each row group of a parquet file.
    """

    path: Path
    types: dict[str, pa.DataType]
    repeated: list[str]
    rows: int | None
    format: CsvFormat | None = None
    groups: tuple[int, ...] = ()

    def parts(self, rows: int) -> list[Part]:
        """Return row groups that follow each other, of at least some rows together, and the rest.

        A CSV file is one part.
        """
        ends, held = [0], 0
        for number, count in enumerate(self.groups, 1):
            held += count
            if held >= rows or number == len(self.groups):
                ends.append(number)
                held = 0
        return [range(start, end) for start, end in pairwise(ends)] or [None]

    def part_of(self, start: int, stop: int) -> tuple[Part, int]:
        """Return the row groups that hold some rows, and the first row of the first one."""
        ends = list(accumulate(self.groups))
        first, last = bisect_right(ends, start), bisect_left(ends, stop)
        return range(first, min(last + 1, len(ends))), ends[first - 1] if first else 0

    def batches(
        self,
        names: Sequence[str],
        chunk_rows: int,
        part: Part = None,
        malformed: Callable[[Malformed], object] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, at most `chunk_rows` at once.

        Parameters
        ----------
        part
            Row groups of a parquet file; default: all rows.
        malformed
            Called for each such line of a CSV file before it is yielded, as a row without values.
            Default: the file is refused.

        Raises
        ------
        SlipwayError
            The file is damaged further down.
        """
        with reading(self.path):
            if self.format:
                for batch in _csv_batches(self.path, names, self.format, malformed):
                    for start in range(0, batch.num_rows, chunk_rows):
                        yield batch.slice(start, chunk_rows)
            else:
                yield from _parquet_batches(self.path, names, chunk_rows, part)


def open_source(path: Path, stated: Stated = FOUND, numbers: Iterable[str] = ()) -> Source:
    """Read the schema of a file.

    Parameters
    ----------
    stated, numbers
        As in `slipway.dataset.csv_format.find_format`.

    Raises
    ------
    SlipwayError
        It does not exist, is neither parquet nor CSV, or cannot be read; or how a CSV file is
        written is neither stated nor found, or a quotation mark in it is not closed.
    """
    require_file(path)
    if path.suffix.lower() not in READ:
        raise SlipwayError(
            f"{path}: none of {', '.join(READ)}", "convert it: `DataFrame.to_parquet(path)`"
        )
    written, groups = None, ()
    if is_csv(path):
        check_first_bytes(path)
        written = find_format(path, stated, numbers)
        with reading(path):
            require_closed(path, written)
            schema, rows = _csv_schema(path, written), None
    else:
        with open_parquet(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            groups = tuple(
                file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)
            )
    types = dict(zip(reversed(schema.names), reversed(schema.types), strict=True))
    ordered = {name: types[name] for name in dict.fromkeys(schema.names)}
    repeated = [name for name in ordered if schema.names.count(name) > 1]
    return Source(path, ordered, repeated, rows, written, groups)


def _parquet_batches(
    path: Path, names: Sequence[str], chunk_rows: int, part: Part
) -> Iterator[pa.RecordBatch]:
    # Buffered: else a whole column of a row group is in memory.
    with open_parquet(path, buffer_size=PARQUET_BUFFER, pre_buffer=False) as file:
        groups = None if part is None else list(part)
        for batch in file.iter_batches(chunk_rows, groups, columns=list(names)):
            batch.validate(full=True)  # Reading alone accepts text that is not UTF-8.
            yield batch


def _csv_schema(path: Path, written: CsvFormat) -> pa.Schema:
    from pyarrow import csv

    read = csv.ReadOptions(encoding=written.encoding)
    # Malformed lines are found, and refused, where the rows are read.
    with csv.open_csv(path, read, _parse_options(written, lambda _: "skip")) as file:
        return file.schema


def _parse_options(
    written: CsvFormat, handler: Callable[[csv.InvalidRow], str] | None = None
) -> csv.ParseOptions:
    from pyarrow import csv

    return csv.ParseOptions(
        delimiter=written.delimiter, newlines_in_values=True, invalid_row_handler=handler
    )


def _csv_batches(
    path: Path,
    names: Sequence[str],
    written: CsvFormat,
    malformed: Callable[[Malformed], object] | None,
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    read = 0
    try:
        with _open_csv(path, names, written) as file:
            for batch in file:
                yield batch
                read += batch.num_rows
    except pa.ArrowInvalid:
        if malformed is None:
            require_one_width(path, written)
            raise
        # Only one thread can number the lines, so the fast way comes first.
        for batch in _with_malformed(path, names, written, malformed):
            yield batch.slice(min(read, batch.num_rows))
            read -= min(read, batch.num_rows)


def _with_malformed(
    path: Path, names: Sequence[str], written: CsvFormat, malformed: Callable[[Malformed], object]
) -> Iterator[pa.RecordBatch]:
    """Yield all rows; malformed lines are rows without values, in their places."""
    import pyarrow as pa

    found: deque[Malformed] = deque()

    def keep(row: csv.InvalidRow) -> str:
        # `number` begins with 1, the header.
        found.append(Malformed(row.number - 2, row.expected_columns, row.actual_columns))
        return "skip"

    def empty() -> pa.RecordBatch:
        malformed(found.popleft())
        return pa.RecordBatch.from_arrays([pa.nulls(1, pa.string())] * len(names), list(names))

    at = 0  # the position of the next row
    with _open_csv(path, names, written, keep) as file:
        for batch in file:
            rest = batch
            while found and found[0].row < at + rest.num_rows:
                before = found[0].row - at
                yield rest.slice(0, before)
                yield empty()
                rest, at = rest.slice(before), at + before + 1
            yield rest
            at += rest.num_rows
        while found:
            yield empty()


def _open_csv(
    path: Path,
    names: Sequence[str],
    written: CsvFormat,
    handler: Callable[[csv.InvalidRow], str] | None = None,
) -> csv.CSVStreamingReader:
    import pyarrow as pa
    from pyarrow import csv

    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        include_columns=list(names),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    read = csv.ReadOptions(
        block_size=CSV_BLOCK, encoding=written.encoding, use_threads=handler is None
    )
    return csv.open_csv(path, read, _parse_options(written, handler), convert)


def values_of(
    column: pa.Array, kind: str, dtype: str, written: CsvFormat | None, zone: str = ""
) -> Values:
    """Return a column of a chunk as pandas reads it; each value depends on its own cell alone.

    Whole numbers stay whole: where some are missing, in one of pandas' nullable types.

    Parameters
    ----------
    kind, dtype, written, zone
        As in `cells_of`.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values, unreadable = cells_of(column, kind, dtype, written, zone)
    series = _to_pandas(values)
    return Values(series, unreadable, series if values is column else column.to_pandas())


def cells_of(
    column: pa.Array, kind: str, dtype: str, written: CsvFormat | None, zone: str = ""
) -> Cells:
    """Return a column of a chunk in its type; each value depends on its own cell alone.

    Parameters
    ----------
    kind, dtype
        Result of `slipway.schema.export.column_type`.
    written
        How the file is written, whose values are text and are parsed as `kind`; None of a parquet
        file.
    zone
        That of times without one; empty: they cannot be read.
    """
    import pyarrow.compute as pc

    if written is None or kind == "string":
        return Cells(column, np.zeros(len(column), dtype=bool))
    if kind == "timestamp":
        values = _read_times(column, zone)
    elif kind == "integer":
        values = _read_integers(column, np.dtype(dtype))
    else:
        values = _read_numbers(column, np.dtype(dtype), written.decimal)
    wrong = pc.and_(pc.is_null(values), pc.invert(_matches(column, MISSING)))
    return Cells(values, wrong.to_numpy(zero_copy_only=False))


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


def _read_numbers(text: pa.Array, dtype: np.dtype[Any], decimal: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = _keep(text, _matches(text, NUMBER.format(mark=f"[{decimal}]")))
    numbers = pc.replace_substring(texts, decimal, ".").cast(pa.from_numpy_dtype(dtype))
    # A number too large for the type is unreadable; infinity in the file is left to the checks.
    fits = pc.or_(pc.is_finite(numbers), _matches(text, INFINITE))
    return _keep(numbers, pc.fill_null(fits, fill_value=False))


def without_zone(text: pa.Array) -> bool:
    """Return whether some of the texts of a column are times without a zone."""
    import pyarrow.compute as pc

    return bool(pc.any(_matches(text, LOCAL_TIME)).as_py())


def _read_times(text: pa.Array, zone: str) -> pa.Array:
    import pyarrow.compute as pc

    moments = _moments(_keep(text, _matches(text, TIME)))
    if not zone:
        return moments
    return pc.coalesce(moments, _moments(_keep(text, _matches(text, LOCAL_TIME)), zone))


def _moments(texts: pa.Array, zone: str = "UTC") -> pa.Array:
    """Return times in UTC, null for a text that is none; without a zone they are of this one.

    A local time that a clock shows twice, or never, is none.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    # Digits beyond microseconds are cut off, as in `slipway.times.parse_time`.
    texts = pc.replace_substring_regex(texts, r"(\.[0-9]{6})[0-9]+", r"\1")
    found = pd.to_datetime(
        texts.to_pandas(), utc=zone == "UTC", format="ISO8601", errors="coerce"
    ).dt.as_unit("us")
    if zone != "UTC":
        found = found.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    return pa.array(found, pa.timestamp("us", "UTC"))


def _nullable(found: pa.DataType) -> Any:
    import pandas as pd

    name = str(found)
    return pd.api.types.pandas_dtype(name.replace("i", "I", 1).replace("uI", "UI"))
