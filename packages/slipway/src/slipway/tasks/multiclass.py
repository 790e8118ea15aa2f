"""One of several classes: a probability of each; the most probable one is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.errors import SlipwayError
from slipway.tasks.base import LabelStatistics, listed
from slipway.tasks.predictions import ClassPredictions, Predictions

if TYPE_CHECKING:
    from slipway.manifest import Manifest

DECIMALS = 6

MOST_CLASSES = 200


class ClassLabels(LabelStatistics):
    """The rows of each class, in the sequence of `CLASSES`."""

    classes: dict[str, int]

    def summary(self, rows: int) -> str:
        most = max(self.classes, key=self.classes.__getitem__)
        absent = [name for name, count in self.classes.items() if not count]
        present = len(self.classes) - len(absent)
        parts = f"{present} classes, {self.classes[most] / rows:.1%} {most}"
        return parts + (f", none of {listed(absent)}" if absent else "")

    def constant(self, rows: int) -> np.ndarray:
        """Return the class rates."""
        return np.array([*self.classes.values()]) / rows


@dataclass(frozen=True)
class Multiclass:
    """Labels are positions in `classes`; scores are the probabilities of all classes."""

    classes: tuple[Any, ...]

    name = "multiclass"
    quantile = None
    remedy = "add it to `CLASSES` in src/model/target.py, or return None where it is not known"
    valid_scores = "probabilities that add up to 1"
    is_classifier = True
    statistics = ClassLabels

    @classmethod
    def declared(cls, classes: Sequence[object]) -> Multiclass:
        """Return the task; raises SlipwayError if the classes are not valid."""
        where, do = "src/model/target.py: `CLASSES`", "list the values that `label` returns"
        if not isinstance(classes, (list, tuple)) or not 2 <= len(classes) <= MOST_CLASSES:
            count = len(classes) if isinstance(classes, (list, tuple)) else repr(classes)
            raise SlipwayError(f"{where} has {count}; expected 2 to {MOST_CLASSES} classes", do)
        kinds = {type(each) for each in classes}
        if len(kinds) > 1 or not kinds <= {str, int, bool}:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise SlipwayError(f"{where} are of type {names}; expected all text or all int", do)
        if len(set(classes)) < len(classes):
            repeated = [each for each in classes if classes.count(each) > 1]
            raise SlipwayError(f"{where} has {repeated[0]!r} twice", "list each class once")
        return cls(tuple(classes))

    @property
    def expected(self) -> str:
        return f"one of `CLASSES` ({listed(self.classes)}), and None where it is not known"

    def read(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the code of each class, float32."""
        codes = {name: float(code) for code, name in enumerate(self.classes)}
        found = [_code(value, codes) for value in values.tolist()]
        labels = np.array(found, dtype="float32")
        return labels, np.isinf(labels)

    def require(self, name: str, target: str, labels: np.ndarray) -> None:
        values = np.unique(labels)
        if len(values) < 2:
            only = f"only the class {self.classes[int(values[0])]!r}" if len(values) else "no label"
            raise SlipwayError(
                f"the {name} rows have {only} (`{target}`), and two classes are needed",
                "check `label` in src/model/target.py, or use more rows",
            )

    def from_text(self, text: str, decimal: str) -> object:
        """Return the class of this name; names that are not text may be written in several ways."""
        if text in self.classes or not text.strip():
            return text if text in self.classes else None
        written = text.strip().lower().removesuffix(f"{decimal}0")
        names = {str(each).lower(): each for each in self.classes if not isinstance(each, str)}
        return names.get(written, text)

    def stored(self, labels: np.ndarray) -> np.ndarray:
        names = np.empty(len(labels), dtype=object)
        names[:] = [self.classes[int(label)] for label in labels.tolist()]
        return names

    def shown(self, label: float) -> str:
        return repr(self.classes[int(label)])

    def targets(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype(int)

    def scores(self, raw: np.ndarray, seen: Sequence[int]) -> np.ndarray:
        """Return the probabilities of all classes: 0 for one that was never seen in training."""
        scores = np.zeros((len(raw), len(self.classes)))
        scores[:, list(seen)] = raw
        return scores

    def invalid(self, scores: np.ndarray) -> np.ndarray:
        is_share = (np.isfinite(scores) & (scores >= 0) & (scores <= 1)).all(1)
        return ~(is_share & (np.abs(scores.sum(1) - 1) < 1e-3))

    def rounded(self, scores: np.ndarray) -> np.ndarray:
        """Return probabilities of which none is 0 or 1, and that still add up to nearly 1."""
        step = 10.0**-DECIMALS
        return np.asarray(np.clip(np.round(scores, DECIMALS), step, 1 - step))

    def predictions(self, scores: np.ndarray, threshold: float | None) -> Predictions:
        return ClassPredictions.most_probable(scores)

    def rule(self, threshold: float) -> Manifest:
        return {}

    def groups(self, target: str, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the class of each row: the accuracy on its rows is the recall of a class."""
        names = np.array([str(each) for each in self.classes], dtype=object)
        return {target: names[labels.astype(int)]}

    def counts(self, labels: np.ndarray) -> dict[str, int]:
        return {}

    def monitored(self, scores: np.ndarray) -> np.ndarray:
        """Return the probability of the decided class."""
        return np.asarray(scores.max(1))

    def decided(self, scores: np.ndarray) -> np.ndarray | None:
        names = np.array([str(each) for each in self.classes], dtype=object)
        return np.asarray(names[scores.argmax(1)])

    def describe(self, labels: np.ndarray) -> ClassLabels:
        counts = np.bincount(labels.astype(int), minlength=len(self.classes)).tolist()
        return ClassLabels(classes=dict(zip(map(str, self.classes), counts, strict=True)))


def _code(value: object, codes: Mapping[Any, float]) -> float:
    """Return the code of a class, NaN for a missing value, infinity for another value."""
    if value is None or value != value or type(value).__name__ in ("NAType", "NaTType"):
        return np.nan
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # whole numbers are floats in a column that has missing ones
    try:
        return codes.get(value, np.inf)
    except TypeError:  # such as a list
        return np.inf
