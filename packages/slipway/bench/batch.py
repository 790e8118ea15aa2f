"""Batch scoring: rows a minute and memory, compared with a plain pandas and scikit-learn script.

The script reads the file, predicts and writes keys and scores. `slipway score-batch` also checks
each row and writes the prediction log. `batch.py trees` compares only the model file of trees,
which onnxruntime reads, with libraries that compile them.
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

import numpy as np
import pandas as pd
from drift import SUPPORT, environment
from drift import run as run_script
from lightgbm import LGBMClassifier
from support import plain_batch
from support.measure import BIN, ROOT, machine, table
from validate import make

from slipway.batch.score import CHUNK_ROWS
from slipway.dataset.tables import take
from slipway.training.formats.onnx import ONNX

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


# Of the trees that only score, without files and checks.
TREES, LEAVES, FEATURES = 500, 31, 20
LEARNED, TREE_ROWS = 100_000, 200_000


def trees() -> None:
    """Score the same rows with the same trees: by the model file, and compiled."""
    rng = np.random.default_rng(5)
    names = [f"x{number}" for number in range(FEATURES)]
    values = rng.normal(size=(TREE_ROWS, FEATURES)).astype("float32")
    learned = pd.DataFrame(values[:LEARNED], columns=names)
    label = values[:LEARNED, :3].sum(axis=1) + rng.normal(size=LEARNED) > 0
    fitted = LGBMClassifier(n_estimators=TREES, num_leaves=LEAVES, verbose=-1).fit(learned, label)
    types = dict.fromkeys(names, "number")
    predict = ONNX.load(ONNX.export(fitted, types).content, types, ())
    columns = {name: values[:, at] for at, name in enumerate(names)}
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        # In chunks, as `slipway score-batch`.
        chunks = range(0, TREE_ROWS, CHUNK_ROWS)
        scores = np.concatenate(
            [predict(take(columns, slice(at, at + CHUNK_ROWS))) for at in chunks]
        )
        taken.append(time.perf_counter() - start)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted.booster_.save_model(folder / "trees.txt")
        np.save(folder / "rows.npy", values)
        expected = fitted.booster_.predict(values)
        difference = float(np.abs(scores[:, 1] - expected).max())
        ours = {"seconds": taken, "compiled": 0.0, "difference": difference}
        script = [environment(folder, "trees"), str(SUPPORT / "peer_trees.py")]
        files = [str(folder / "trees.txt"), str(folder / "rows.npy"), str(ROUNDS)]
        found = {"`model.onnx` by onnxruntime": ours} | run_script([*script, *files])
    print("### Trees alone\n")
    print(
        f"{TREES} trees of {LEAVES} leaves, {FEATURES} numbers, {TREE_ROWS:,} rows in memory, all "
        f"cores, median of {ROUNDS} rounds. {machine()}\n"
    )
    print(
        table(
            {
                "": name,
                "million rows a minute": f"{_a_minute(each['seconds']):.1f}",
                "compiled in, seconds": f"{each['compiled']:.0f}" if each["compiled"] > 1 else "",
                "largest difference": f"{each['difference']:.0e}",
            }
            for name, each in found.items()
        )
    )


def _a_minute(seconds: list[float]) -> float:
    return TREE_ROWS / statistics.median(seconds) * 60 / 1e6


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
        print()
        trees()
    elif sys.argv[1:] == ["trees"]:
        trees()
    elif len(paths) == 1:
        plain_batch.fit(*paths)
    else:
        plain_batch.score(*paths)
