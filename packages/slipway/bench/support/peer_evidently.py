"""Evidently's data-drift preset, in an environment of its own.

    python peer_evidently.py time REFERENCE.parquet NOW.parquet
    python peer_evidently.py windows REFERENCE.parquet FOLDER
    python peer_evidently.py once REFERENCE.parquet NOW.parquet

`time` prints the seconds and the MiB that it took beyond its data; `windows` prints, for each
parquet file of a folder, how many columns drifted and whether the data set did, as JSON. `once`
prints nothing: it is measured as a process.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pandas as pd
from evidently import Report  # type: ignore[import-not-found]
from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]


def drifted(now: pd.DataFrame, reference: pd.DataFrame) -> float:
    """Return the number of columns that it calls drifted."""
    snapshot = Report([DataDriftPreset()]).run(now, reference)
    for metric in snapshot.dict()["metrics"]:
        value = metric["value"]
        if isinstance(value, dict) and "count" in value:
            return float(value["count"])
    sys.exit("the preset has no count of drifted columns: has its report changed?")


def memory(what: str) -> int:
    """Return the bytes this process holds (VmRSS; begins a count) or has held since (VmHWM)."""
    if what == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024


def main(what: str, reference: str, other: str) -> None:
    known = pd.read_parquet(reference)
    if what == "once":
        drifted(pd.read_parquet(other), known)
        return
    if what == "time":
        now = pd.read_parquet(other)
        before = memory("VmRSS")
        start = time.perf_counter()
        drifted(now, known)
        seconds = time.perf_counter() - start
        peak = memory("VmHWM")
        print(json.dumps({"seconds": seconds, "extra": (peak - before) / 2**20}))
        return
    found = {
        path.stem: {"columns": (count := drifted(pd.read_parquet(path), known)), "set": count >= 8}
        for path in sorted(Path(other).glob("*.parquet"))
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
