"""A branch main whose newest commit is the merge of a model that was judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.services.repository import commit, edit_params
from tests.workflows.conftest import api, github

from slipway.dataset.tables import digest
from slipway.repository.worktrees import run

__all__ = ["api", "github"]


@pytest.fixture(scope="session")
def merged(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; a test works on a clone of it. Its model is the one that the lock names."""
    root = tmp_path_factory.mktemp("merged") / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    edit_params(root, train={"l2": 1.02})
    rebuild(root)
    run(["slipway", "judge", "--base", "HEAD"], root)
    commit(root, "Regularize a little more")
    return root


@pytest.fixture
def main(merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh checkout of it, as a job has one; nothing of DVC's is in its cache."""
    clone = tmp_path / "main"
    run(["git", "clone", "-q", str(merged), str(clone)], tmp_path)
    monkeypatch.chdir(clone)
    return clone


@pytest.fixture
def model(merged: Path) -> str:
    """The sha256 of the model that was reviewed."""
    return digest(merged / "build/model/model.onnx")


def rebuild(root: Path) -> None:
    """Make lock, reports and model, and push what git does not hold."""
    run(["dvc", "repro", "-q"], root)
    run(["dvc", "push", "-q"], root)
