"""The trained model is better than guessing, and the score of a row does not depend on others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from slipway import project
from slipway.dataset.tables import row_count, take
from slipway.metrics.registry import ALL, headline_of
from slipway.project import Columns
from slipway.training.diagnostics import DIAGNOSTICS
from slipway.training.score import Model

TASK = project.task().name

# Sums of many rows at once are rounded in another way than those of one row.
FLOAT32 = 1e-5


@pytest.mark.parametrize("metric", headline_of(TASK))
def test_it_is_better_than_guessing(metric: str) -> None:
    metrics = json.loads(Path("reports/metrics.json").read_text("utf-8"))
    guess = metrics[DIAGNOSTICS[TASK].simplest][metric]["value"]
    better = np.greater if ALL[metric].higher_is_better else np.less
    assert better(metrics["model"][metric]["value"], guess)


def test_a_score_is_valid(model: Model, scores: np.ndarray) -> None:
    assert not model.task.invalid(scores).any(), f"expected {model.task.valid_scores}"


def test_the_score_of_a_row_does_not_depend_on_other_rows(
    model: Model, inputs: Columns, scores: np.ndarray
) -> None:
    for row in range(0, row_count(inputs), max(1, row_count(inputs) // 20)):
        alone = model.score(take(inputs, slice(row, row + 1)))[0]
        np.testing.assert_allclose(alone, scores[row], rtol=FLOAT32, atol=FLOAT32)
