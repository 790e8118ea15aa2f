"""Audit: random predictions of three releases scored again, and what the chain of the log costs.

    bench/audit.py

The releases are commits of this repository that differ in one parameter of `train`; each scores
the newest data file.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from support.clone import clone_with_environment, commit, run
from support.measure import machine, table

from slipway.audit.verify import verify_log
from slipway.predictions.chain import Chain
from slipway.predictions.record import stamp, to_line
from slipway.predictions.writer import PredictionLog

RELEASES, SAMPLE = 3, 1_000
WRITTEN = 200_000
TOGETHER = (1, 50, 1_000)


def main() -> None:
    print(f"## Audit\n\n{machine()}\n")
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        replayed(Path(folder))
        chained(Path(folder))


def replayed(folder: Path) -> None:
    clone, log = clone_with_environment(folder), folder / "log"
    log.mkdir()
    run(clone, "slipway", "restore", "data.dvc", "build/model")
    rows = max(path for path in (clone / "data").iterdir() if path.suffix in (".parquet", ".csv"))
    for number in range(RELEASES):
        if number:
            change_parameter(clone / "params.yaml", 1 + number / 10)
            run(clone, "dvc", "repro", "--quiet")
            commit(clone, f"Release {number + 1}")
        out = folder / f"release-{number}"
        # Some rows of real tables are rejected.
        options = ("--rows", str(rows), "--out", str(out))
        run(clone, "slipway", "score-batch", *options, expected=(0, 1))
        for path in (out / "log").iterdir():
            path.rename(log / path.name)
    ids = [json.loads(line)["id"] for path in sorted(log.iterdir()) for line in path.open("rb")]
    chosen, answer = random.Random(1).sample(ids, min(SAMPLE, len(ids))), folder / "audit.json"
    asked = ("--replay", "--log", str(log), "--json", str(answer))
    seconds, _ = run(clone, "slipway", "audit", *chosen, *asked, expected=(0, 1))
    audits = json.loads(answer.read_bytes())
    results = Counter(each["replay"]["result"] for each in audits)
    models = {each["replay"]["model"] for each in audits}
    print(
        f"{len(audits):,} random predictions of {len(ids):,} in the log, by {len(models)} models "
        f"of {RELEASES} commits, scored again with the code of their commits in {seconds:.0f} s: "
        + ", ".join(f"{number:,} {result}" for result, number in results.items())
        + ".\n"
    )
    if set(results) != {"identical"} or len(models) != RELEASES:
        sys.exit("not all are identical, or the releases have the same model")


def change_parameter(path: Path, factor: float) -> None:
    """Multiply the first number below `train`."""
    head, train, rest = path.read_text("utf-8").partition("\ntrain:")
    changed = re.sub(
        r"(\n +\w+: )(\d+(?:\.\d+)?)",
        lambda found: f"{found[1]}{float(found[2]) * factor:g}",
        rest,
        count=1,
    )
    if not train or changed == rest:
        sys.exit("params.yaml has no number below train")
    path.write_text(head + train + changed, "utf-8")


def chained(folder: Path) -> None:
    line = record(12)
    rows = []
    for number in TOGETHER:
        log, lines = folder / f"written-{number}", line * number
        count = min(WRITTEN, number * 2_000)
        seconds = asyncio.run(write(log, lines, count // number))
        chain, began = Chain("a"), time.perf_counter()
        for _ in range(count // number):
            chain.extend(lines)
        links = time.perf_counter() - began
        verified = verify_log(str(log))
        if verified.faults or verified.records != count:
            sys.exit(f"{verified.faults[:3]} of {verified.records} records")
        rows.append(
            {
                "records in a commit": f"{number:,}",
                "µs a record, written": f"{seconds / count * 1e6:.1f}",
                "of these for the chain": f"{links / count * 1e6:.1f}",
                "share": f"{links / seconds:.1%}",
            }
        )
    print(f"The log waits for the disk; a record has {len(line):,} bytes without its link.\n")
    print(table(rows))


async def write(folder: Path, lines: bytes, commits: int) -> float:
    log, day = PredictionLog(folder, sync=True), datetime.now(UTC).date()
    began = time.perf_counter()
    for _ in range(commits):
        await log.append(day, lines)
    seconds = time.perf_counter() - began
    await log.close()
    return seconds


def record(inputs: int) -> bytes:
    row = {f"column_{number}": number / 7 for number in range(inputs)}
    answer = {"probability": 0.123456789, "decision": False, "review": False, "reasons": []}
    about = {"time": stamp(datetime.now(UTC)), "model": "0" * 64, "data": "0" * 32, "version": 1}
    return to_line(
        {"id": "0" * 36, "key": "a", "input": row} | answer | about | {"commit": "0" * 40}
    )


if __name__ == "__main__":
    main()
