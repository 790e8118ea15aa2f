"""A release on this machine's engine, under 200 requests a second: how long each part takes.

On the base image of the tests (`tests/services/engine`), which is also the proxy, so that no
registry is needed. The second release is the same tree with another commit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from support.measure import PACKAGE, clean_copy, machine, restore, seconds, table

from slipway.docker import docker
from slipway.repository.layout import python_path

sys.path.insert(0, str(PACKAGE))
from tests.services.load import Tally, traffic

from slipway.serving.start import free_port

BASE = "slipway-test-base:bookworm"
TOKEN = "a-token-for-the-benchmark"
CANARY_SECONDS = 5
AIMS = (
    "Aims: start to ready 3 s at most; from merge to traffic 2 minutes at most plus the canary; "
    "a rollback 5 s at most; no request fails."
)


def main() -> None:
    prefix = f"bench{uuid.uuid4().hex[:8]}"
    port = free_port()
    place = {"SLIPWAY_PREFIX": prefix, "SLIPWAY_PORT": str(port), "SLIPWAY_TOKENS": TOKEN}
    os.environ |= place
    os.environ.pop("DOCKER_HOST", None)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        copy = clean_copy(Path(name))
        restore(copy, "data.dvc", "build/model")
        (first, fetching), (second, built) = _build(copy, "first"), _build(copy, "second")
        images = [first, second]
        # As the workflow does after the merge of the second, but for setting its machines up.
        verified = seconds([sys.executable, "-m", "slipway", "verify", "--base=HEAD~1"], copy)
        try:
            _measure(copy, images, port, {"verify": verified, "build the image": built})
            print(f"The first build, which fetches the packages, took {fetching:.0f} s.\n\n{AIMS}")
        finally:
            _run(copy, "stop", "--target", "local", "--forget")
            docker("rmi", "--force", *images)


def _measure(copy: Path, images: list[str], port: int, before: dict[str, float]) -> None:
    first = _run(copy, "deploy", "--to", "local", "--image", images[0])
    rows = json.loads((copy / "build/model/manifest.json").read_text("utf-8"))["golden"]
    bodies = [json.dumps(one["row"]) for one in rows]
    found = [_row("first release", first, None)]
    commands = {
        f"deploy, canary {CANARY_SECONDS} s": ("deploy", "--to", "local", "--image", images[1]),
        "rollback to the standby": ("rollback", "--target", "local"),
    }
    for name, command in commands.items():
        with traffic(port, bodies, TOKEN) as tally:
            time.sleep(2)
            taken = _run(copy, *command)
            time.sleep(1)
        found.append(_row(name, taken, tally))
        if "canary" in taken:
            before |= {f"deploy, canary {CANARY_SECONDS} s": taken["whole"]}
    print("## A release under 200 requests a second\n")
    print(f"{machine()}\n")
    print(table(found))
    print("\nFrom merge to all traffic on the new version:\n")
    whole = {"whole, s": f"{sum(before.values()):.0f}"}
    print(table([{f"{name}, s": f"{took:.0f}" for name, took in before.items()} | whole]) + "\n")


def _row(name: str, taken: dict[str, float], tally: Tally | None) -> dict[str, Any]:
    row = {
        "": name,
        "whole, s": f"{taken['whole']:.1f}",
        "start to ready, s": f"{taken['start']:.1f}" if "start" in taken else "",
        "smoke test, s": f"{taken['smoke-test']:.1f}",
        "requests": "",
        "failed": "",
        "longest pause, ms": "",
        "longest wait, ms": "",
    }
    if tally is None:
        return row
    return row | {
        "requests": f"{len(tally.answers):,}",
        "failed": str(len(tally.failed())),
        "longest pause, ms": f"{tally.pause() * 1000:.0f}",
        "longest wait, ms": f"{tally.wait() * 1000:.0f}",
    }


def _build(copy: Path, name: str) -> tuple[str, float]:
    """Commit a change without effect; return its image and the seconds of the build."""
    path = copy / "params.yaml"
    text = path.read_text("utf-8")
    for key, value in {
        "base_image": BASE,
        "proxy_image": BASE,
        "seconds": str(CANARY_SECONDS),
        "share": "0.5",
    }.items():
        text = re.sub(rf"(?m)^( +{key}:) .*$", rf"\1 {value}", text)
    path.write_text(f"{text}# {name}\n", "utf-8")
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    subprocess.run(["git", *who, "commit", "-qam", name], cwd=copy, check=True)
    took = seconds([sys.executable, "-m", "slipway", "build", "--image"], copy)
    image: str = json.loads((copy / "build/image.json").read_text("utf-8"))["image"]
    return image, took


def _run(copy: Path, *command: str) -> dict[str, float]:
    """Run a command; return the seconds of each of its steps, and of the whole."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "slipway", *command],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": python_path(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"slipway {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    steps = re.findall(r"(?m)^✓ ([\w-]+) +([\d.]+) s", done.stdout)
    return {name: float(took) for name, took in steps} | {"whole": time.perf_counter() - begun}


if __name__ == "__main__":
    main()
