"""A small project, prepared and trained."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from tests.services.projects import FLIGHTS, ROOT, copy_project

from slipway.reproduction.lock import folder_md5
from slipway.settings import read_params
from slipway.training.prepare import prepare
from slipway.training.train import train


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("small")
    copy_project(FLIGHTS, project)
    shutil.copy(ROOT / "requirements.lock", project)
    md5 = folder_md5(project / "data")
    (project / "data.dvc").write_text(f"outs:\n- md5: {md5}\n  path: data\n", "utf-8")
    return project


@pytest.fixture
def project(small_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small project that a test may break, with the test standing in it."""
    copy = tmp_path / "project"
    shutil.copytree(small_project, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture(scope="session")
def trained_once(small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Path(shutil.copytree(small_project, tmp_path_factory.mktemp("trained") / "project"))
    with contextlib.chdir(made):
        prepare(read_params())
        train(read_params())
    return made


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small project, prepared and with its model."""
    copy = Path(shutil.copytree(trained_once, tmp_path / "trained"))
    monkeypatch.chdir(copy)
    return copy
