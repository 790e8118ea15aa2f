"""Watch a log from end to end; print the seconds and the MiB that it took beyond its imports.

python watch_log.py FOLDER OF THE MODEL, LOG
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from slipway.monitoring.check import drift
from slipway.settings import read_params

# A check imports these where it needs them; here before the clock starts, as the peer does.
NEEDED = (
    "duckdb",
    "fsspec",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.linear_model",
    "slipway.monitoring.performance",
    "slipway.predictions.labels.store",
)


def memory(what: str) -> int:
    """Return the bytes this process holds (VmRSS; begins a count) or has held since (VmHWM)."""
    if what == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024


def main(model: str, log: str) -> None:
    params = read_params()
    for name in NEEDED:
        import_module(name)
    before = memory("VmRSS")
    start = time.perf_counter()
    report = drift(params, log, Path(model), now=datetime(2024, 7, 7, tzinfo=UTC))
    seconds = time.perf_counter() - start
    peak = memory("VmHWM")
    found = {"seconds": seconds, "extra": (peak - before) / 2**20, "rows": report.rows}
    print(json.dumps(found | {"status": report.status, "words": report.words}))


if __name__ == "__main__":
    main(*sys.argv[1:])
