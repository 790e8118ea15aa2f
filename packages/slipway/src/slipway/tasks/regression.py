"""A number: the prediction is the decision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from slipway.errors import SlipwayError
from slipway.tasks.base import LabelStatistics, as_numbers
from slipway.tasks.predictions import Predictions, ValuePredictions

if TYPE_CHECKING:
    from slipway.manifest import Manifest

# Processors differ in the last digits of a float32.
DIGITS = 6

TINY = 1e-290

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class NumberLabels(LabelStatistics):
    mean: float
    deviation: float
    lowest: float
    highest: float

    def summary(self, rows: int) -> str:
        return f"mean {self.mean:.4g}, {self.lowest:.4g} to {self.highest:.4g}"

    def constant(self, rows: int) -> np.ndarray:
        return np.asarray(self.mean)


@dataclass(frozen=True)
class Regression:
    """Labels and scores are numbers, in the same unit; a score is the expected label."""

    name = "regression"
    classes = ()
    quantile: float | None = None
    expected = "a finite number, and NaN where it is not known"
    remedy = "return numbers; for classes declare `TASK = 'multiclass'`"
    valid_scores = "finite numbers"
    is_classifier = False
    statistics: ClassVar[type[NumberLabels]] = NumberLabels

    @classmethod
    def declared(cls, classes: Sequence[object]) -> Regression:
        if classes:
            raise SlipwayError(
                "src/model/target.py: `CLASSES` are those of `TASK = 'multiclass'`",
                "remove `CLASSES`, or declare that task",
            )
        return cls()

    def read(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers, float64; infinity is not valid."""
        labels = as_numbers(values)
        return labels, np.isinf(labels)

    def require(self, name: str, target: str, labels: np.ndarray) -> None:
        values = np.unique(labels)
        if len(values) < 2:
            only = f"only the value {values[0]:g}" if len(values) else "no label"
            raise SlipwayError(
                f"the {name} rows have {only} (`{target}`), and two values are needed",
                "check `label` in src/model/target.py, or use more rows",
            )

    def from_text(self, text: str, decimal: str) -> object:
        written = text.strip().replace(decimal, ".") if decimal != "." else text.strip()
        if not written:
            return None
        return float(written) if NUMBER.fullmatch(written) else text

    def stored(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype("float64")

    def shown(self, label: float) -> str:
        return f"{label:g}"

    def targets(self, labels: np.ndarray) -> np.ndarray:
        return labels

    def scores(self, raw: np.ndarray, seen: Sequence[int]) -> np.ndarray:
        return np.asarray(raw, dtype="float64").reshape(len(raw))

    def invalid(self, scores: np.ndarray) -> np.ndarray:
        return ~np.isfinite(scores)

    def rounded(self, scores: np.ndarray) -> np.ndarray:
        """Return scores rounded to some significant digits."""
        magnitude = np.floor(np.log10(np.maximum(np.abs(scores), TINY)))
        factor = 10.0 ** (DIGITS - 1 - magnitude)
        return np.asarray(np.round(scores * factor) / factor)

    def predictions(self, scores: np.ndarray, threshold: float | None) -> Predictions:
        return ValuePredictions.of(scores)

    def rule(self, threshold: float) -> Manifest:
        return {}

    def groups(self, target: str, labels: np.ndarray) -> dict[str, np.ndarray]:
        return {}

    def counts(self, labels: np.ndarray) -> dict[str, int]:
        return {}

    def monitored(self, scores: np.ndarray) -> np.ndarray:
        return scores

    def decided(self, scores: np.ndarray) -> np.ndarray | None:
        return None

    def describe(self, labels: np.ndarray) -> NumberLabels:
        return NumberLabels(
            mean=float(labels.mean()),
            deviation=float(labels.std()),
            lowest=float(labels.min()),
            highest=float(labels.max()),
        )
