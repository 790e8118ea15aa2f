"""A working tree with a small model, and the real service that runs from it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psutil
import pytest
import yaml
from tests.services.projects import FLIGHTS, ROOT
from tests.services.repository import copy_code

from slipway.dataset.make import write_month
from slipway.manifest import Golden
from slipway.predictions.reader import read_log
from slipway.serving.start import serving
from slipway.settings import read_params
from slipway.training.evaluate import evaluate
from slipway.training.prepare import prepare
from slipway.training.score import Model
from slipway.training.train import train

MONTHS = ("2013-06", "2013-07", "2013-08")
ROWS = 1_500

TOKEN = "correct horse"
SMOKE_SECRET = "battery staple"
BROKEN_DEST = "ERR"

# The feature code of this tree has a fault that one row in the world meets.
FAULT = f"""

_sound_features = features


def features(columns):
    if "{BROKEN_DEST}" in columns["dest"]:
        raise RuntimeError("a fault in the feature code")
    return _sound_features(columns)
"""


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, in which a small model has been trained."""
    tree = tmp_path_factory.mktemp("serve") / "tree"
    tree.mkdir()
    for name in ("bentofile.yaml", "data.dvc", "requirements.lock", "requirements-serve.lock"):
        shutil.copy(ROOT / name, tree)
    copy_code(tree)
    with (tree / "src/model/features.py").open("a") as file:
        file.write(FAULT)
    params = yaml.safe_load((FLIGHTS / "params.yaml").read_text("utf-8"))
    params["train"] |= {"iterations": 30}
    (tree / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    (tree / ".gitignore").write_text("/build\n/data\n")
    _commit(tree)
    _some_data(tree / "data")
    with contextlib.chdir(tree):
        prepare(read_params())
        train(read_params())
        evaluate(read_params())
    return tree


def _some_data(folder: Path) -> None:
    folder.mkdir()
    for month in MONTHS:
        rows = pd.read_parquet(FLIGHTS / "data" / f"{month}.parquet")
        write_month(rows.iloc[:: len(rows) // ROWS].head(ROWS), folder / f"{month}.parquet")


def _commit(tree: Path) -> None:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "The model"]):
        subprocess.run(["git", *command], cwd=tree, check=True)


@pytest.fixture(scope="session")
def commit(tree: Path) -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        command, cwd=tree, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="session")
def model(tree: Path) -> Model:
    return Model.load(tree / "build/model")


@pytest.fixture(scope="session")
def golden(model: Model) -> list[Golden]:
    """Rows with the probabilities that the training environment gave them."""
    return list(model.manifest["golden"])


@pytest.fixture
def row(golden: list[Golden]) -> dict[str, Any]:
    """A row that is in order; the test may spoil it."""
    return dict(golden[0]["row"])


@dataclass
class Service:
    """A running service, asked with its token unless a test sets another header."""

    client: httpx.Client
    url: str
    pid: int
    log: Path
    output: Path

    def predict(self, body: Any, **options: Any) -> httpx.Response:
        return self.client.post("/predict", json=body, **options)

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def logged(self) -> pd.DataFrame:
        return read_log(self.log)

    def count(self, series: str) -> float:
        """One value of /metrics; `series` is its name and labels, without the model."""
        lines = self.client.get("/metrics").text.splitlines()
        found = [line for line in lines if _without_model(line).startswith(series + " ")]
        (line,) = found
        return float(line.rpartition(" ")[2])


def _without_model(line: str) -> str:
    """`x{model="…",path="/p"} 1` to `x{path="/p"} 1`, and `x{model="…"} 1` to `x 1`."""
    name, brace, rest = line.partition("{")
    labels, _, value = rest.rpartition("}")
    kept = [label for label in labels.split(",") if label and not label.startswith("model=")]
    return f"{name}{{{','.join(kept)}}}{value}" if kept else f"{name}{value or brace + rest}"


Start = Callable[..., contextlib.AbstractContextManager[Service]]


@pytest.fixture(scope="session")
def start(tree: Path) -> Start:
    """Starts a service of the tree that logs to a folder of its own."""

    @contextlib.contextmanager
    def start(
        log: Path, tokens: str = "", smoke_secret: str = SMOKE_SECRET, **options: Any
    ) -> Iterator[Service]:
        environment = os.environ | {
            "SLIPWAY_TOKENS": tokens,
            "SLIPWAY_SMOKE_SECRET": smoke_secret,
            "SLIPWAY_LOG": str(log),
        }
        with serving(tree, environment=environment, **options) as running:
            headers = {"Authorization": f"Bearer {TOKEN}"} if tokens else {}
            with httpx.Client(base_url=running.url, headers=headers, timeout=30) as client:
                yield Service(client, running.url, running.pid, log, running.output)

    return start


@pytest.fixture(scope="session")
def service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, two tokens. Shared by many tests, so none may break it."""
    with start(tmp_path_factory.mktemp("log"), tokens=f"{TOKEN}, another") as service:
        yield service


@pytest.fixture(scope="session")
def open_service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two workers, no token."""
    with start(tmp_path_factory.mktemp("log"), workers=2) as service:
        yield service


def as_bytes(body: Any) -> bytes:
    return json.dumps(body).encode()
