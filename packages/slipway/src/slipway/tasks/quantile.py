"""A quantile of a number: a share of the labels, such as 0.9, is at or below the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipway.errors import SlipwayError
from slipway.tasks.predictions import Predictions, QuantilePredictions
from slipway.tasks.regression import NumberLabels, Regression


class QuantileLabels(NumberLabels):
    at_quantile: float

    def constant(self, rows: int) -> np.ndarray:
        return np.asarray(self.at_quantile)


@dataclass(frozen=True)
class Quantile(Regression):
    """Labels and scores are numbers, in the same unit; a score is the quantile of the label."""

    quantile: float = 0.5

    name = "quantile"
    statistics = QuantileLabels

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

    def describe(self, labels: np.ndarray) -> QuantileLabels:
        of_number = super().describe(labels).model_dump()
        return QuantileLabels(**of_number, at_quantile=float(np.quantile(labels, self.quantile)))
