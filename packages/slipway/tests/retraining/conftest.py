"""A fork with a model on main, in which a test may do what it likes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.repository.worktrees import environment

Slipway = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def repository(small_repository: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "repository"
    shutil.copytree(small_repository, copy, symlinks=True)
    return copy


@pytest.fixture
def slipway(repository: Path) -> Slipway:
    """Run a verb in the repository, with the repository's own code."""

    def verb(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"DASK_SCHEDULER_ADDRESS": "", "OMP_WAIT_POLICY": "passive"}
        return subprocess.run(
            [sys.executable, "-m", "slipway", *arguments],
            cwd=repository,
            env=environment(repository) | own | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return verb
