"""Watch a log from end to end; print the seconds and the MiB that it took beyond its imports.

python watch_log.py FOLDER OF THE MODEL, LOG
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pandas as pd  # noqa: F401
import pyarrow.compute
import pyarrow.json  # noqa: F401
import scipy.stats  # noqa: F401

from slipway.drift import drift
from slipway.settings import read_params


def main(model: str, log: str) -> None:
    params = read_params()
    fsspec.core.url_to_fs(log)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    report = drift(params, log, Path(model), now=datetime(2024, 7, 7, tzinfo=UTC))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"seconds": seconds, "extra": (peak - before) / 1024, "rows": report.rows}
    print(json.dumps(found | {"status": report.status, "words": report.words}))


if __name__ == "__main__":
    main(*sys.argv[1:])
