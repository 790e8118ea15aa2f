"""A whole repository as somebody's fork would be: this tree's files, real flights (few), a model.

Its branch `main` has a lock, reports and a remote with everything that they name.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.services.once import made_once

from slipway.data import write_month
from slipway.workspace import copy_of_worktree, run

ROOT = Path(__file__).parents[2]

MONTHS = ("2013-01", "2013-02", "2013-06", "2013-07", "2013-08", "2013-09")

ROWS = 3_000

AUTHOR = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]


@pytest.fixture(scope="session")
def small_repository(starter_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; a test works on a clone of it."""
    made = made_once(tmp_path_factory, "small", lambda folder: _make(folder, starter_data))
    root = tmp_path_factory.mktemp("mine") / "repository"
    return Path(shutil.copytree(made / "repository", root, symlinks=True))


def _make(folder: Path, starter_data: Path) -> None:
    root = folder / "repository"
    with copy_of_worktree(ROOT) as worktree:
        shutil.copytree(worktree, root, ignore=shutil.ignore_patterns(".git", "data-remote"))
    (root / ".dvc/config.local").unlink()
    for made in ("dvc.lock", "data.dvc"):
        (root / made).unlink(missing_ok=True)
    shutil.rmtree(root / "reports", ignore_errors=True)
    (root / "data").mkdir()
    for month in MONTHS:
        rows = pd.read_parquet(starter_data / f"{month}.parquet")
        write_month(rows.iloc[:: len(rows) // ROWS].head(ROWS), root / "data" / f"{month}.parquet")
    edit_params(
        root,
        validate={"rows_per_month": [1_000, 5_000]},
        train={
            "learning_rate": 0.04,
            "iterations": 120,
            "max_leaf_nodes": 15,
            "min_samples_leaf": 50,
            "l2": 1.0,
        },
        judge={"min_slice_rows": 500},
    )
    run(["git", "init", "-q", "-b", "main"], root)
    run(["dvc", "add", "-q", "data"], root)
    run(["dvc", "repro", "-q"], root)
    run(["dvc", "push", "-q"], root)
    commit(root, "Put a model on main")


def edit_params(root: Path, **sections: dict[str, Any]) -> None:
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    for name, section in sections.items():
        params[name] |= section
    path.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def commit(root: Path, message: str) -> str:
    """Commit all files; return the commit."""
    run(["git", "add", "-A"], root)
    run([*AUTHOR, "commit", "-q", "-m", message], root)
    return run(["git", "rev-parse", "HEAD"], root).strip()
