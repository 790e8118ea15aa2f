"""Parquet files as columns, JSON files, and hashes of files and keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.dataset.csv_format import FOUND, Stated
from slipway.errors import SlipwayError

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.project import Columns

PREPARED = Path("build/prepared")

# Significant digits of metrics in reports.
DIGITS = 6


def read_columns(
    paths: Sequence[Path], names: Iterable[str] | None = None, stated: Stated = FOUND
) -> dict[str, np.ndarray]:
    """Return the rows of some parquet and CSV files, concatenated, as columns.

    Parameters
    ----------
    names
        The columns to read; default: all.
    stated
        How CSV files are written (`slipway.dataset.csv_format`).

    Raises
    ------
    SlipwayError
        A file cannot be read, or lacks a column.
    """
    from slipway.dataset.reader import read_rows

    return to_columns(read_rows(paths, names, stated))


def to_columns(table: pa.Table) -> dict[str, np.ndarray]:
    """Return an Arrow table as numpy columns: text as str objects, time as UTC datetime64[us]."""
    import pyarrow as pa

    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us"))
        columns[name] = column.to_numpy()
    return columns


def write_columns(columns: Columns, path: Path) -> None:
    """Write columns as parquet; the same columns give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        name: _text(values).dictionary_encode() if values.dtype == object else pa.array(values)
        for name, values in columns.items()
    }
    pq.write_table(pa.table(arrays), path, compression="zstd")


def _text(values: np.ndarray) -> pa.Array:
    import pyarrow as pa

    array = pa.array(values, from_pandas=False)
    # Arrow infers no type from no values, and cannot write that as a dictionary.
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def take(columns: Columns, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """Return some rows: `rows` is a mask, an array of positions or a slice."""
    return {name: values[rows] for name, values in columns.items()}


def row_count(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def as_rows(columns: Columns) -> list[dict[str, object]]:
    """Return columns as JSON rows, as a client sends them to the service."""
    plain = {name: _plain(values) for name, values in columns.items()}
    return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's hash, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def files_of(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file of a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def keys_digest(keys: Iterable[Any]) -> str:
    """Return the sha256 of a set of rows: of their keys as text, sorted, one a line."""
    return hashlib.sha256("\n".join(sorted(map(str, keys))).encode()).hexdigest()


def write_json(value: Any, path: Path) -> None:
    """Write indented JSON; raises ValueError for numbers that are not finite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    # A file name that is not UTF-8 holds surrogates: JSON has an escape for them.
    path.write_text(text, "utf-8", errors="backslashreplace")


def round_floats(value: Any, digits: int = DIGITS) -> Any:
    """Return a JSON value with each float rounded to some significant digits.

    Processors add numbers in different sequences, so the sixteenth digit differs between them. A
    number is also rounded to 12 decimals, else the rounding error of a zero would have digits.
    """
    if isinstance(value, dict):
        return {key: round_floats(each, digits) for key, each in value.items()}
    if isinstance(value, list):
        return [round_floats(each, digits) for each in value]
    if isinstance(value, float):
        return float(f"{round(value, 12):.{digits}g}") + 0.0  # not -0.0
    return value


def read_json(path: Path, made_by: str) -> Any:
    """Return the content of a JSON file that an earlier step wrote.

    Raises
    ------
    SlipwayError
        The file is missing or is not JSON; the message names the step that writes it.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SlipwayError(f"{path}: no such file", f"make it with `{made_by}`") from None
    except ValueError as error:
        raise SlipwayError(
            f"{path}: not JSON ({error})", f"make it again with `{made_by}`"
        ) from None


def _plain(values: np.ndarray) -> list[Any]:
    if values.dtype.kind == "M":
        unit = "s" if np.all(values == values.astype("datetime64[s]")) else "us"
        return [f"{value}Z" for value in values.astype(f"datetime64[{unit}]")]
    if values.dtype.kind == "f":
        # str() gives the fewest digits that name the same float32.
        return [None if np.isnan(value) else float(str(value)) for value in values]
    return list(values.tolist())
