"""A quantile of a number: a share of the labels, such as 0.9, is at or below the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from slipway.errors import SlipwayError
from slipway.tasks.predictions import Predictions, QuantilePredictions
from slipway.tasks.regression import Regression


@dataclass(frozen=True)
class Quantile(Regression):
    """Labels and scores are numbers, in the same unit; a score is the quantile of the label."""

    quantile: float = 0.5

    name = "quantile"

    @classmethod
    def at(cls, quantile: object) -> Quantile:
        """Return the task at a level; raises SlipwayError if it is none between 0 and 1."""
        is_number = isinstance(quantile, float | int) and not isinstance(quantile, bool)
        if not is_number or not 0 < float(str(quantile)) < 1:
            raise SlipwayError(
                f"src/model/target.py: `QUANTILE` is {quantile!r}; expected a number between 0 "
                "and 1",
                "declare the quantile that the estimator predicts, such as `QUANTILE = 0.9`",
            )
        return cls(float(str(quantile)))

    def predictions(self, scores: np.ndarray, threshold: float | None) -> Predictions:
        return QuantilePredictions.at_quantile(scores, self.quantile)

    def describe(self, labels: np.ndarray) -> dict[str, Any]:
        return super().describe(labels) | {"at_quantile": float(np.quantile(labels, self.quantile))}
