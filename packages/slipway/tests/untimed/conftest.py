"""A repository of visits: no event time, a key of two columns, and patients who come again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.tasks.conftest import replace_project


@pytest.fixture(scope="session")
def visits(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("visits") / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    replace_project(root, "visits", {"prepare": {"origins": 2}, "validate": {"chunk_rows": 1000}})
    return root


@pytest.fixture
def repository(visits: Path, tmp_path: Path) -> Path:
    """A copy of the repository that a test may change."""
    return Path(shutil.copytree(visits, tmp_path / "repository", symlinks=True))
