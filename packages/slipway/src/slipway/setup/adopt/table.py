"""A table of any columns: their types, found in its cells, and what has to be converted.

A schema has four types: text, whole numbers, numbers and times. A file whose columns have them is
used as it is; others are written again, as parquet, and each conversion is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway.dataset.chunks import NUMBER, Source, open_source
from slipway.dataset.csv_format import FOUND, Stated
from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.setup.adopt.column import Column
from slipway.setup.adopt.text_column import share_of, text_column
from slipway.setup.adopt.typed_column import typed_column
from slipway.untrusted import escaped, shown_name

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 250_000

# Of a CSV file, which show how numbers are written.
SAMPLE_ROWS = 10_000

# A column of pandas that numbers the rows.
INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+")


@dataclass(frozen=True)
class Table:
    """The rows of some files.

    Attributes
    ----------
    left_out
        Columns that no schema can have, with the reason.
    """

    paths: Sequence[Path]
    columns: dict[str, Column]
    left_out: dict[str, str]

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())).values)

    @property
    def converted(self) -> dict[str, str]:
        """The conversions, by column; without any the files are used as they are."""
        return {each.name: each.converted for each in self.columns.values() if each.converted}


def read_table(paths: Sequence[Path], stated: Stated = FOUND, zone: str = "UTC") -> Table:
    """Read files of the same columns, and find the types of these.

    Parameters
    ----------
    stated
        How CSV files are written.
    zone
        That of times without one.

    Raises
    ------
    SlipwayError
        A file cannot be read, or has other columns than the first one, or one twice; or there is no
        row.
    """
    sources = [_open(path, stated) for path in paths]
    _require_same(sources)
    names = list(sources[0].types)
    parts = [_read(source, names) for source in track(sources, "Reading")]
    if not sum(part.num_rows for part in parts):
        raise SlipwayError(f"{paths[0]}: no rows", "give a file that has rows")
    columns: dict[str, Column] = {}
    left_out: dict[str, str] = {}
    for name in track(names, "Finding the types"):
        cells = [part[name].combine_chunks() for part in parts]
        found = _column(name, cells, sources, zone)
        if isinstance(found, str):
            left_out[name] = escaped(found)
        else:
            columns[name] = found
    if not columns:
        reasons = ", ".join(f"{shown_name(name)}: {why}" for name, why in left_out.items())
        raise SlipwayError(f"{paths[0]}: no column can be used ({reasons})", "see docs/adopt.md")
    return Table(tuple(paths), columns, left_out)


def _open(path: Path, stated: Stated) -> Source:
    source = open_source(path, stated)
    if source.repeated:
        what = f"{path}: column {shown_name(source.repeated[0])} is repeated"
        raise SlipwayError(what, "give each column another name")
    if not source.format:
        return source
    # Which columns hold numbers is not known before they are read, and they show the decimal mark.
    sample = next(source.batches(list(source.types), SAMPLE_ROWS), None)
    mark = NUMBER.format(mark="[.,]")
    numbers = [
        name for name in source.types if sample is not None and share_of(sample[name], mark) > 0.9
    ]
    return open_source(path, stated, numbers)


def _require_same(sources: Sequence[Source]) -> None:
    first, names = sources[0], [source.path.name for source in sources]
    if repeated := next((name for name in names if names.count(name) > 1), ""):
        raise SlipwayError(
            f"two files are named {shown_name(repeated)}, and data/ has no folders",
            "rename one of them",
        )
    for source in sources[1:]:
        if other := source.types.keys() ^ first.types.keys():
            raise SlipwayError(
                f"column {shown_name(min(other))} is in {first.path} or in {source.path}, not in "
                "both",
                "give files of the same columns",
            )
        if (source.format is None) != (first.format is None):
            raise SlipwayError(
                f"{source.path}: another format than {first.path}", "give files of one format"
            )


def _read(source: Source, names: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    batches = list(source.batches(names, CHUNK_ROWS))
    text = pa.schema([(name, pa.string()) for name in names])
    schema = text if source.format else pa.schema([(n, source.types[n]) for n in names])
    return pa.Table.from_batches(batches, batches[0].schema if batches else schema)


def _column(
    name: str, cells: Sequence[pa.Array], sources: Sequence[Source], zone: str
) -> Column | str:
    """Return a column, or why no schema can have it."""
    if not name.strip():
        return "has no name"
    if INDEX.fullmatch(name):
        return "is an index of pandas without a name: name it if it is a key"
    if sources[0].format:
        return text_column(name, cells, sources, zone)
    return typed_column(name, cells, [source.path for source in sources], zone)


def to_arrow(table: Table, rows: np.ndarray | None = None) -> pa.Table:
    """Return the columns in their types, those left out removed."""
    import pandas as pd
    import pyarrow as pa

    def array(column: Column) -> pa.Array:
        values = column.values if rows is None else column.values[rows]
        if column.kind == "time":
            return pa.array(values, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
        if column.kind == "text":
            return pa.array(values, pa.string(), from_pandas=True)
        return pa.array(pd.Series(values), from_pandas=True).cast(
            pa.from_numpy_dtype(np.dtype(column.dtype))
        )

    return pa.table({name: array(column) for name, column in table.columns.items()})
