"""Baselines and plots of a model that predicts a quantile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway.training.diagnostics.base import Axes, Table
from slipway.training.diagnostics.regression import RegressionDiagnostics

if TYPE_CHECKING:
    from slipway.metrics.calibration import BinCurves
    from slipway.tasks.predictions import Predictions


class QuantileDiagnostics(RegressionDiagnostics):
    """The quantile of the labels in training, and a ridge regression plus that of its errors.

    Both have the declared coverage on the training rows. A linear quantile regression is a linear
    program: with many rows it takes minutes, and it has several solutions, of which processors may
    choose different ones.
    """

    simplest = "training_quantile"
    regressor = "shifted_ridge_regression"
    axes = (
        Axes("calibration", "mean_score", "coverage", "Coverage by predicted quantile"),
        Axes("residuals", "residual", "rows", "Labels less predictions", "bar_horizontal"),
        Axes("slices", "pinball_loss", "value", "Pinball loss by slice", "scatter"),
    )

    def plots(self, curves: BinCurves, model: Predictions) -> dict[str, Table]:
        covered = (curves.sample.labels <= model.scores).astype("float64")
        curve = curves.of_rates(covered, model.scores)
        return super().plots(curves, model) | {
            "calibration": [
                {"coverage" if name == "label_rate" else name: value for name, value in row.items()}
                for row in curve
            ]
        }

    def of_slice(self, labels: np.ndarray, model: Predictions) -> dict[str, str]:
        covered = float((labels <= model.scores).mean())
        return super().of_slice(labels, model) | {"coverage": f"{covered:.5f}"}
