"""Single rows at 64 connections, compared with a textbook BentoML service and a bare FastAPI app.

Ours validates, checks a token and has every prediction on disk before it answers; the others do
nothing of the kind. Then the memory of the running service, and what 200,000 requests add to it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil
from support.measure import BIN, clean_copy, environment, machine, seconds, table

from slipway.proxies import open_here
from slipway.serving.start import free_port, serving

SUPPORT = Path(__file__).parent / "support"

CONNECTIONS = 64
ROUNDS = 5
SECONDS = 4
REQUESTS = 200_000
TOKEN = "a token for the benchmark"
AIMS = "Aims: at least 15 times the textbook service, and 0.6 times bare FastAPI."


@dataclass
class Contestant:
    """A running service, its requests, and its results by round."""

    name: str
    url: str
    pid: int
    bodies: Path
    token: str = ""
    rounds: list[dict[str, float]] = field(default_factory=list)

    def processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.pid)
        return [parent, *parent.children(recursive=True)]

    def load(self, requests: int, seconds: float) -> dict[str, float]:
        before = self._processor_seconds()
        command = [sys.executable, str(SUPPORT / "load.py"), self.url, str(self.bodies)]
        command += [str(CONNECTIONS), str(requests), str(seconds), self.token]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        result: dict[str, float] = json.loads(done.stdout)
        spent = self._processor_seconds() - before
        return result | {"cpu": spent / result["requests"] * 1e3}

    def median(self, what: str) -> float:
        return statistics.median(each[what] for each in self.rounds)

    def _processor_seconds(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name, ExitStack() as running:
        folder = Path(name)
        copy = clean_copy(folder)
        for command in ("prepare", "train"):
            seconds([str(BIN / "slipway"), command], copy)
        raw, ready = _bodies(copy, folder)
        contestants = [
            running.enter_context(_ours("**Slipway**", copy, raw)),
            running.enter_context(
                _ours("Slipway, `log_durable: process`", _without_sync(copy), raw)
            ),
            running.enter_context(_bare(copy, raw)),
            running.enter_context(_textbook(copy, ready)),
        ]
        for contestant in contestants:
            contestant.load(10_000, SECONDS / 2)
        for _ in range(ROUNDS):
            for contestant in contestants:
                contestant.rounds.append(contestant.load(10**9, SECONDS))
        _print_speed(contestants)
        _print_memory(contestants[0])


def _print_speed(contestants: list[Contestant]) -> None:
    *_, bare, textbook = contestants
    print(f"## Serving one row at a time, {CONNECTIONS} connections\n")
    print(
        f"Median of {ROUNDS} interleaved rounds of {SECONDS} s; one worker each; processor time is "
        f"that of all of a service's processes. {machine()}\n"
    )
    print(table([_row(each, bare, textbook) for each in contestants]))
    print(f"\n{AIMS}\n")


def _row(ours: Contestant, bare: Contestant, textbook: Contestant) -> dict[str, str]:
    return {
        "": ours.name,
        "requests/s": f"{ours.median('per_second'):,.0f}",
        "p50 ms": f"{ours.median('p50'):.1f}",
        "p99 ms": f"{ours.median('p99'):.1f}",
        "CPU ms/request": f"{ours.median('cpu'):.3f}",
        "to textbook": _ratio(ours, textbook),
        "to bare FastAPI": _ratio(ours, bare),
    }


def _ratio(ours: Contestant, theirs: Contestant) -> str:
    """Return the median over the rounds of how many times more requests `ours` answered."""
    pairs = zip(ours.rounds, theirs.rounds, strict=True)
    return f"{statistics.median(a['per_second'] / b['per_second'] for a, b in pairs):.2f}"


def _print_memory(ours: Contestant) -> None:
    before = _resident(ours)
    ours.load(REQUESTS, 3600)
    after = _resident(ours)
    rows = [
        {"process": name, "before": f"{a:.1f}", "after": f"{b:.1f}", "growth": f"{b - a:+.1f}"}
        for name, a, b in zip(("supervisor", "worker"), before, after, strict=True)
    ]
    print(f"Resident memory in MiB, before and after {REQUESTS:,} more requests:\n")
    print(table(rows))


def _resident(ours: Contestant) -> list[float]:
    return [process.memory_info().rss / 2**20 for process in ours.processes()]


def _bodies(copy: Path, folder: Path) -> tuple[Path, Path]:
    """Write the same rows twice: raw, and as the features for the textbook service."""
    golden = json.loads((copy / "build/model/manifest.json").read_text("utf-8"))["golden"]
    rows = [one["row"] for one in golden if None not in one["row"].values()]
    raw, ready = folder / "raw.jsonl", folder / "ready.jsonl"
    raw.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    ready.write_text("\n".join(json.dumps({"rows": [_features(row)]}) for row in rows), "utf-8")
    return raw, ready


def _features(row: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from slipway import project

    columns = {name: np.array([value]) for name, value in row.items()}
    moment = row["scheduled_departure"].removesuffix("Z")
    columns["scheduled_departure"] = np.array([moment], "datetime64[us]")
    return {name: values[0].item() for name, values in project.features(columns).items()}


@contextmanager
def _ours(name: str, tree: Path, bodies: Path) -> Iterator[Contestant]:
    service = os.environ | {"SLIPWAY_TOKENS": TOKEN, "SLIPWAY_LOG": str(tree / "predictions")}
    with serving(tree, environment=service) as running:
        yield Contestant(name, f"{running.url}/predict", running.pid, bodies, TOKEN)


def _without_sync(copy: Path) -> Path:
    other = copy.with_name("without-sync")
    shutil.copytree(copy, other)
    params = other / "params.yaml"
    text = params.read_text("utf-8")
    assert "log_durable: disk" in text
    params.write_text(text.replace("log_durable: disk", "log_durable: process"), "utf-8")
    return other


@contextmanager
def _bare(copy: Path, bodies: Path) -> Iterator[Contestant]:
    port = free_port()
    command = [sys.executable, str(SUPPORT / "bare.py"), str(port)]
    with _started(command, copy, f"http://127.0.0.1:{port}") as (url, pid):
        yield Contestant("bare FastAPI on onnxruntime", f"{url}/predict", pid, bodies)


@contextmanager
def _textbook(copy: Path, bodies: Path) -> Iterator[Contestant]:
    place = copy.with_name("textbook")
    place.mkdir()
    shutil.copy(SUPPORT / "textbook.py", place / "service.py")
    fit = (
        "import joblib; from slipway.settings import read_params; "
        "from slipway.training.train import *; "
        "joblib.dump(fit(read_params().train, *read_prepared(PREPARED / 'train.parquet')), "
        f"{str(place / 'model.joblib')!r})"
    )
    seconds([sys.executable, "-c", fit], copy)
    port = free_port()
    command = [str(BIN / "bentoml"), "serve", "service:Textbook", "--host", "127.0.0.1"]
    with _started([*command, "--port", str(port)], place, f"http://127.0.0.1:{port}") as (url, pid):
        yield Contestant("textbook BentoML, scikit-learn", f"{url}/predict", pid, bodies)


@contextmanager
def _started(command: list[str], place: Path, url: str) -> Iterator[tuple[str, int]]:
    output = (place / "output.txt").open("wb")
    quiet = {"BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": str(place / "bentoml")}
    process = subprocess.Popen(
        command, cwd=place, env=environment(place) | quiet, stdout=output, stderr=output
    )
    try:
        _wait(url)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()
        output.close()


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            open_here(url, 1).close()
        except HTTPError:
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
