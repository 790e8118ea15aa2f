from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.monitoring.traffic import NOW, draw, remember
from tests.services.projects import FLIGHTS

from slipway.monitoring.check import drift
from slipway.monitoring.report import DriftReport
from slipway.settings import read_params

Look = Callable[..., DriftReport]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that was measured on May 2024."""
    folder = tmp_path_factory.mktemp("model")
    manifest = remember(np.random.default_rng(1), folder)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def place(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings and that model, with the test standing in it."""
    shutil.copytree(model, tmp_path / "build/model")
    shutil.copy(FLIGHTS / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("SLIPWAY_LOG", "SLIPWAY_LABELS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def look(place: Path) -> Look:
    """Check the log in `predictions` on the morning after its five weeks."""

    def check(**options: object) -> DriftReport:
        return drift(read_params(), **({"now": NOW} | options))  # type: ignore[arg-type]

    return check


@pytest.fixture
def usual(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Five weeks of traffic as it always was, 100 rows a day."""
    return draw(rng, 3_500)
