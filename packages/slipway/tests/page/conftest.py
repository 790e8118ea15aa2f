"""A repository in which everything that the page shows has happened, on a little real data."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.comparison import cases
from tests.monitoring.traffic import write_records
from tests.services.projects import FLIGHTS, ROOT

from slipway import project
from slipway.card.written import CARD
from slipway.dataset.make import write_month
from slipway.dataset.tables import as_rows, read_columns, write_json
from slipway.errors import Refused
from slipway.monitoring.check import drift
from slipway.predictions.labels.store import import_labels
from slipway.predictions.record import stamp
from slipway.reports.page import page
from slipway.settings import read_params
from slipway.training.evaluate import evaluate
from slipway.training.prepare import prepare
from slipway.training.score import Model
from slipway.training.train import train

MONTHS = ("2013-06", "2013-07", "2013-08", "2013-09")
ROWS = 3_000


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = tmp_path_factory.mktemp("world")
    _write_inputs(world)
    with contextlib.chdir(world):
        params = read_params()
        prepare(params)
        train(params)
        with contextlib.suppress(Refused):  # so small a model need not be a good one
            evaluate(params)
        _release(world)
        _judge(world)
        _predict(world)
        drift(params, json=Path("build/drift.json"))
    return world


@pytest.fixture(scope="session")
def site(world: Path) -> Path:
    """The folder of the page of that repository."""
    (world / "site/reports").mkdir(parents=True)
    (world / "site/reports/better.html").write_text("the whole report")
    with contextlib.chdir(world):
        page(read_params(), Path("site"))
    return world / "site"


@pytest.fixture
def copy(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that repository that a test may change, with the test standing in it."""
    copy = tmp_path / "copy"
    shutil.copytree(world, copy, ignore=shutil.ignore_patterns("site"))
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings, in which nothing has happened yet."""
    shutil.copy(FLIGHTS / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write_inputs(world: Path) -> None:
    (world / "data").mkdir()
    for month in MONTHS:
        rows = pd.read_parquet(FLIGHTS / "data" / f"{month}.parquet")
        write_month(rows.iloc[:: len(rows) // ROWS].head(ROWS), world / f"data/{month}.parquet")
    for name in ("data.dvc", "requirements.lock"):
        shutil.copy(ROOT / name, world)
    (world / CARD).parent.mkdir(parents=True)
    shutil.copy(FLIGHTS / CARD, world / CARD)
    params = yaml.safe_load((FLIGHTS / "params.yaml").read_text("utf-8"))
    params["train"] |= {"iterations": 60, "learning_rate": 0.1}
    params["evaluate"] |= {"costs": {"false_positive": 3, "false_negative": 7}}
    (world / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")


def _release(world: Path) -> None:
    """Two commits with metrics; the second brings its judgement along."""
    path = world / "reports/metrics.json"
    final = json.loads(path.read_text())
    earlier = json.loads(path.read_text())
    for part in earlier["model"]["auc"]:
        earlier["model"]["auc"][part] -= 0.01
    run_git(world, "init", "-q")
    write_json(earlier, path)
    commit(world, "Start")
    write_json(final, path)
    record = {"model": Model.load().sha256, "verdict": "better"}
    write_json(record, world / "reports/judgements/a-b-c.json")
    commit(world, "Learn <b>faster</b> (#12)")


def _judge(world: Path) -> None:
    for name, scores in (("better", cases.BETTER), ("worse", cases.WORSE), ("even", cases.UNSURE)):
        write_json(cases.judged(scores), world / f"build/reports/{name}.json")


def _predict(world: Path) -> None:
    """September's flights asked for again, on much warmer days; then their labels arrive."""
    model = Model.load()
    rows = read_columns([Path("data/2013-09.parquet")], project.inputs())
    rows["temp"] = rows["temp"] + np.float32(40)
    keys = project.row_keys(rows).tolist()
    scores, asked = model.score(rows), stamp(datetime.now(UTC))
    write_records(world / "predictions", as_rows(rows), keys, scores, model.sha256, time=asked)
    import_labels([Path("data/2013-09.parquet")], world / "labels")


def commit(folder: Path, subject: str) -> None:
    run_git(folder, "add", "reports")
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    run_git(folder, *who, "commit", "-q", "-m", subject)


def run_git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)
