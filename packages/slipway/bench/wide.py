"""A wide table: 100,000 rows of 1,000 columns through each step, and Evidently on the same table.

    bench/wide.py [slipway] [evidently]

The model is what `slipway adopt` makes of the table; the log is what `slipway score-batch` writes
of as many later rows. Evidently runs with its defaults, in an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drift import SUPPORT, environment
from support import wide_table
from support.clone import clone_with_environment, environment_of
from support.measure import machine, table

COLUMNS = wide_table.NUMBERS + wide_table.CATEGORIES


@dataclass(frozen=True)
class Taken:
    """What one command took; `memory` is that of its largest process, in MiB."""

    seconds: float
    processor: float
    memory: float


def main(wanted: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        folder = Path(name)
        parts, rows = folder / "parts.parquet", folder / "rows.parquet"
        wide_table.write(parts, "2024-01-01", 366, seed=1)
        wide_table.write(rows, "2025-01-01", 35, seed=2)
        found = {}
        if "slipway" in wanted:
            clone = clone_with_environment(folder)
            found = {
                f"`{name}`": measure(command, clone) for name, command in steps(parts, rows).items()
            }
        if "evidently" in wanted:
            script = [environment(folder, "evidently"), str(SUPPORT / "peer_evidently.py"), "once"]
            found["Evidently's data-drift preset"] = measure(
                [*script, str(parts), str(rows)], folder
            )
    print("## A wide table\n")
    print(
        f"{wide_table.ROWS:,} rows of {COLUMNS:,} columns, {wide_table.MISSING:.0%} missing, and a "
        f"log of as many rows; whole processes, one run each. {machine()}\n"
    )
    print(table(row(name, taken) for name, taken in found.items()))


def steps(parts: Path, rows: Path) -> dict[str, list[str]]:
    out = "build/scores"
    log = ["--log", f"{out}/log"]
    return {
        "slipway adopt": ["slipway", "adopt", str(parts), "--target", "failed", "--yes"],
        "slipway validate": ["slipway", "validate"],
        "slipway prepare": ["slipway", "prepare"],
        "slipway train": ["slipway", "train"],
        "slipway score-batch": f"slipway score-batch --rows {rows} --out {out}".split(),
        "slipway drift": ["slipway", "drift", *log],
        "slipway page": ["slipway", "page", *log],
    }


def measure(command: Sequence[str], folder: Path) -> Taken:
    """Measure a command that answers yes or no."""
    environment = environment_of(folder) | {"DO_NOT_TRACK": "1", "OMP_WAIT_POLICY": "passive"}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{output.read().decode()[-3000:]}")
    seconds = time.perf_counter() - start
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def row(name: str, taken: Taken) -> dict[str, str]:
    return {
        "": name,
        "seconds": f"{taken.seconds:.0f}",
        "processor, seconds": f"{taken.processor:.0f}",
        "peak memory of a process, MiB": f"{taken.memory:,.0f}",
        "aim": "≤ 60 s, ≤ 1,024 MiB" if name == "`slipway drift`" else "",
    }


if __name__ == "__main__":
    main(sys.argv[1:] or ["slipway", "evidently"])
