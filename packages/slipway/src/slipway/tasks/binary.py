"""One of two classes: a probability, and a decision from a threshold on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slipway.errors import SlipwayError
from slipway.tasks.base import LabelStatistics, as_numbers
from slipway.tasks.predictions import Predictions

if TYPE_CHECKING:
    from slipway.manifest import Manifest

DECIMALS = 6

TEXTS = {"": None, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


class BinaryLabels(LabelStatistics):
    positives: int

    def summary(self, rows: int) -> str:
        return f"{self.positives / rows:.1%} positive"

    def constant(self, rows: int) -> np.ndarray:
        """Return the label rate."""
        return np.asarray(self.positives / rows)


@dataclass(frozen=True)
class Binary:
    """Labels are 0 or 1; a score is the probability of 1."""

    name = "binary"
    classes = ()
    quantile = None
    expected = "0 or 1 (false, true), and NaN where it is not known"
    remedy = (
        "return whether a row is of the positive class, such as `columns['amount'] > 100`; for "
        "more classes declare `TASK = 'multiclass'`, for numbers `TASK = 'regression'`"
    )
    valid_scores = "numbers from 0 to 1"
    is_classifier = True
    statistics = BinaryLabels

    @classmethod
    def declared(cls, classes: Sequence[object]) -> Binary:
        if classes:
            raise SlipwayError(
                "src/model/target.py: `CLASSES` are those of `TASK = 'multiclass'`",
                "remove `CLASSES`, or declare that task",
            )
        return cls()

    def read(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return labels, float32; 0 and 1 are labels as numbers and as booleans, not as text."""
        labels = as_numbers(values)
        bad = ~(np.isnan(labels) | (labels == 0) | (labels == 1))
        return labels.astype("float32"), bad

    def require(self, name: str, target: str, labels: np.ndarray) -> None:
        values = np.unique(labels)
        if len(values) < 2:
            only = f"only the label {values[0]:g}" if len(values) else "no label"
            raise SlipwayError(
                f"the {name} rows have {only} (`{target}`), and 0 and 1 are needed",
                "check `label` in src/model/target.py, or use more rows",
            )

    def from_text(self, text: str, decimal: str) -> object:
        return TEXTS.get(text.strip().lower(), text)

    def stored(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype("int8")

    def shown(self, label: float) -> str:
        return f"{label:g}"

    def targets(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype(int)

    def scores(self, raw: np.ndarray, seen: Sequence[int]) -> np.ndarray:
        return np.asarray(raw[:, 1])

    def invalid(self, scores: np.ndarray) -> np.ndarray:
        return ~(np.isfinite(scores) & (scores >= 0) & (scores <= 1))

    def rounded(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities of which none is 0 or 1.

        There a log loss would be that of another probability.
        """
        step = 10.0**-DECIMALS
        return np.asarray(np.clip(np.round(scores, DECIMALS), step, 1 - step))

    def predictions(self, scores: np.ndarray, threshold: float | None) -> Predictions:
        if threshold is None:
            raise ValueError("a binary model needs a threshold")
        return Predictions.at(scores, threshold)

    def rule(self, threshold: float) -> Manifest:
        return {"threshold": threshold}

    def groups(self, target: str, labels: np.ndarray) -> dict[str, np.ndarray]:
        return {}

    def counts(self, labels: np.ndarray) -> dict[str, int]:
        return {"positives": int(labels.sum())}

    def monitored(self, scores: np.ndarray) -> np.ndarray:
        return scores

    def decided(self, scores: np.ndarray) -> np.ndarray | None:
        return None

    def describe(self, labels: np.ndarray) -> BinaryLabels:
        return BinaryLabels(**self.counts(labels))
