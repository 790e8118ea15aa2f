"""A prediction log that a model has written, and another model that might have."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
import yaml
from tests.serving.conftest import MONTHS, commit, model, tree

from slipway import project
from slipway.dataset.tables import as_rows, read_columns
from slipway.predictions.answers import BinaryAnswers
from slipway.predictions.writer import PredictionLog
from slipway.serving.http import Request
from slipway.serving.metrics import Metrics
from slipway.serving.predict import Predictor
from slipway.serving.release import Release
from slipway.settings import read_params
from slipway.training.score import Model
from slipway.training.train import train

__all__ = ["commit", "model", "tree"]

START = datetime(2026, 3, 1, 23, 55, tzinfo=UTC)
RELEASE = Release("c" * 40, "d" * 32)


@pytest.fixture(scope="session")
def rows(tree: Path) -> list[dict[str, Any]]:
    """Rows as clients send them."""
    columns = read_columns([tree / f"data/{MONTHS[-1]}.parquet"], project.inputs())
    return as_rows(columns)[:600]


@pytest.fixture(scope="session")
def truth(tree: Path) -> pd.DataFrame:
    """What became of them, as a month's file has it."""
    return pd.read_parquet(tree / f"data/{MONTHS[-1]}.parquet").head(600)


@pytest.fixture(scope="session")
def other_tree(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same repository with a model that has learned far less."""
    copy = tmp_path_factory.mktemp("other") / "tree"
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("__pycache__"))
    params = yaml.safe_load((copy / "params.yaml").read_text("utf-8"))
    params["train"] |= {"iterations": 4, "learning_rate": 0.4}
    (copy / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    with contextlib.chdir(copy):
        train(read_params())
    return copy


@pytest.fixture(scope="session")
def other(other_tree: Path) -> Model:
    return Model.load(other_tree / "build/model")


Write = Callable[..., None]


@pytest.fixture(scope="session")
def write_log(tree: Path) -> Write:
    """Writes a log as the service does: a request a second, over a midnight."""
    settings = read_params(tree / "params.yaml").serve

    def write(
        folder: Path,
        model: Model,
        rows: list[dict[str, Any]],
        start: datetime = START,
        smoke_test: bool = False,
    ) -> None:
        async def ask_all() -> None:
            times = (start + timedelta(seconds=second) for second in range(len(rows)))
            log = PredictionLog(folder, sync=False)
            metrics = Metrics(model.sha256, RELEASE, BinaryAnswers(model.manifest))
            predictor = Predictor(model, settings, RELEASE, log, metrics, lambda: next(times))
            for row in rows:
                await predictor.predict(Request(orjson.dumps(row), smoke_test=smoke_test))
            await log.close()

        asyncio.run(ask_all())

    return write


@pytest.fixture(scope="session")
def log(
    write_log: Write,
    model: Model,
    rows: list[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """600 predictions of one model, most of them after midnight; no test writes to it."""
    folder = tmp_path_factory.mktemp("log")
    write_log(folder, model, rows)
    return folder


def records(folder: Path) -> list[dict[str, Any]]:
    """Every line of a folder's files."""
    files = sorted(folder.rglob("*.jsonl"))
    return [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]
