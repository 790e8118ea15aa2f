"""Baselines and plots of a model that predicts a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.training.diagnostics.base import Axes, Table, ordinal

if TYPE_CHECKING:
    from slipway.metrics.calibration import BinCurves
    from slipway.tasks.predictions import Predictions

# Rows whose pairs are counted: the share of pairs has an error of about 0.003.
RANKED_ROWS = 20_000

RESIDUAL_BINS = 40


class RegressionDiagnostics:
    """The mean label of training, and a ridge regression."""

    simplest = "training_mean"  # `mean` is that of the labels in metrics.json
    regressor = "ridge_regression"
    axes = (
        Axes("calibration", "mean_score", "mean_label", "Mean prediction and mean label"),
        Axes("residuals", "residual", "rows", "Labels less predictions", "bar_horizontal"),
        Axes("slices", "mae", "value", "Mean absolute error by slice", "scatter"),
    )

    def strength(self, values: np.ndarray, labels: np.ndarray) -> float:
        """Return the share of pairs with different labels that the values order; ties count half.

        That is the concordance index, which for two classes is the AUC.
        """
        step = max(1, len(labels) // RANKED_ROWS)
        numbers, truth = ordinal(values, labels)[::step], labels[::step]
        from scipy.stats import kendalltau

        tau = kendalltau(numbers, truth).statistic
        if np.isnan(tau):
            return 0.5
        untied = [1 - _tied(each) for each in (numbers, truth)]
        return float(0.5 + 0.5 * abs(tau) * np.sqrt(untied[0] / untied[1]))

    def estimator(self) -> Any:
        from sklearn.linear_model import Ridge

        return Ridge(alpha=1.0, tol=1e-10)  # many categories are a sparse matrix

    def plots(self, curves: BinCurves, model: Predictions) -> dict[str, Table]:
        return {
            "calibration": curves.of_means(model.scores),
            "residuals": _residuals(curves.sample.labels, model.scores),
        }

    def of_slice(self, labels: np.ndarray, model: Predictions) -> dict[str, str]:
        return {
            "mean_label": f"{labels.mean():.6g}",
            "mean_score": f"{model.scores.mean():.6g}",
        }


def _tied(values: np.ndarray) -> float:
    """Return the share of pairs of rows with equal values."""
    rows, counts = len(values), np.unique(values, return_counts=True)[1].astype("float64")
    return float((counts * (counts - 1)).sum() / (rows * (rows - 1)))


def _residuals(labels: np.ndarray, scores: np.ndarray) -> Table:
    """Return a histogram of the labels less the scores, within its 1st and 99th percentile."""
    residuals = labels - scores
    ends = np.percentile(residuals, [1, 99])
    counts, edges = np.histogram(np.clip(residuals, *ends), RESIDUAL_BINS)
    return [
        {"residual": f"{(low + high) / 2:.6g}", "rows": int(count)}
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
