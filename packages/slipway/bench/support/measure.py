"""What every benchmark needs: the machine's name, a clean copy of the repository, a stopwatch."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from slipway.repository.layout import python_path

ROOT = Path(__file__).parents[4]
PACKAGE = Path(__file__).parents[2]  # on the path for `tests`; that of ROOT is the template's
BIN = Path(sys.executable).parent


def machine() -> str:
    """Return a sentence about the machine that was measured on."""
    cores, memory = os.cpu_count(), psutil.virtual_memory().total / 2**30
    return (
        f"{cores} cores ({_processor()}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, commit {_commit()}, {time.strftime('%Y-%m-%d')}."
    )


def clean_copy(folder: Path) -> Path:
    """Clone the last commit into a folder and fetch its data; return where it is."""
    copy = folder / "slipway"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
    restore(copy, "data.dvc")
    return copy


def restore(copy: Path, *targets: str) -> None:
    """Restore data and model of a copy, checked as everywhere else."""
    seconds([sys.executable, "-m", "slipway", "restore", *targets], copy)


def environment(copy: Path) -> dict[str, str]:
    """Return an environment in which commands and packages are those of a copy."""
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": python_path(copy),
        "OMP_WAIT_POLICY": "passive",
    }


def seconds(command: Sequence[str], copy: Path) -> float:
    """Run a command in a copy of the repository and return how long it took."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=copy, env=environment(copy), check=False, capture_output=True, text=True
    )
    elapsed = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return elapsed


def table(rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as a Markdown table: the first column to the left, the others to the right."""
    listed = list(rows)
    head = list(listed[0])
    rule = ["---", *["---:"] * (len(head) - 1)]
    lines = [head, rule, *([str(cell) for cell in row.values()] for row in listed)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def median(values: Sequence[float]) -> str:
    """Return a median and the range around it, in seconds."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
