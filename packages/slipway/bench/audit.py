"""Audit: random predictions of three releases scored again, and what the chain of the log costs.

    bench/audit.py

The releases are commits of this repository that differ in one parameter of `train`. Each is served
in turn, and asked for rows of the newest data file.
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
from urllib.request import Request, urlopen

from support.clone import clone_with_environment, commit, environment_of, run
from support.measure import machine, table

from slipway.audit.verify import verify_log
from slipway.predictions.chain import Chain
from slipway.predictions.record import stamp, to_line
from slipway.predictions.writer import PredictionLog
from slipway.serving.start import serving

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
    run(clone, "slipway", "restore", "data.dvc", "build/model")
    rows = requests(clone, folder / "batch")
    for number in range(RELEASES):
        if number:
            change_parameter(clone / "params.yaml", 1 + number / 10)
            run(clone, "dvc", "repro", "--quiet")
            commit(clone, f"Release {number + 1}")
        with serving(
            clone, environment=environment_of(clone) | {"SLIPWAY_LOG": str(log)}
        ) as service:
            for row in rows:
                request = Request(
                    f"{service.url}/predict", row, {"Content-Type": "application/json"}
                )
                urlopen(request, timeout=60).close()
    lines = [line for path in sorted(log.iterdir()) for line in path.read_bytes().splitlines()]
    models = {each["id"]: each["model"] for each in map(json.loads, lines)}
    chosen, answer = random.Random(1).sample(list(models), SAMPLE), folder / "audit.json"
    asked = ("--replay", "--log", str(log), "--json", str(answer))
    seconds, _ = run(clone, "slipway", "audit", *chosen, *asked, expected=(0, 1))
    results = Counter(
        (models[each["trail"]["id"]], each["replay"]["result"])
        for each in json.loads(answer.read_bytes())
    )
    again = Counter(models[each] for each in chosen)
    made = Counter(models.values())
    print(
        f"{RELEASES} releases of one repository, each served in turn, wrote one log of "
        f"{len(models):,} predictions; {SAMPLE:,} random ones were scored again with the code, "
        f"packages and model of their commits, in {seconds:.0f} s.\n"
    )
    print(
        table(
            [
                {
                    "release": f"{number}",
                    "model (sha256)": model[:12],
                    "predictions": f"{count:,}",
                    "scored again": f"{again[model]:,}",
                    "identical": f"{results[model, 'identical']:,}",
                }
                for number, (model, count) in enumerate(made.items(), start=1)
            ]
        )
        + "\n"
    )
    identical = sum(results[model, "identical"] for model in made)
    if identical != SAMPLE or len(made) != RELEASES:
        sys.exit("not all are identical, or the releases have the same model")


def requests(clone: Path, out: Path) -> list[bytes]:
    """Return random rows of the newest data file that the schema accepts, as bodies."""
    newest = max(path for path in (clone / "data").iterdir() if path.suffix in (".parquet", ".csv"))
    # Some rows of real tables are rejected.
    options = ("--rows", str(newest), "--out", str(out))
    run(clone, "slipway", "score-batch", *options, expected=(0, 1))
    lines = [line for path in sorted((out / "log").iterdir()) for line in path.open("rb")]
    chosen = random.Random(2).sample(lines, min(SAMPLE, len(lines)))
    return [json.dumps(json.loads(line)["input"]).encode() for line in chosen]


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
