"""The answer of each task: how the service writes it, and how readers of the log get it back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import orjson

from slipway.manifest import Manifest, Target
from slipway.predictions.record import TaskAnswer
from slipway.reference.profile import SCORE, number_profile
from slipway.tasks import Task, declared_task
from slipway.tasks.base import MOST_NAMED
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.predictions import (
    ClassPredictions,
    Predictions,
    QuantilePredictions,
    ValuePredictions,
)
from slipway.tasks.quantile import Quantile
from slipway.tasks.regression import Regression

if TYPE_CHECKING:
    import pyarrow as pa

Fields = dict[str, object]
"""Fields of an answer or a record, by name."""

ROUNDING = 1e-6
"""Within which scores of one row are the same, of numbers above 1 relative.

Scores are float32, and some operators of onnxruntime round the last digit of a row in a batch
otherwise than that of the row alone; so does another processor.
"""

SCORES = ("probability", "probabilities", "value")
"""The fields of an answer that hold a score."""

PROBABILITIES = tuple(step / 20 for step in range(1, 20))

# Of the interquartile range of a model's predictions. Two models of one table get the same bins.
STEPS_OF_RANGE = 4
MOST_BINS = 60


class Answers(Protocol):
    """How rows of one task are answered.

    Attributes
    ----------
    meaning
        What the watched number is.
    """

    meaning: str

    @property
    def decisions(self) -> Sequence[str]:
        """What the counter of decisions is labelled with; empty if there is none."""

    @property
    def bins(self) -> tuple[float, ...]:
        """The edges between which the service counts the watched number."""

    def answer(self, score: Any) -> TaskAnswer:
        """Return the fields of a row's answer from its score, as `Task.scores` has it."""

    def score(self, answer: Mapping[str, object]) -> Any:
        """Return the score in an answer or a record; NaN for each part that it lacks."""

    def scores(self, table: pa.Table) -> np.ndarray:
        """Return the scores of a batch of the log; shape (rows,) or (rows, classes)."""

    def predictions(self, answers: Sequence[Mapping[str, object]]) -> Predictions:
        """Return some answers as metrics read them, with the decisions that were made."""

    def watched(self, score: Any) -> float:
        """Return the number whose distribution is watched: `Task.monitored` of one row."""

    def decided(self, answer: Mapping[str, object]) -> str | None:
        """Return which of `decisions` an answer has."""

    def uncertain(self, score: Any, band: float) -> str | None:
        """Return why a person should look at a row, or None."""

    def summary(self, decided: Mapping[str, int], mean: float) -> str:
        """Return a description of some answers, for a terminal.

        Parameters
        ----------
        decided
            How often each of `decisions` was made.
        mean
            Of the watched number.
        """

    def shown(self, watched: float) -> str:
        """Return a watched number as a text."""


class BinaryAnswers:
    """``{"probability": …, "decision": …}``; uncertain near the threshold."""

    decisions = ("yes", "no")
    meaning = "Predicted probabilities."
    bins = PROBABILITIES

    def __init__(self, manifest: Manifest) -> None:
        self._threshold: float = manifest["threshold"]

    def answer(self, score: Any) -> TaskAnswer:
        return {"probability": score, "decision": score >= self._threshold}

    def score(self, answer: Mapping[str, object]) -> Any:
        return _number(answer.get("probability"))

    def scores(self, table: pa.Table) -> np.ndarray:
        return np.asarray(table["probability"].to_numpy())

    def predictions(self, answers: Sequence[Mapping[str, object]]) -> Predictions:
        scores = np.array([self.score(answer) for answer in answers], dtype="float64")
        decided = [answer["decision"] is True for answer in answers]
        return Predictions(scores, np.array(decided, dtype=bool))

    def watched(self, score: Any) -> float:
        return float(score)

    def decided(self, answer: Mapping[str, object]) -> str | None:
        return "yes" if answer["decision"] else "no"

    def uncertain(self, score: Any, band: float) -> str | None:
        if abs(score - self._threshold) >= band:
            return None
        return f"within {band:g} of the threshold {self._threshold:g}"

    def summary(self, decided: Mapping[str, int], mean: float) -> str:
        return f"{decided.get('yes', 0) / sum(decided.values()):.1%} positive"

    def shown(self, watched: float) -> str:
        return f"{watched:.1%}"


class MulticlassAnswers:
    """``{"probabilities": {class: …}, "decision": class}``; uncertain between two classes."""

    meaning = "Probability of the decided class."
    bins = PROBABILITIES

    def __init__(self, manifest: Manifest) -> None:
        self._classes: Sequence[Any] = manifest["target"]["classes"]
        self._names = [class_name(each) for each in self._classes]

    @property
    def decisions(self) -> Sequence[str]:
        return self._names

    def answer(self, score: Any) -> TaskAnswer:
        decided = score.index(max(score))
        return {
            "probabilities": dict(zip(self._names, score, strict=True)),
            "decision": self._classes[decided],
        }

    def score(self, answer: Mapping[str, object]) -> Any:
        given = answer.get("probabilities")
        if not isinstance(given, dict) or len(given) != len(self._names):
            return [math.nan] * len(self._names)
        return [_number(given.get(name)) for name in self._names]

    def scores(self, table: pa.Table) -> np.ndarray:
        texts = table["probabilities"].to_pylist()
        rows = [self.score({"probabilities": text and orjson.loads(text)}) for text in texts]
        return np.array(rows, dtype="float64").reshape(-1, len(self._names))

    def predictions(self, answers: Sequence[Mapping[str, object]]) -> Predictions:
        scores = np.array([self.score(answer) for answer in answers], dtype="float64")
        return ClassPredictions.most_probable(scores)

    def watched(self, score: Any) -> float:
        return float(max(score))

    def decided(self, answer: Mapping[str, object]) -> str | None:
        return class_name(answer["decision"])

    def uncertain(self, score: Any, band: float) -> str | None:
        first, second = sorted(score, reverse=True)[:2]
        if first - second >= band:
            return None
        names = [self._names[at] for at, each in enumerate(score) if each >= second][:2]
        return f"{names[0]!r} and {names[1]!r} are within {band:g} of each other"

    def summary(self, decided: Mapping[str, int], mean: float) -> str:
        most = sorted(decided, key=lambda name: -decided[name])
        rows = sum(decided.values())
        shown = ", ".join(f"{decided[name] / rows:.1%} {name}" for name in most[:MOST_NAMED])
        return shown + (", …" if len(most) > MOST_NAMED else "")

    def shown(self, watched: float) -> str:
        return f"{watched:.1%}"


class RegressionAnswers:
    """``{"value": …}``; there is no rule for an uncertain number."""

    decisions = ()
    meaning = "Predicted numbers."

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    @property
    def bins(self) -> tuple[float, ...]:
        return number_bins(number_profile(self._manifest["reference"][SCORE])["edges"])

    def answer(self, score: Any) -> TaskAnswer:
        return {"value": score}

    def score(self, answer: Mapping[str, object]) -> Any:
        """Return the number; NaN for a quantile, which is another one."""
        return math.nan if answer.get("quantile") else _number(answer.get("value"))

    def scores(self, table: pa.Table) -> np.ndarray:
        return np.asarray(table["value"].to_numpy())

    def predictions(self, answers: Sequence[Mapping[str, object]]) -> Predictions:
        scores = np.array([self.score(answer) for answer in answers], dtype="float64")
        return ValuePredictions.of(scores)

    def watched(self, score: Any) -> float:
        return float(score)

    def decided(self, answer: Mapping[str, object]) -> str | None:
        return None

    def uncertain(self, score: Any, band: float) -> str | None:
        return None

    def summary(self, decided: Mapping[str, int], mean: float) -> str:
        return f"mean {mean:.4g}"

    def shown(self, watched: float) -> str:
        return f"{watched:.4g}"


class QuantileAnswers(RegressionAnswers):
    """``{"value": …, "quantile": 0.9}``: the number and which quantile of the label it is."""

    meaning = "Predicted quantiles."

    def __init__(self, manifest: Manifest) -> None:
        super().__init__(manifest)
        self._quantile: float = manifest["target"]["quantile"]

    def answer(self, score: Any) -> TaskAnswer:
        return {"value": score, "quantile": self._quantile}

    def score(self, answer: Mapping[str, object]) -> Any:
        is_own = answer.get("quantile") == self._quantile
        return _number(answer.get("value")) if is_own else math.nan

    def predictions(self, answers: Sequence[Mapping[str, object]]) -> Predictions:
        scores = np.array([self.score(answer) for answer in answers], dtype="float64")
        return QuantilePredictions.at_quantile(scores, self._quantile)


TASK_OF_FIELD = {
    "quantile": Quantile.name,
    "probability": Binary.name,
    "probabilities": Multiclass.name,
    "value": Regression.name,
}

ANSWERS: dict[str, Callable[[Manifest], Answers]] = {
    Binary.name: BinaryAnswers,
    Multiclass.name: MulticlassAnswers,
    Regression.name: RegressionAnswers,
    Quantile.name: QuantileAnswers,
}


def answers_of(task: Task, manifest: Manifest) -> Answers:
    """Return how a model answers, by its manifest."""
    return ANSWERS[task.name](manifest)


def predictions_of(task: Task, answers: Sequence[Mapping[str, object]]) -> Predictions:
    """Return the answers of one model, of a task as `task_of_answer` returns it."""
    target = Target(classes=list(task.classes))
    if task.quantile is not None:
        target["quantile"] = task.quantile
    # No threshold is compared with: the answers have their decisions.
    return ANSWERS[task.name](Manifest(target=target, threshold=math.nan)).predictions(answers)


def task_of_answer(answer: Mapping[str, object]) -> Task:
    """Return the task of an answer; its classes are their names in JSON.

    Raises
    ------
    KeyError
        It has the fields of no task.
    """
    field = next((field for field in TASK_OF_FIELD if field in answer), "")
    name = TASK_OF_FIELD[field]
    named = answer.get("probabilities")
    classes = list(named) if isinstance(named, dict) else []
    return declared_task(name, classes, answer.get("quantile"))


def flat_score(answer: Any) -> list[float]:
    """Return the numbers of a score, of any task, in an answer; none if it has none."""
    if not isinstance(answer, dict):
        return []
    given = answer.get("probabilities")
    numbers = (
        list(given.values())
        if isinstance(given, dict)
        else [answer.get("value", answer.get("probability"))]
    )
    values = [_number(each) for each in numbers]
    return [] if any(map(math.isnan, values)) else values


def score_error(given: Sequence[float], expected: Sequence[float]) -> float:
    """Return the largest difference of two scores, as `flat_score` has them.

    Of numbers above 1 it is relative; infinity if one score has more numbers.
    """
    if len(given) != len(expected):
        return math.inf
    pairs = zip(given, expected, strict=True)
    return max((abs(value - right) / max(1.0, abs(right)) for value, right in pairs), default=0.0)


def is_same_answer(given: Mapping[str, object], expected: Mapping[str, object]) -> bool:
    """Return whether two answers are the same: the scores within `ROUNDING`, all else exactly."""
    error = score_error(flat_score(given), flat_score(expected))
    return error <= ROUNDING and _without_scores(given) == _without_scores(expected)


def _without_scores(answer: Mapping[str, object]) -> Fields:
    """Return an answer with the names of its scores alone."""
    return {
        name: (list(value) if isinstance(value, dict) else None) if name in SCORES else value
        for name, value in answer.items()
    }


def class_name(value: Any) -> str:
    """Return a class as the name of a member in JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def number_bins(quantiles: Sequence[float]) -> tuple[float, ...]:
    """Return multiples of a round step that cover some quantiles, ascending.

    Two models with similar predictions share most of these bins, so that a canary can compare them.
    """
    if len(quantiles) < 2:
        return tuple(quantiles) or (0.0,)
    low, middle, high = np.quantile(quantiles, [0, 0.5, 1])
    lower, upper = np.quantile(quantiles, [0.25, 0.75])
    spread = (upper - lower) or (high - low)
    step = max(spread / STEPS_OF_RANGE, (high - low) / MOST_BINS, abs(middle) * 1e-6)
    unit = 10.0 ** math.floor(math.log10(step))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= step * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    return tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else math.nan
