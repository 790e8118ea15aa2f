"""Whether kinds of processor and numbers of threads give the same bytes of all outputs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.measure import clean_copy, environment, machine, table

from slipway.dataset.tables import files_of

OLDER = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA",
    "ARROW_USER_SIMD_LEVEL": "NONE",
}

# Instructions that OpenBLAS, NumPy, Arrow and the C library may use.
KINDS: Mapping[str, Mapping[str, str]] = {
    "as it is": {},
    "AVX2": {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    "AVX": {"OPENBLAS_CORETYPE": "Sandybridge", **OLDER},
    "SSE4.2": {"OPENBLAS_CORETYPE": "Nehalem", **OLDER},
    "SSE3": {"OPENBLAS_CORETYPE": "Prescott", **OLDER},
}

THREADS = (1, 2)

# The baseline's coefficients without rounding, as JSON.
COEFFICIENTS = """
import json
from slipway.training import train
train.BASELINE_DECIMALS = 17
fitted = train.fit_baseline(*train.read_prepared(train.PREPARED / "train.parquet"))
print(json.dumps(fitted[-1].coef_.tolist()))
"""


@dataclass(frozen=True)
class Run:
    """The hash of each output of `train` and `evaluate`, and the unrounded coefficients."""

    files: dict[str, str]
    coefficients: np.ndarray


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = clean_copy(Path(folder))
        for command in (["validate", "--json", "reports/validation.json"], ["prepare"]):
            slipway(copy, {}, *command)
        runs = {
            (kind, threads): measure(copy, {**variables, "OMP_NUM_THREADS": str(threads)})
            for kind, variables in KINDS.items()
            for threads in THREADS
        }
    print("## Kinds of processor\n")
    print(f"Runs are compared with the first one. {machine()}\n")
    first = next(iter(runs.values()))
    print(table(row(kind, threads, first, each) for (kind, threads), each in runs.items()))


def row(kind: str, threads: int, first: Run, other: Run) -> dict[str, object]:
    """Return a row of the table: a run against the first one."""
    changed = [name for name in other.files if other.files[name] != first.files.get(name)]
    gap = np.abs(other.coefficients - first.coefficients).max()
    return {
        "instructions": kind,
        "threads": threads,
        "outputs": len(other.files),
        "other bytes": ", ".join(changed) or "none",
        "largest change of an unrounded coefficient": f"{gap:.1g}",
    }


def measure(copy: Path, variables: Mapping[str, str]) -> Run:
    """Train and evaluate as on another processor."""
    slipway(copy, variables, "train")
    slipway(copy, variables, "evaluate")
    files = {
        f"{part}/{name}": digest
        for part in ("build", "reports")
        for name, digest in files_of(copy / part).items()
        if not name.startswith("prepared")
    }
    text = run(copy, variables, sys.executable, "-c", COEFFICIENTS)
    return Run(files, np.array(json.loads(text)))


def slipway(copy: Path, variables: Mapping[str, str], *arguments: str) -> None:
    run(copy, variables, sys.executable, "-m", "slipway", *arguments)


def run(copy: Path, variables: Mapping[str, str], *command: str) -> str:
    """Return what a command prints that runs as on another processor."""
    done = subprocess.run(
        command,
        cwd=copy,
        env={**environment(copy), **variables},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
