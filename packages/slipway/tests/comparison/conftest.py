"""A fork of its own, with a small champion on `main` and margins that fit its few rows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.services.repository import commit, edit_params

from slipway.metrics.registry import METRICS
from slipway.repository.worktrees import environment, run

Slipway = Callable[..., subprocess.CompletedProcess[str]]

MARGINS = dict.fromkeys(METRICS, 0.05)


@pytest.fixture(scope="session")
def main_branch(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("judge") / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    edit_params(root, judge={"margins": MARGINS | {"auc": 0.02}})
    commit(root, "Widen the margins")
    return root


@pytest.fixture
def repository(main_branch: Path, tmp_path: Path) -> Path:
    """A copy of the repository that a test may change."""
    copy = tmp_path / "repository"
    shutil.copytree(main_branch, copy, symlinks=True)
    return copy


@pytest.fixture
def slipway(repository: Path) -> Slipway:
    """Run a verb in the repository, with the repository's own code."""

    def verb(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "slipway", *arguments],
            cwd=repository,
            env=environment(repository),
            capture_output=True,
            text=True,
            check=False,
        )

    return verb


def retrain(root: Path) -> None:
    run(["dvc", "repro", "-q", "train"], root)
