"""Time and memory to validate ten million rows, compared with the same checks in plain pandas."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from support.measure import BIN, PACKAGE, ROOT, machine, table

from slipway.dataset.make import default_months
from slipway.progress import track

sys.path.insert(0, str(PACKAGE))
from tests.services.starter_rows import LISTED

ROWS = 10_000_000
ROUNDS = 3
ROW_GROUP = 1_000_000

RANGES = {
    "weekday": (0, 6),
    "dep_minute": (0, 1439),
    "arr_minute": (0, 1439),
    "distance": (10, 6000),
    "hour_departures": (1, 100),
    "plane_year": (1950, 2030),
    "plane_seats": (1, 600),
    "temp": (-40, 130),
    "humid": (0, 100),
    "wind_speed": (0, 150),
    "precip": (0, 10),
    "pressure": (900, 1100),
    "visib": (0, 20),
    "dep_delay": (-120, 3000),
    "arr_delay": (-200, 3000),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        make(path)
        size = path.stat().st_size / 2**20
        commands = {
            "plain pandas": [sys.executable, __file__, str(path)],
            "`slipway validate`": [str(BIN / "slipway"), "validate", str(path)],
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                taken[name].append(measure(command))
    plain, ours = taken.values()
    ratio = statistics.median(o[0] / p[0] for o, p in zip(ours, plain, strict=True))
    print("## Validation\n")
    print(
        f"{ROWS:,} rows of 20 columns in one parquet file of {size:.0f} MiB; whole processes, "
        f"median of {ROUNDS} rounds, interleaved. {machine()}\n"
    )
    print(
        table(
            [
                row("plain pandas", plain, "1", ""),
                row("`slipway validate`", ours, f"{ratio:.2f}", "ratio ≤ 2, peak < 1 GiB"),
            ]
        )
    )


def make(path: Path, count: int = ROWS) -> None:
    """Write real months again and again, with fresh keys: the year in a key counts the rounds."""
    from model.source import month

    rows = pd.concat([month(name) for name in default_months()], ignore_index=True)
    rounds = count // len(rows) + 1
    table_ = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    at, tail = table_.schema.get_field_index("flight_id"), rows["flight_id"].str[4:]
    left = count
    with pq.ParquetWriter(path, table_.schema, compression="zstd") as writer:
        for number in track(range(rounds), "Writing rows"):
            keys = pa.array(f"{2013 + number}" + tail).cast(table_.schema.types[at])
            fresh = table_.set_column(at, "flight_id", keys).slice(0, left)
            writer.write_table(fresh, row_group_size=ROW_GROUP)
            left -= fresh.num_rows


def measure(command: list[str]) -> tuple[float, float]:
    """Return the seconds and the peak memory (MiB) of a process that has to succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def row(name: str, rounds: list[tuple[float, float]], ratio: str, aim: str) -> dict[str, str]:
    seconds = statistics.median(taken for taken, _ in rounds)
    peak = max(memory for _, memory in rounds)
    return {
        "": name,
        "seconds": f"{seconds:.1f}",
        "rows per second": f"{ROWS / seconds:,.0f}",
        "peak memory": f"{peak:,.0f} MiB",
        "time, ratio": ratio,
        "aim": aim,
    }


def plain(path: str) -> int:
    """Make the checks as one would by hand; return how many rows fail any."""
    rows = pd.read_parquet(path)
    times = rows["scheduled_departure"]
    bad = [
        ~rows["flight_id"].str.match(r"^\d{8}-[A-Z0-9]{2}\d{1,4}-[A-Z]{3}$", na=False),
        rows["flight_id"].duplicated(),
        ~rows["dest"].str.match(r"^[A-Z]{3}$", na=False),
        *(~rows[name].isin(values) for name, values in LISTED.items()),
        rows["dest"] == rows["origin"],
        ~((rows["dep_minute"] <= 90) | (rows["dep_minute"] >= 300)),
        times > pd.Timestamp.now("UTC"),
    ]
    bad += [
        ~rows[name].between(low, high) & rows[name].notna() for name, (low, high) in RANGES.items()
    ]
    shares = [float(rows[name].isna().mean()) for name in rows]
    return int(np.sum([mask.sum() for mask in bad])) + sum(share > 0.3 for share in shares)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(plain(sys.argv[1]))
    main()
