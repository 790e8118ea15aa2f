"""Batch scoring under `kill -9`: runs that are killed at random, and each row once at the end.

All processes of a run are killed at once. The next run continues. At the end the scores, and the
records of the log, are compared with the rows.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import pandas as pd
from support.measure import BIN, ROOT, machine
from validate import make

ROWS, CHUNK = 4_000_000, 5_000
KILLS = 20
LONGEST = 5.0  # seconds until a run is killed


def main() -> None:
    moments = random.Random(3)
    with tempfile.TemporaryDirectory() as name:
        rows, out = Path(name) / "rows.parquet", Path(name) / "out"
        make(rows, ROWS)
        command = [str(BIN / "slipway"), "score-batch", "--rows", str(rows), "--out", str(out)]
        command += ["--chunk-rows", str(CHUNK)]
        chunks = [kill(command, moments.uniform(0.2, LONGEST), out) for _ in range(KILLS)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        check(rows, out)
    print("## Batch scoring under `kill -9`\n")
    print(
        f"{ROWS:,} rows in chunks of {CHUNK:,}; {KILLS} runs killed after 0.2 to {LONGEST:g} s, "
        f"with {chunks[0]} to {chunks[-1]} of {ROWS // CHUNK} chunks complete; then one to the "
        f"end. Each row is in the scores once, and in the log once. {machine()}"
    )


def kill(command: list[str], seconds: float, out: Path) -> int:
    """Start a run, kill its processes, and return how many chunks are complete."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    if process.poll() is not None:
        sys.exit("a run ended before it was killed: use more rows")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(list((out / "scores").glob("*.parquet")))


def check(rows: Path, out: Path) -> None:
    keys = pd.read_parquet(rows, columns=["flight_id"])["flight_id"]
    scores = pd.read_parquet(out / "scores", columns=["row", "key", "id"]).sort_values("row")
    logged = [
        (record["id"], record["key"])
        for path in (out / "log").iterdir()
        for record in map(orjson.loads, path.open("rb"))
    ]
    if scores["row"].tolist() != list(range(ROWS)) or not (scores["key"] == keys.to_numpy()).all():
        sys.exit("a row is missing in the scores, or there twice")
    if sorted(logged) != sorted(zip(scores["id"], scores["key"], strict=True)):
        sys.exit("a record is missing in the log, or there twice")


if __name__ == "__main__":
    main()
