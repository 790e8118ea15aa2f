"""A repository of its own: real code, real flights (few), and a small champion on `main`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.services.repository import commit, edit_params

from slipway.data import write_month
from slipway.workspace import environment, run

ROOT = Path(__file__).parents[2]
MONTHS = ("2013-02", "2013-06", "2013-07", "2013-08")
ROWS = 4000

Slipway = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def main_branch(starter_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("judge") / "repository"
    root.mkdir()
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", ".dvcignore", "dvc.yaml", "requirements.lock", "params.yaml"):
        shutil.copy(ROOT / name, root / name)
    (root / "data").mkdir()
    for month in MONTHS:
        rows = pd.read_parquet(starter_data / f"{month}.parquet")
        write_month(rows.iloc[:: len(rows) // ROWS].head(ROWS), root / "data" / f"{month}.parquet")
    edit_params(
        root,
        validate={"rows_per_month": [1000, 45000]},
        train={"iterations": 60, "learning_rate": 0.1, "min_samples_leaf": 50},
        judge={"min_slice_rows": 500, "margins": {**MARGINS, "auc": 0.02}},
    )
    run(["git", "init", "-q", "-b", "main"], root)
    run(["dvc", "init", "-q"], root)
    run(["dvc", "remote", "add", "-q", "-d", "local", "data-remote"], root)
    run(["dvc", "add", "-q", "data"], root)
    run(["dvc", "push", "-q", "data.dvc"], root)
    retrain(root)
    commit(root, "champion")
    return root


MARGINS = dict.fromkeys(
    ("auc", "log_loss", "brier", "calibration_error", "precision", "recall"), 0.05
)


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
