"""A model that ONNX does not hold is served from a bento that has the packages it imports."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import httpx
import pytest
from tests.services.projects import ROOT
from tests.services.repository import commit as commit_all

from slipway.errors import SlipwayError
from slipway.manifest import read_manifest
from slipway.release.build import build
from slipway.repository.worktrees import run
from slipway.serving.start import serving

# It has no converter to ONNX, since the pipeline in it takes columns.
CALIBRATED = """

from sklearn.calibration import CalibratedClassifierCV

_build = build


def build(params, categories):
    return CalibratedClassifierCV(_build(params, categories), cv=2)
"""


@pytest.fixture(scope="module")
def calibrated(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree with another estimator, whose model is a skops file."""
    copy = tmp_path_factory.mktemp("formats") / "tree"
    shutil.copytree(tree, copy, symlinks=True)
    with (copy / "src/model/estimator.py").open("a") as file:
        file.write(CALIBRATED)
    run(["slipway", "train"], copy)
    commit_all(copy, "Calibrate the model")
    return copy


def test_a_service_without_the_packages_is_not_built(calibrated):
    with pytest.raises(SlipwayError, match=r"lacks pandas, scikit-learn, skops") as refused:
        build(calibrated)

    assert '"slipway-ml[serve,serve-sklearn]"' in refused.value.do


def test_a_service_with_the_packages_answers_as_the_model_did_at_training(calibrated, tmp_path):
    shutil.copy(ROOT / "requirements.lock", calibrated / "requirements-serve.lock")
    commit_all(calibrated, "Add the packages of the model")
    golden = read_manifest(calibrated / "build/model")["golden"]

    bento = build(calibrated)

    assert (bento.path / "src/build/model/model.skops").is_file()
    environment = os.environ | {"SLIPWAY_LOG": str(tmp_path), "SLIPWAY_TOKENS": ""}
    with serving(calibrated, bento.tag, environment=environment) as running:
        for example in golden[:3]:
            answer = httpx.post(f"{running.url}/predict", json=example["row"]).json()
            assert answer["probability"] == example["probability"]
