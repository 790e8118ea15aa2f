"""A fork of the first release, upgraded to the last commit of this repository, and its time.

The fork has another table, an environment of its own and changes of its own. The commands are
those of docs/upgrade.md; nothing is edited by hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support.measure import PACKAGE, ROOT, machine, table

sys.path.insert(0, str(PACKAGE))
from tests.upgrade.conftest import FIRST
from tests.upgrade.test_first_release import make_fork

MONTHS = ("2019-11", "2019-12", "2020-01")

AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def main() -> None:
    print("## An upgrade from the first release\n")
    print(f"{machine()} Packages are fetched by the network of that machine.\n")
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        folder = Path(name)
        upstream, fork = folder / "upstream", folder / "fork"
        run(folder, "git", "clone", "--quiet", str(ROOT), str(upstream))
        make_fork(upstream, fork)
        print(table(measured(fork, upstream)))


def measured(fork: Path, upstream: Path) -> Iterator[dict[str, str]]:
    """Yield the steps, with their seconds and their last lines."""
    run(fork, "git", "checkout", "--quiet", FIRST, "--", "requirements.lock")
    yield step(fork, "the first release", "make", "setup")
    yield step(fork, "its lock, with a package of its own", "make", "lock")
    run(fork, "make", "setup")
    for name in ("dvc.lock", "data.dvc"):
        (fork / name).unlink()
    shutil.rmtree(fork / "reports")
    run(fork, "slipway", "data", *(part for month in MONTHS for part in ("--month", month)))
    run(fork, "dvc", "add", "--quiet", "data")
    yield step(fork, "its pipeline", "dvc", "repro", "--quiet")
    run(fork, "dvc", "push", "--quiet")
    yield step(fork, "its checks", "make", "check")
    commit(fork, "Train the model")
    code = {"PYTHONPATH": str(upstream / "packages/slipway/src")}
    command = ("python", "-m", "slipway", "upgrade", "--upstream", str(upstream))
    yield step(fork, "upgrade, with lock, setup and checks", *command, **code)
    yield step(fork, "the new pipeline", "dvc", "repro", "--quiet")
    run(fork, "dvc", "push", "--quiet")
    commit(fork, "Rebuild the model")
    yield step(fork, "the checks again", "make", "check")
    yield step(fork, "verdict", "slipway", "judge", "--base", "main")
    yield step(fork, "upgrade again", "slipway", "upgrade")


def step(fork: Path, name: str, *command: str, **variables: str) -> dict[str, str]:
    began = time.monotonic()
    output = run(fork, *command, **variables).strip().splitlines()
    seconds = f"{time.monotonic() - began:.0f}"
    first = next((line for line in output if line.strip()), "")
    row = {"step": name, "command": command[0], "seconds": seconds, "first line": first[:60]}
    print(row, file=sys.stderr, flush=True)
    return row


def commit(fork: Path, message: str) -> None:
    run(fork, "git", "add", "--all")
    run(fork, "git", *AUTHOR, "commit", "--quiet", "--message", message)


def run(folder: Path, *command: str, **variables: str) -> str:
    """Run a command in the environment of a shell of the fork; return its output."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    own["PATH"] = f"{folder}/.venv/bin{os.pathsep}{own['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=own | variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        shown = f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{shown}")
    return done.stdout


if __name__ == "__main__":
    main()
