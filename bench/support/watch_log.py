"""Watch a log from end to end; print the seconds and the MiB that it took beyond its imports.

python watch_log.py FOLDER OF THE MODEL, LOG
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

# All that a check needs is imported before the clock starts, as the peer's script does.
import duckdb  # noqa: F401
import fsspec
import pandas as pd  # noqa: F401
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.linear_model  # noqa: F401

import slipway.drift.performance
import slipway.labels.store  # noqa: F401
from slipway.drift import drift
from slipway.settings import read_params


def memory(what: str) -> int:
    """Return the bytes this process holds (VmRSS; begins a count) or has held since (VmHWM)."""
    if what == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024


def main(model: str, log: str) -> None:
    params = read_params()
    fsspec.core.url_to_fs(log)
    before = memory("VmRSS")
    start = time.perf_counter()
    report = drift(params, log, Path(model), now=datetime(2024, 7, 7, tzinfo=UTC))
    seconds = time.perf_counter() - start
    peak = memory("VmHWM")
    found = {"seconds": seconds, "extra": (peak - before) / 2**20, "rows": report.rows}
    print(json.dumps(found | {"status": report.status, "words": report.words}))


if __name__ == "__main__":
    main(*sys.argv[1:])
