"""A small project on real data: six months of 3,000 flights each, and a small model."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from slipway.data import write_month
from slipway.prepare import prepare
from slipway.settings import read_params
from slipway.train import train

ROOT = Path(__file__).parents[2]
MONTHS = ("2013-01", "2013-02", "2013-06", "2013-07", "2013-08", "2013-09")
ROWS = 3_000


@pytest.fixture(scope="session")
def small_project(starter_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("small")
    (project / "data").mkdir()
    for month in MONTHS:
        rows = pd.read_parquet(starter_data / f"{month}.parquet")
        every = len(rows) // ROWS
        write_month(rows.iloc[::every].head(ROWS), project / "data" / f"{month}.parquet")
    for name in ("data.dvc", "requirements.lock"):
        shutil.copy(ROOT / name, project / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["train"] |= {"iterations": 120, "min_samples_leaf": 50, "learning_rate": 0.04}
    (project / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
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
