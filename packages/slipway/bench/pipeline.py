"""Cost of the pipeline, compared with one plain script that fits and scores the same estimator."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from support.measure import BIN, ROOT, clean_copy, machine, median, seconds, table

ROUNDS = 3
NOTHING_TO_DO = 5
PLAIN = [sys.executable, str(ROOT / "packages/slipway/bench/support/plain.py")]
REPRO = [str(BIN / "dvc"), "repro", "--quiet"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = clean_copy(Path(folder))
        plain, repro = [], []
        for _ in range(ROUNDS):
            plain.append(seconds(PLAIN, copy))
            forget(copy)
            repro.append(seconds(REPRO, copy))
        idle = [seconds(REPRO, copy) for _ in range(NOTHING_TO_DO)]
    ratio = statistics.median(ours / theirs for ours, theirs in zip(repro, plain, strict=True))
    print("## The pipeline\n")
    print(f"Seconds, median (fastest to slowest) of {ROUNDS} rounds, interleaved. {machine()}\n")
    print(
        table(
            [
                _row("plain script", plain, "1", ""),
                _row("`dvc repro` from nothing", repro, f"{ratio:.2f}", "ratio ≤ 1.5"),
                _row("`dvc repro`, nothing to do", idle, "", "≤ 2 s"),
            ]
        )
    )


def forget(copy: Path) -> None:
    """Take away everything that a run of the pipeline leaves."""
    for name in ("build", "reports", ".dvc/cache/runs", ".dvc/tmp"):
        shutil.rmtree(copy / name, ignore_errors=True)
    (copy / "dvc.lock").unlink(missing_ok=True)


def _row(name: str, times: list[float], ratio: str, aim: str) -> dict[str, str]:
    return {"": name, "seconds": median(times), "ratio": ratio, "aim": aim}


if __name__ == "__main__":
    main()
