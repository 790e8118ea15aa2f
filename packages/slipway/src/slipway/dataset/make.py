"""`slipway data`: make months of data, one parquet file each, from `src/model/source.py`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pandas as pd

from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.user_code import UserCodeError, user_code

SOURCE = "src/model/source.py"


def source_months() -> list[str]:
    """Return the months that the source has."""
    return list(_source("MONTHS"))


def default_months() -> list[str]:
    """Return the source's `STARTER` if it defines that, or all of its months."""
    return list(_source("STARTER", default=source_months()))


def further_months(newest: str) -> list[str]:
    """Return the months that the source has after one of them."""
    return [name for name in source_months() if name > newest]


def make_months(months: Iterable[str], folder: Path) -> list[Path]:
    """Write the files of some months and return their paths.

    The same months give the same bytes: the rows are in a fixed order, and a file has no time and
    no library version but that of Arrow.

    Raises
    ------
    SlipwayError
        A month does not exist at the source, or the source cannot be reached.
    """
    requested = list(months)
    known = source_months()
    if not known:
        raise SlipwayError(
            f"{SOURCE}: `MONTHS` is empty",
            "copy your files to data/, or define `MONTHS` and `month` as docs/data.md shows",
        )
    unknown = [name for name in requested if name not in known]
    if unknown:
        raise SlipwayError(
            f"no month {', '.join(unknown)} at the source",
            f"choose from {known[0]} to {known[-1]}",
        )
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(name, folder) for name in track(requested, "Making months")]


def _source(name: str, default: Any = None) -> Any:
    """Return what `src/model/source.py` defines."""
    with user_code():
        source = import_module("model.source")
    found = getattr(source, name, default)
    if found is None:
        raise SlipwayError(f"{SOURCE} defines no `{name}`", "define it, as docs/data.md shows")
    return found


def _write(name: str, folder: Path) -> Path:
    make = _source("month")
    try:
        with user_code(f"{SOURCE}: `month` of {name}"):
            rows = make(name)
    except UserCodeError as error:
        missing = error.__cause__.__cause__ if error.__cause__ else None
        if isinstance(missing, PackageNotFoundError):
            raise SlipwayError(
                f"the package {missing.name} is not installed, which has the tables",
                "install the environment again with `make setup`",
            ) from None
        raise
    if not isinstance(rows, pd.DataFrame):
        raise SlipwayError(
            f"{SOURCE}: `month` returns a {type(rows).__name__} for {name}",
            "return a pandas DataFrame with the columns of src/model/schema.py",
        )
    path = folder / f"{name}.parquet"
    write_month(rows, path)
    return path


def write_month(rows: pd.DataFrame, path: Path) -> None:
    """Write one month's rows: text as dictionaries, everything compressed, no index."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", compression_level=19)
