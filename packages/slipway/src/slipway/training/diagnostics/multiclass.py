"""Baselines and plots of a multiclass model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.metrics import stats
from slipway.training.diagnostics.base import Axes, Table, ordinal

if TYPE_CHECKING:
    from slipway.metrics.calibration import BinCurves
    from slipway.tasks.predictions import Predictions


class MulticlassDiagnostics:
    """The class rates of training, and a multinomial logistic regression."""

    simplest = "class_rates"
    regressor = "logistic_regression"
    axes = (
        Axes("calibration", "mean_score", "label_rate", "Calibration on the holdout"),
        Axes("class_calibration", "mean_score", "label_rate", "Calibration by class", "scatter"),
        Axes("confusion", "decided", "class", "Decided and true classes", "confusion"),
        Axes("slices", "accuracy", "value", "Accuracy by slice", "scatter"),
    )

    def strength(self, values: np.ndarray, labels: np.ndarray) -> float:
        """Return the highest AUC of a class against all others."""
        return max(_strength(values, (labels == each).astype(float)) for each in np.unique(labels))

    def estimator(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(solver="newton-cg", tol=1e-8, max_iter=1_000)

    def plots(self, curves: BinCurves, model: Predictions) -> dict[str, Table]:
        labels = curves.sample.labels
        right, probability = _decided(labels, model)
        return {
            "calibration": curves.of_rates(right, probability),
            "confusion": _confusion(labels, model),
            "class_calibration": _class_calibration(curves, model),
        }

    def of_slice(self, labels: np.ndarray, model: Predictions) -> dict[str, str]:
        right, probability = _decided(labels, model)
        return {"right": f"{right.mean():.5f}", "mean_probability": f"{probability.mean():.5f}"}


def _decided(labels: np.ndarray, model: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the decided class is the true one, and its probability."""
    right = (model.decisions == labels).astype("float64")
    return right, model.scores[np.arange(len(labels)), model.decisions]


def _strength(values: np.ndarray, labels: np.ndarray) -> float:
    auc = stats.auc(labels, ordinal(values, labels)).value
    return max(auc, 1 - auc)


def _confusion(labels: np.ndarray, model: Predictions) -> Table:
    """Return how many rows of each class were decided as each class; those with a row."""
    pairs, counts = np.unique(
        np.stack([labels.astype(int), model.decisions]), axis=1, return_counts=True
    )
    return [
        {"class": int(true), "decided": int(decided), "rows": int(count)}
        for (true, decided), count in zip(pairs.T, counts, strict=True)
    ]


def _class_calibration(curves: BinCurves, model: Predictions) -> Table:
    """Return the calibration curve of each class against all others."""
    return [
        {"class": each, **point}
        for each in range(model.scores.shape[1])
        for is_class in [(curves.sample.labels == each).astype("float64")]
        for point in curves.of_rates(is_class, model.scores[:, each])
    ]
