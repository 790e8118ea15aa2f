"""Baselines and plots of a binary model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.metrics import stats
from slipway.training.diagnostics.base import Axes, Table, ordinal

if TYPE_CHECKING:
    from slipway.metrics.calibration import BinCurves
    from slipway.tasks.predictions import Predictions

ROC_POINTS = 101


class BinaryDiagnostics:
    """The label rate of training, and a logistic regression."""

    simplest = "base_rate"
    regressor = "logistic_regression"
    axes = (
        Axes("calibration", "mean_score", "label_rate", "Calibration on the holdout"),
        Axes("roc", "false_positive_rate", "true_positive_rate", "ROC on the holdout"),
        Axes("scores", "score", "rows", "Scores by label"),
        Axes("costs", "threshold", "cost", "Expected cost by threshold"),
        Axes("slices", "auc", "value", "AUC by slice", "scatter"),
    )

    def strength(self, values: np.ndarray, labels: np.ndarray) -> float:
        auc = stats.auc(labels, ordinal(values, labels)).value
        return max(auc, 1 - auc)

    def estimator(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(solver="newton-cholesky", tol=1e-10)

    def plots(self, curves: BinCurves, model: Predictions) -> dict[str, Table]:
        labels = curves.sample.labels
        return {
            "roc": _roc(labels, model.scores),
            "calibration": curves.of_rates(labels, model.scores),
            "scores": _score_histogram(labels, model.scores),
        }

    def of_slice(self, labels: np.ndarray, model: Predictions) -> dict[str, str]:
        return {"label_rate": f"{labels.mean():.5f}", "mean_score": f"{model.scores.mean():.5f}"}


def _roc(labels: np.ndarray, scores: np.ndarray) -> Table:
    """Return the ROC curve at evenly spaced false positive rates."""
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([[0], np.cumsum(labels[order])]) / labels.sum()
    alarms = np.concatenate([[0], np.cumsum(1 - labels[order])]) / (1 - labels).sum()
    at = np.linspace(0, 1, ROC_POINTS)
    return [
        {"false_positive_rate": f"{x:.2f}", "true_positive_rate": f"{y:.5f}"}
        for x, y in zip(at, np.interp(at, alarms, hits), strict=True)
    ]


def _score_histogram(labels: np.ndarray, scores: np.ndarray) -> Table:
    edges = np.linspace(0, 1, 21)
    return [
        {"score": f"{start:.2f}", "label": label, "rows": int(count)}
        for label in (0, 1)
        for start, count in zip(
            edges, np.histogram(scores[labels == label], edges)[0], strict=False
        )
    ]
