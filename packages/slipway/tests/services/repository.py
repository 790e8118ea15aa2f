"""A whole repository as in a fork: this tree's files, and a small project in them.

Its branch `main` has a lock, reports and a remote with everything that they name.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.services.once import made_once
from tests.services.projects import FLIGHTS, ROOT, copy_project

from slipway.repository.layout import MACHINE, MACHINE_CODE, MODEL_CODE
from slipway.repository.worktrees import copy_of_worktree, run

AUTHOR = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]


@pytest.fixture(scope="session")
def small_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; a test works on a clone of it."""
    made = made_once(tmp_path_factory, "small", _make)
    root = tmp_path_factory.mktemp("mine") / "repository"
    return Path(shutil.copytree(made / "repository", root, symlinks=True))


def _make(folder: Path) -> None:
    root = folder / "repository"
    with copy_of_worktree(ROOT) as worktree:
        leave = shutil.ignore_patterns(".git", "data-remote", "projects")
        shutil.copytree(worktree, root, ignore=leave)
    (root / ".dvc/config.local").unlink()
    for made in ("dvc.lock", "data.dvc"):
        (root / made).unlink(missing_ok=True)
    for kept in ("reports", MODEL_CODE / "model"):
        shutil.rmtree(root / kept, ignore_errors=True)
    copy_project(FLIGHTS, root)
    edit_params(root, judge={"min_slice_rows": 500})
    run(["git", "init", "-q", "-b", "main"], root)
    run(["dvc", "add", "-q", "data"], root)
    run(["dvc", "repro", "-q"], root)
    run(["dvc", "push", "-q"], root)
    commit(root, "Put a model on main")


def copy_code(root: Path) -> None:
    """Copy the code of this repository, the model's and the machine's, to another."""
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(FLIGHTS / MODEL_CODE, root / MODEL_CODE, ignore=leave)
    shutil.copytree(ROOT / MACHINE_CODE, root / MACHINE_CODE, ignore=leave)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / MACHINE / name, root / MACHINE)


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
