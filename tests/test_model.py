"""The trained model is better than guessing, and the score of a row does not depend on others."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from slipway.dataset.tables import row_count, take
from slipway.project import Columns
from slipway.training.score import Model


def test_it_ranks_better_than_chance(scores: np.ndarray, labels: np.ndarray) -> None:
    assert roc_auc_score(labels, scores) > 0.55


def test_its_probabilities_are_better_than_the_base_rate(
    scores: np.ndarray, labels: np.ndarray
) -> None:
    assert log_loss(labels, scores) < log_loss(labels, np.full(len(labels), labels.mean()))


def test_a_score_is_a_probability(scores: np.ndarray) -> None:
    assert np.isfinite(scores).all()
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_the_score_of_a_row_does_not_depend_on_other_rows(
    model: Model, inputs: Columns, scores: np.ndarray
) -> None:
    for row in range(0, row_count(inputs), row_count(inputs) // 20):
        assert model.score(take(inputs, slice(row, row + 1)))[0] == scores[row]
