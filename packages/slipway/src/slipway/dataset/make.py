"""`slipway data`: make the starter data, one parquet file a month."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from slipway.errors import SlipwayError
from slipway.progress import track

STARTER = tuple(f"2013-{number:02d}" for number in range(1, 10))


def further_months(newest: str) -> list[str]:
    """Return the months that the source has after one of them."""
    from model import source

    return [name for name in source.MONTHS if name > newest]


def make_months(months: Iterable[str], folder: Path) -> list[Path]:
    """Write the files of some months and return their paths.

    The same months give the same bytes: the rows are in a fixed order, and a file has no time and
    no library version but that of Arrow.

    Raises
    ------
    SlipwayError
        A month does not exist at the source, or the source cannot be reached.
    """
    from model import source

    requested = list(months)
    unknown = [name for name in requested if name not in source.MONTHS]
    if unknown:
        raise SlipwayError(
            f"no month {', '.join(unknown)} at the source",
            f"choose from {source.MONTHS[0]} to {source.MONTHS[-1]}",
        )
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(name, folder) for name in track(requested, "Making months")]


def _write(name: str, folder: Path) -> Path:
    from model import source

    path = folder / f"{name}.parquet"
    try:
        write_month(source.month(name), path)
    except LookupError as missing:
        raise SlipwayError(
            f"the package {missing} is not installed, which has the tables",
            "install the environment again with `make setup`",
        ) from None
    return path


def write_month(rows: pd.DataFrame, path: Path) -> None:
    """Write one month's rows: text as dictionaries, everything compressed, no index."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", compression_level=19)
