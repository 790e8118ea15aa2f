from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.drift.traffic import draw, manifest_of

from slipway.settings import Drift

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings() -> Drift:
    return Drift(alpha=0.01, psi=0.1, min_rows=200)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> Path:
    """A folder with settings and a model's manifest, with the test standing in it."""
    (tmp_path / "build/model").mkdir(parents=True)
    manifest = manifest_of(draw(rng, 5_000))
    (tmp_path / "build/model/manifest.json").write_text(json.dumps(manifest))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLIPWAY_LOG", raising=False)
    return tmp_path
