"""Make the files that must be accepted and those that must be rejected, one fault a folder.

Run it after a change of the schema: ``python -m tests.dataset.make_rejected``. A folder is
named after the one fault that its files have: ``<column>.<check>`` or ``rule.<name>``, and
``@`` with what is special about it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model.source import month

HERE = Path(__file__).parent
MONTH = "2013-09"
ROWS = 200

Break = Callable[[pd.DataFrame], pd.DataFrame]


def good() -> pd.DataFrame:
    """Two hundred real flights of September, evenly spaced, all in order."""
    rows = month(MONTH)
    return rows.iloc[:: len(rows) // ROWS].head(ROWS).reset_index(drop=True)


def put(column: str, value: Any, *rows: int) -> Break:
    """Write a value into some rows."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[list(rows), column] = value
        return frame

    return change


def again(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[[20]]], ignore_index=True)


def at(row: int, time: str) -> Break:
    return put("scheduled_departure", pd.Timestamp(time, tz="UTC"), row)


BROKEN: dict[str, Break] = {
    "rule.arrives_elsewhere": lambda rows: rows.assign(
        dest=rows["dest"].mask(rows.index == 3, rows["origin"])
    ),
    "rule.leaves_when_open": put("dep_minute", 200, 7),
    "arr_delay.in_range": put("arr_delay", 5000, 11),
    "carrier.isin": put("carrier", "ZZ", 2, 50),
    "dep_minute.in_range": put("dep_minute", 1620, 14, 15, 16, 17, 18, 19, 190),
    "dest.str_matches": put("dest", "lga", 9),
    "flight_id.str_matches": put("flight_id", "20130901-US1-", 0),
    "flight_id.unique": again,
    "humid.missing_column": lambda rows: rows.drop(columns="humid"),
    "origin.not_nullable": put("origin", None, 40),
    "scheduled_departure.not_nullable": put("scheduled_departure", pd.NaT, 5),
    "scheduled_departure.type": lambda rows: rows.astype(
        {"scheduled_departure": "datetime64[ns, UTC]"}
    ),
    "temp.in_range": put("temp", np.inf, 30),
    "temp.max_missing": put("temp", np.nan, *range(100, 125)),
    "temp.type": lambda rows: rows.astype({"temp": "float64"}),
    "dest.type": lambda rows: rows.assign(dest=1),
    "weekday.not_nullable": lambda rows: rows.astype({"weekday": "Int8"}).pipe(
        put("weekday", pd.NA, 6)
    ),
    "weekday.type": lambda rows: rows.astype({"weekday": "int64"}),
    "wings.unknown_column": lambda rows: rows.assign(wings=2),
}


def make(folder: Path) -> None:
    """Write ``good/``, ``rejected/`` and ``unreadable/`` into a folder."""
    for name in ("good", "rejected", "unreadable"):
        shutil.rmtree(folder / name, ignore_errors=True)
    write(good(), folder / f"good/{MONTH}.parquet")
    write(good(), folder / f"good/csv/{MONTH}.csv")
    for fault, change in BROKEN.items():
        write(change(good()), folder / f"rejected/{fault}/{MONTH}.parquet")
    _make_others(folder / "rejected")
    _make_unreadable(folder / "unreadable")


def write(rows: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        rows.to_csv(path, index=False, lineterminator="\n")
    else:
        _write(pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None), path)


def _write(table: pa.Table, path: Path, compression: str = "zstd") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    level = 19 if compression == "zstd" else None
    pq.write_table(table, path, compression=compression, compression_level=level)


def _make_others(folder: Path) -> None:
    """Write the faults that are not of one parquet file."""
    write(
        good().pipe(at(3, "2199-01-01T12:00:00")),
        folder / "scheduled_departure.future/flights.parquet",
    )
    write(good().head(0), folder / "file.no_rows/flights.parquet")
    write(good().head(120), folder / "flight_id.unique@two_files/2013-09.parquet")
    write(good().tail(100), folder / "flight_id.unique@two_files/late.parquet")
    table = pa.Table.from_pandas(good(), preserve_index=False).replace_schema_metadata(None)
    _write(
        table.append_column("dest", table["dest"]), folder / f"dest.repeated_column/{MONTH}.parquet"
    )
    as_text = good().astype({"distance": object}).pipe(put("distance", "far", 8, 9))
    write(as_text, folder / f"distance.type@csv/{MONTH}.csv")
    as_text = good().astype({"weekday": object}).pipe(put("weekday", 300, 8))
    write(as_text, folder / f"weekday.type@csv/{MONTH}.csv")
    as_text = (
        good()
        .astype({"scheduled_departure": str})
        .pipe(put("scheduled_departure", "15.09.2013 10:00", 100))
    )
    write(as_text, folder / f"scheduled_departure.type@csv/{MONTH}.csv")


def _make_unreadable(folder: Path) -> None:
    folder.mkdir(parents=True)
    content = (folder.parent / f"good/{MONTH}.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(content[: len(content) // 2])
    # The footer is whole, so the damage shows only when the rows are read.
    (folder / "damaged.parquet").write_bytes(b"PAR1" + bytes(4000) + content[4004:])
    name = b"JetBlue".ljust(1000)
    _write(pa.table({"dest": [name.decode()] * 2}), folder / "text.parquet", compression="none")
    plain = (folder / "text.parquet").read_bytes()
    (folder / "text.parquet").write_bytes(plain.replace(name, b"\xff" + name[1:]))
    (folder / "empty.parquet").write_bytes(b"")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "ragged.csv").write_text("flight_id,dest\n1,EWR\n2\n", "utf-8")
    (folder / "cyrillic.csv").write_bytes("flight_id,dest\n1,Москва\n".encode("windows-1251"))
    (folder / "rows.xlsx").write_bytes(b"PK")


if __name__ == "__main__":
    make(HERE)
