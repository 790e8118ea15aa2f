"""Explanations of the model of this repository through its service, one at a time.

    bench/explain.py

The latency of `POST /explain` over one connection, next to `POST /predict`; how far baseline and
contributions are from the raw value; what the start and the memory of the service cost.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
from support.measure import clean_copy, environment, machine, restore, table

from slipway import project
from slipway.dataset.split import Dataset, evenly_spaced
from slipway.dataset.tables import as_rows
from slipway.serving.start import Running, serving
from slipway.settings import read_params

ROWS = 1_000
AIM_MS, AIM_SUM = 50.0, 1e-6


def main() -> None:
    print(f"## Explanations\n\n{machine()}\n")
    rows = sample()
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        tree = clean_copy(Path(folder))
        restore(tree, "build/model")
        with started(tree) as (plain, plain_seconds):
            megabytes = memory(plain)
        with (tree / "requirements-serve.lock").open("a") as lock:
            lock.write("shap==0\n")  # the packages are those of this environment
        with started(tree) as (service, start_seconds):
            predicted, _ = ask(service, "/predict", rows)
            times, answers = ask(service, "/explain", rows)
            more = memory(service) - megabytes
    gaps = [abs(total(each) - each["raw"]) for each in answers]
    print(table([quantiles("`/predict`", predicted), quantiles("`/explain`", times)]))
    print(
        f"\n{len(rows):,} holdout rows, one at a time, in milliseconds. Largest distance of "
        f"baseline and contributions from the raw value: {max(gaps):.1e} {answers[0]['unit']} "
        f"({answers[0]['method']}). The start takes {start_seconds - plain_seconds:.1f} s longer, "
        f"and the service needs {more:.0f} MB more memory.\n"
    )
    if np.quantile(times, 0.99) > AIM_MS or max(gaps) > AIM_SUM:
        sys.exit(f"aims: p99 of at most {AIM_MS:g} ms, a distance of at most {AIM_SUM:g}")


def sample() -> list[dict[str, Any]]:
    """Return evenly spaced rows of the holdout, as a request has them."""
    inputs = Dataset.open(read_params()).holdout.inputs()
    names = project.inputs()
    return as_rows(evenly_spaced({name: inputs[name] for name in names}, ROWS))


@contextmanager
def started(tree: Path) -> Iterator[tuple[Running, float]]:
    began = time.perf_counter()
    with serving(tree, environment=environment(tree) | {"SLIPWAY_TOKENS": ""}) as running:
        yield running, time.perf_counter() - began


def ask(service: Running, path: str, rows: Sequence[Any]) -> tuple[list[float], list[Any]]:
    """Return the milliseconds of each request, and the answers."""
    host = urlsplit(service.url).netloc
    connection, headers = HTTPConnection(host), {"Content-Type": "application/json"}
    times, answers = [], []
    for row in rows:
        body = json.dumps(row)
        began = time.perf_counter()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        times.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            sys.exit(f"{path} answered {answer.status}: {content.decode()[:300]}")
        answers.append(json.loads(content))
    return times, answers


def total(answer: dict[str, Any]) -> float:
    contributions = sum(each["contribution"] for each in answer["contributions"])
    return float(answer["baseline"]["value"] + contributions)


def memory(service: Running) -> float:
    parent = psutil.Process(service.pid)
    every = [parent, *parent.children(recursive=True)]
    return sum(each.memory_info().rss for each in every) / 1e6


def quantiles(name: str, times: list[float]) -> dict[str, object]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    found = {each: f"{np.quantile(times, share):.1f}" for each, share in shares.items()}
    return {"request": name, **found}


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[3])
    main()
