"""Candidates in a canary of ten seconds: which go live, how soon a bad one is back, who waits.

On the base image of the tests (`tests/services/engine`). Each candidate is deployed several times
(RUNS in the environment; 10 if it is not set), under 100 to 200 requests a second. Then the rule
alone is simulated, on requests of one and of many rows; with RUNS=0 nothing else is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.measure import PACKAGE, clean_copy, machine, restore, table

from slipway.docker import docker
from slipway.repository.layout import MACHINE_CODE, python_path

sys.path.insert(0, str(PACKAGE))
from tests.services.candidates import API, BAD, SOUND
from tests.services.engine import BASE, add_to_image
from tests.services.load import traffic
from tests.services.repository import edit_params
from tests.smoke_test.simulated import LIMITS, MIXED, Traffic, Version, runs_stopped

from slipway.serving.start import free_port
from slipway.settings import read_params

TOKEN = "a-token-for-the-benchmark"
RATES = (100, 150, 200)
CANARY = {"seconds": 10, "share": 0.3, "max_latency_ratio": 4}
SIMULATED = 1000
FEW = 200
SECONDS_TO_END = 2.0  # from the end of the canary to the end of the command


@dataclass(frozen=True)
class Run:
    """One deployment under traffic."""

    live: bool
    canary: float
    requests: int
    refused: int
    failed: int
    wait_before: float
    wait: float
    reason: str


def main() -> None:
    runs = int(os.environ.get("RUNS") or 10)
    if runs:
        _deploy_all(runs)
    _simulate()
    _simulate_batches()
    _simulate_shifts()


def _deploy_all(runs: int) -> None:
    os.environ |= {
        "SLIPWAY_PREFIX": f"bench{uuid.uuid4().hex[:8]}",
        "SLIPWAY_PORT": str(free_port()),
        "SLIPWAY_TOKENS": TOKEN,
    }
    os.environ.pop("DOCKER_HOST", None)
    images: list[str] = []
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        copy = clean_copy(Path(name))
        restore(copy, "data.dvc", "build/model")
        canary = read_params(copy / "params.yaml").deploy.canary.model_dump() | CANARY
        edit_params(copy, deploy={"base_image": BASE, "proxy_image": BASE, "canary": canary})
        try:
            images.append(_build(copy))
            _measure(copy, images, runs)
        finally:
            _slipway(copy, "stop", "--target", "local", "--forget")
            for image in reversed(images):  # an engine may keep one that others are made from
                docker("rmi", "--force", image)


def _measure(copy: Path, images: list[str], runs: int) -> None:
    _must(_slipway(copy, "deploy", "--to", "local"))
    rows = json.loads((copy / "build/model/manifest.json").read_text("utf-8"))["golden"]
    bodies = [json.dumps(one["row"]) for one in rows]
    print(f"## Candidates in a canary of {CANARY['seconds']} s\n\n{machine()}\n", flush=True)
    found = []
    for name, added in (BAD | SOUND).items():
        images.append(_variant(copy, images[0], added))
        done = []
        for number in range(runs):
            done.append(_run(copy, images[-1], bodies, RATES[number % len(RATES)]))
            if done[-1].live:
                _must(_slipway(copy, "rollback", "--target", "local"))
            print(f"{name}: {done[-1]}", file=sys.stderr, flush=True)
        found.append(_row(name, done))
    print(table(found))
    print(
        f"\n{RATES[0]} to {RATES[-1]} requests a second, of which the candidate gets "
        f"{CANARY['share']:.0%}; *refused* (4xx, by the candidate), *failed* and "
        "*longest wait* are those of all callers.\n"
    )


def _run(copy: Path, image: str, bodies: list[str], rate: float) -> Run:
    with traffic(int(os.environ["SLIPWAY_PORT"]), bodies, TOKEN, rate) as tally:
        time.sleep(1)
        done = _slipway(copy, "deploy", "--to", "local", "--image", image)
        ended = time.monotonic()
        time.sleep(1)
    canary = [line.split() for line in done.stdout.splitlines() if line[2:8] == "canary"]
    took = float(canary[-1][2]) if canary else 0.0
    begun = ended - took - SECONDS_TO_END
    lines = done.stdout.splitlines()
    return Run(
        live=done.returncode == 0,
        canary=took,
        requests=len(tally.answers),
        refused=tally.statuses()[422],
        failed=len(tally.failed()) - tally.statuses()[422],
        wait_before=tally.wait(until=begun),
        wait=tally.wait(since=begun),
        reason=next((line for line in lines if line.startswith("✗")), ""),
    )


def _row(name: str, runs: list[Run]) -> dict[str, Any]:
    return {
        "the candidate": name,
        "runs": str(len(runs)),
        "went live": str(sum(run.live for run in runs)),
        "in the canary, s": f"{min(it.canary for it in runs):.1f} to "
        f"{max(it.canary for it in runs):.1f}",
        "requests": f"{sum(run.requests for run in runs):,}",
        "refused": str(sum(run.refused for run in runs)),
        "failed": str(sum(run.failed for run in runs)),
        "longest wait, s": f"{max(run.wait for run in runs):.2f}",
        "before the canary, s": f"{max(run.wait_before for run in runs):.2f}",
    }


def _simulate() -> None:
    """Print how often the rule alone stops a version, on counts that are drawn."""
    versions = {
        "as the old one": (Version(), Version()),
        "as the old one, which refuses 30%": (Version(refused=0.3), Version(refused=0.3)),
        "as the old one, with 0.5% errors": (Version(errors=0.005), Version(errors=0.005)),
        "as the old one, with 1% errors (the limit)": (Version(errors=0.01), Version(errors=0.01)),
        "3% errors": (Version(), Version(errors=0.03)),
        "refuses 10%": (Version(), Version(refused=0.1)),
        "three times as slow": (Version(), Version(seconds=0.060)),
        "scores reversed": (Version(), Version(a=8.0, b=2.0)),
    }
    rates = [Traffic(100, 0.1), Traffic(200, 0.5)]
    rows = []
    for name, (old, new) in versions.items():
        stopped = [runs_stopped(old, new, rate, SIMULATED) / SIMULATED for rate in rates]
        shown = {
            f"{rate.rate:g} a second, share {rate.share:.0%}": f"{share:.1%}"
            for rate, share in zip(rates, stopped, strict=True)
        }
        rows.append({"the candidate": name} | shown)
    print(f"Stopped within ten looks, of {SIMULATED:,} simulated canaries each:\n")
    print(table(rows))


def _simulate_batches() -> None:
    """Print how often a canary as shipped stops a version where rows of a request are alike."""
    sizes = {"1": (1,), "20": (20,), "200": (200,), "1, 20 and 200": MIXED}
    same, other, minute = Version(), Version(a=4.0), LIMITS.model_copy(update={"seconds": 60})
    rows = []
    for name, size in sizes.items():
        for alike in (0.0, 0.3, 0.9):
            traffic = Traffic(20, 0.25, size, alike)
            stopped = runs_stopped(same, same, traffic, SIMULATED, limits=minute)
            by_row = runs_stopped(same, same, traffic, FEW, limits=minute, by_row=True)
            found = runs_stopped(same, other, traffic, FEW, limits=minute)
            rows.append(
                {
                    "rows a request": name,
                    "correlation": f"{alike:g}",
                    "same model": f"{stopped / SIMULATED:.1%}",
                    "same model, earlier rule": f"{by_row / FEW:.1%}",
                    "another model": f"{found / FEW:.1%}",
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
    print(
        f"\nStopped within sixty looks, of {SIMULATED:,} simulated canaries (the last two columns: "
        f"{FEW:,}):\n"
    )
    print(table(rows))


def _simulate_shifts() -> None:
    """Print how often a shift of the scores stops a version, by the requests it has answered."""
    shifts = {"0.1": 2.476, "0.25 (the limit)": 2.786, "0.5": 3.165, "1": 3.758, "2": 4.718}
    minute = LIMITS.model_copy(update={"seconds": 60})
    rows = []
    for psi, a in shifts.items():
        shown = {"PSI": psi}
        for requests in (100, 300, 600, 3000):
            traffic = Traffic(requests / 60 / 0.1, 0.1)
            stopped = runs_stopped(Version(), Version(a=a), traffic, SIMULATED, limits=minute)
            shown[f"{requests:,} requests"] = f"{stopped / SIMULATED:.1%}"
        rows.append(shown)
        print(shown, file=sys.stderr, flush=True)
    print("\nAnother model, by the requests that it answers within sixty looks:\n")
    print(table(rows))


def _build(copy: Path) -> str:
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    subprocess.run(["git", *who, "commit", "-qam", "bench"], cwd=copy, check=True)
    _must(_slipway(copy, "build", "--image"))
    image: str = json.loads((copy / "build/image.json").read_text("utf-8"))["image"]
    return image


def _variant(copy: Path, image: str, added: str) -> str:
    """Build the image of a candidate: the same release with something added to its service."""
    source = (copy / MACHINE_CODE / API).read_text("utf-8")
    tag = f"slipway-bench:{uuid.uuid4().hex}"
    docker("tag", image, tag)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        made = f"slipway-bench:{uuid.uuid4().hex}"
        lines = [f"LABEL slipway.bench={made}"]  # another image each time
        return add_to_image(tag, {f"/app/{API}": source + added}, made, Path(name), lines)


def _slipway(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", *command],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": python_path(copy)},
        capture_output=True,
        text=True,
        check=False,
    )


def _must(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        sys.exit(f"{done.args} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
