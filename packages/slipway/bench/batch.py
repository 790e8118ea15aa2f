"""Batch scoring: rows a minute and memory, compared with a plain pandas and scikit-learn script.

The script reads the file, predicts and writes keys and scores. `slipway score-batch` also checks
each row and writes the prediction log.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from support import plain_batch
from support.measure import BIN, ROOT, machine, table
from validate import make

ROWS = 5_000_000
ROUNDS = 3


@dataclass(frozen=True)
class Taken:
    """What one run took; `processor` is of all its processes, `memory` of the largest, in MiB."""

    seconds: float
    processor: float
    memory: float


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, out = folder / "rows.parquet", folder / "out"
        make(rows, ROWS)
        script = [sys.executable, __file__, str(folder / "model.joblib")]
        subprocess.run(script, cwd=ROOT, check=True)
        slipway = [str(BIN / "slipway"), "score-batch", "--rows", str(rows), "--out", str(out)]
        commands = {
            "plain pandas and scikit-learn": [*script, str(rows), str(folder / "scores.parquet")],
            "`slipway score-batch`": slipway,
            "the same, one process": [*slipway, "--processes", "1"],
        }
        taken: dict[str, list[Taken]] = {each: [] for each in commands}
        for _ in range(ROUNDS):
            for each, command in commands.items():
                taken[each].append(measure(command))
                written = _size(out) if out.exists() else 0
                shutil.rmtree(out, ignore_errors=True)
    first = statistics.median(each.seconds for each in next(iter(taken.values())))
    print("## Batch scoring\n")
    print(
        f"{ROWS:,} rows in one parquet file; whole processes, median of {ROUNDS} rounds, "
        f"interleaved; {written:,.0f} MiB of scores and log. {machine()}\n"
    )
    print(table([row(name, rounds, first) for name, rounds in taken.items()]))


def measure(command: list[str]) -> Taken:
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    seconds = time.perf_counter() - start
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def row(name: str, rounds: list[Taken], first: float) -> dict[str, str]:
    seconds = statistics.median(each.seconds for each in rounds)
    processor = statistics.median(each.processor for each in rounds)
    return {
        "": name,
        "seconds": f"{seconds:.1f}",
        "million rows a minute (aim: 5)": f"{ROWS / seconds * 60 / 1e6:.1f}",
        "processor, µs a row": f"{processor / ROWS * 1e6:.1f}",
        "peak memory of a process": f"{max(each.memory for each in rounds):,.0f} MiB",
        "time, ratio": f"{seconds / first:.2f}",
    }


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    if not paths:
        main()
    elif len(paths) == 1:
        plain_batch.fit(*paths)
    else:
        plain_batch.score(*paths)
