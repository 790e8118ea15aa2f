"""Fixtures of the tests: the newest labelled rows, and the trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slipway import project
from slipway.dataset.split import Dataset
from slipway.dataset.tables import row_count, take
from slipway.manifest import MODEL
from slipway.project import Columns
from slipway.repository.restore import restore
from slipway.settings import read_params
from slipway.training.score import Model

ROOT = Path(__file__).parents[1]

ROWS = 2_000  # enough for every behaviour, and fast to score


@pytest.fixture(scope="session", autouse=True)
def here() -> None:
    """Run the tests in the repository; restore data and model if they are missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for target in ("data.dvc", str(MODEL)):
            if not (ROOT / target.removesuffix(".dvc")).exists():
                restore(ROOT, target)


@pytest.fixture(scope="session")
def columns() -> Columns:
    """Labelled rows of the holdout, evenly spaced."""
    rows = Dataset.open(read_params()).labelled_holdout().columns
    return take(rows, slice(None, None, max(1, row_count(rows) // ROWS)))


@pytest.fixture(scope="session")
def inputs(columns: Columns) -> Columns:
    """The columns that are known when the prediction is requested."""
    return {name: columns[name] for name in project.inputs()}


@pytest.fixture(scope="session")
def labels(columns: Columns) -> np.ndarray:
    return project.label(columns)


@pytest.fixture(scope="session")
def model() -> Model:
    return Model.load(MODEL)


@pytest.fixture(scope="session")
def scores(model: Model, inputs: Columns) -> np.ndarray:
    scores = model.score(inputs)
    assert len(scores) == row_count(inputs)
    return scores
