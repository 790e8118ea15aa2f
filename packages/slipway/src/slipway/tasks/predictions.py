"""What a model predicts for some rows, in the form that metrics read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np


@dataclass(frozen=True)
class Predictions:
    """A binary model's probabilities and the decisions made from them, each of shape (rows,).

    Attributes
    ----------
    quantile
        That scores are meant to be; only `QuantilePredictions` are quantiles.
    """

    scores: np.ndarray
    decisions: np.ndarray
    quantile: float = 0.5

    task: ClassVar[str] = "binary"
    has_decisions: ClassVar[bool] = True

    @classmethod
    def at(cls, scores: np.ndarray, threshold: float) -> Self:
        """Return predictions that are positive from a probability of `threshold` on."""
        return cls(scores, scores >= threshold)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        return replace(
            parts[0],
            scores=np.concatenate([part.scores for part in parts]),
            decisions=np.concatenate([part.decisions for part in parts]),
        )

    def take(self, rows: np.ndarray | slice) -> Self:
        return replace(self, scores=self.scores[rows], decisions=self.decisions[rows])

    def of_truth(self, labels: np.ndarray) -> np.ndarray:
        """Return the probability of each row's own class, shape (rows,)."""
        return np.where(labels == 1, self.scores, 1 - self.scores)

    def claims(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return what calibration compares, each of shape (rows,); None without probabilities.

        An outcome, 0 or 1, and its probability.
        """
        return labels, self.scores

    def positives(self, labels: np.ndarray) -> int:
        """Return how many labels are positive; 0 if there is no such class."""
        return int(labels.sum())

    def directions(self, changed: np.ndarray) -> dict[str, np.ndarray]:
        """Return changed rows by the direction of the change; empty if there are none."""
        to_positive = changed & self.decisions
        return {"to_positive": to_positive, "to_negative": changed & ~to_positive}


class ClassPredictions(Predictions):
    """Probabilities of all classes, shape (rows, classes), and the decided class of each row."""

    task = "multiclass"

    @classmethod
    def most_probable(cls, scores: np.ndarray) -> Self:
        return cls(scores, scores.argmax(1))

    def of_truth(self, labels: np.ndarray) -> np.ndarray:
        return np.asarray(self.scores[np.arange(len(labels)), labels.astype(int)])

    def claims(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return whether the decided class is the true one, and its probability."""
        rows = np.arange(len(labels))
        return (self.decisions == labels).astype("float64"), self.scores[rows, self.decisions]

    def positives(self, labels: np.ndarray) -> int:
        return 0

    def directions(self, changed: np.ndarray) -> dict[str, np.ndarray]:
        return {}


class ValuePredictions(Predictions):
    """Predicted numbers, shape (rows,): a score is its own decision."""

    task = "regression"
    has_decisions = False

    @classmethod
    def of(cls, scores: np.ndarray) -> Self:
        return cls(scores, scores)

    def claims(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return None

    def positives(self, labels: np.ndarray) -> int:
        return 0

    def directions(self, changed: np.ndarray) -> dict[str, np.ndarray]:
        return {}


class QuantilePredictions(ValuePredictions):
    """Predicted quantiles of a number, shape (rows,)."""

    task = "quantile"

    @classmethod
    def at_quantile(cls, scores: np.ndarray, quantile: float) -> Self:
        return cls(scores, scores, quantile)


PREDICTIONS: dict[str, type[Predictions]] = {
    each.task: each
    for each in (Predictions, ClassPredictions, ValuePredictions, QuantilePredictions)
}
