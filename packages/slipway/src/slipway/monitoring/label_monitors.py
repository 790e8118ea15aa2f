"""What labels that arrive late are compared with, for each task: the series that may alarm.

A series is a mean of per-row values that is zero on the holdout, so a later mean is a shift. All
tasks share the weeks, the sequential test and the metrics of `slipway.metrics.registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from slipway.errors import SlipwayError
from slipway.metrics.stats import pinball
from slipway.monitoring.estimate import ASSUMES, estimate
from slipway.monitoring.holdout_calibration import DayEffect, HoldoutCalibration, Shift
from slipway.monitoring.report import Estimate, EstimateWeek
from slipway.tasks.binary import Binary

if TYPE_CHECKING:
    from slipway.monitoring.labelled import Labelled, WeeklyPredictions
    from slipway.settings import Monitoring
    from slipway.tasks import Task
    from slipway.tasks.predictions import Predictions

Metrics = Mapping[str, Mapping[str, float]]

PROBABILITY_CELLS = np.linspace(0, 1, 1001)[1:-1]

# Cells of predicted numbers, for the ranks of labelled rows among all.
NUMBER_CELLS = 200

# Errors beyond this quantile of the holdout's count as that: the tests need bounded values.
CAPPED = 0.99

FEWEST_ROWS = 20


class LabelMonitor(Protocol):
    """How labelled predictions of a task are compared with the holdout."""

    @property
    def task(self) -> Task:
        """The task of the model."""

    @property
    def threshold(self) -> float | None:
        """From which the model decides yes, if it does."""

    @property
    def series(self) -> Sequence[str]:
        """What may alarm; with " up" or " down" after the name, either side of one."""

    @property
    def degradations(self) -> Sequence[str]:
        """The series whose alarms are a degradation of performance."""

    @property
    def concept(self) -> Sequence[str]:
        """The series whose alarms are concept drift."""

    @property
    def headline(self) -> str:
        """The metric that is reported first."""

    @property
    def rate(self) -> str:
        """What the label rate of a week is called; empty if there is none."""

    @property
    def unchanged(self) -> str:
        """What it means that no series of `concept` alarms."""

    @property
    def edges(self) -> np.ndarray:
        """Those of the cells of the watched number."""

    @property
    def error(self) -> Mapping[str, float]:
        """Standard error of the holdout, by series without " up" and " down"."""

    @property
    def before(self) -> float | None:
        """The headline metric of the holdout, if it is not measured otherwise."""

    def shifts(self, part: Labelled) -> dict[str, Shift]:
        """Return the shifts of a window of labelled rows, by series; upwards is worse."""

    def floors(self, settings: Monitoring) -> Mapping[str, float]:
        """Return the smallest shift that matters, by series."""

    def rates(self, part: Labelled) -> tuple[float | None, float | None]:
        """Return the label rate of some rows and the expected one; None if there is none."""

    def alarm(self, series: str, mean: Callable[[str], float], rates: tuple[float, float]) -> str:
        """Return what an alarm means.

        Parameters
        ----------
        mean
            From a series to its mean shift in the weeks of the alarm.
        rates
            The label rate in these weeks, and the expected one; 0 if there is none.
        """

    def estimate(
        self, predictions: WeeklyPredictions, confidence: float, metrics: Metrics | None
    ) -> Estimate:
        """Return the performance that is expected without labels."""


@dataclass(frozen=True)
class BinaryMonitor:
    """AUC against the holdout; log loss and label rate against the calibrated scores."""

    holdout: HoldoutCalibration
    threshold: float | None

    task = Binary()
    series = ("auc", "loss", "rate up", "rate down")
    degradations = ("auc", "loss")
    concept = ("loss", "rate up", "rate down")
    headline = "auc"
    rate = "label rate"
    unchanged = "no concept drift: rows with the same score have the label rate of the holdout"

    @property
    def edges(self) -> np.ndarray:
        return np.unique([*PROBABILITY_CELLS, self.threshold])

    @property
    def error(self) -> Mapping[str, float]:
        return self.holdout.error

    @property
    def before(self) -> float | None:
        return self.holdout.auc

    def shifts(self, part: Labelled) -> dict[str, Shift]:
        return self.holdout.shifts(part.labels, part.scores, part.days)

    def floors(self, settings: Monitoring) -> Mapping[str, float]:
        return {
            "auc": settings.auc_drop,
            "loss": settings.loss_excess,
            "rate": settings.rate_gap,
        }

    def rates(self, part: Labelled) -> tuple[float | None, float | None]:
        expected = self.holdout.calibration.apply(part.scores).mean()
        return float(part.labels.mean()), float(expected)

    def alarm(self, series: str, mean: Callable[[str], float], rates: tuple[float, float]) -> str:
        if series == "auc" and self.holdout.auc is not None:
            now = self.holdout.auc - mean("auc")
            return f"AUC has decreased to {now:.3f}, from {self.holdout.auc:.3f} on the holdout"
        if series == "loss":
            return (
                f"log loss exceeds its expected value by {mean('loss'):.3f}: the scores are "
                "miscalibrated"
            )
        word = "more" if series == "rate up" else "fewer"
        shares = f"{rates[0]:.1%} instead of {rates[1]:.1%}"
        return f"{word} rows are positive than the scores predict: {shares}"

    def estimate(
        self, predictions: WeeklyPredictions, confidence: float, metrics: Metrics | None
    ) -> Estimate:
        threshold = self.threshold or 0.0
        expected, weeks = estimate(predictions, self.holdout, threshold, confidence)
        before = (metrics or {}).get("auc", {}).get("value", self.holdout.auc)
        compared = f" ({before:.3f} on the holdout)" if before else ""
        words = (
            f"Estimated from the scores alone, without labels: AUC {expected['auc'].value:.3f}"
            f"{compared}, if the calibration has not changed. Concept drift cannot be detected "
            "this way."
        )
        return _estimated(words, predictions, expected, weeks)


@dataclass(frozen=True)
class MulticlassMonitor:
    """Accuracy, against the holdout and against the calibrated probability of the decided class.

    Attributes
    ----------
    claims
        The holdout, with whether the decided class is right as the label.
    accuracy, effect
        Of the holdout; the variation of its days.
    rows
        Labelled rows of the holdout, and their standard error.
    """

    task: Task
    claims: HoldoutCalibration
    accuracy: float
    effect: DayEffect
    error_of_accuracy: float

    threshold = None
    series = ("accuracy", "overconfidence")
    degradations = ("accuracy", "overconfidence")
    concept = ("overconfidence",)
    headline = "accuracy"
    rate = "accuracy"
    unchanged = "no concept drift: decisions are right as often as their probabilities predict"
    edges = PROBABILITY_CELLS

    @property
    def error(self) -> Mapping[str, float]:
        return {"accuracy": self.error_of_accuracy, "overconfidence": self.claims.error["rate"]}

    @property
    def before(self) -> float | None:
        return self.accuracy

    def shifts(self, part: Labelled) -> dict[str, Shift]:
        right, probability = _claims(self.task, part.labels, part.scores)
        rows = len(right)
        chance = max(self.accuracy * (1 - self.accuracy), 1 / (4 * rows))
        rate = self.claims.shifts(right, probability, part.days)["rate"]
        return {
            "accuracy": Shift(
                self.accuracy - float(right.mean()),
                sqrt(chance / rows + self.effect.adds(part.days)),
            ),
            "overconfidence": Shift(-rate.value, rate.sd),
        }

    def floors(self, settings: Monitoring) -> Mapping[str, float]:
        return {"accuracy": settings.accuracy_drop, "overconfidence": settings.rate_gap}

    def rates(self, part: Labelled) -> tuple[float | None, float | None]:
        right, probability = _claims(self.task, part.labels, part.scores)
        return float(right.mean()), float(self.claims.calibration.apply(probability).mean())

    def alarm(self, series: str, mean: Callable[[str], float], rates: tuple[float, float]) -> str:
        if series == "accuracy":
            now = self.accuracy - mean("accuracy")
            return f"accuracy has decreased to {now:.1%}, from {self.accuracy:.1%} on the holdout"
        return (
            f"decisions are right less often than their probabilities predict: {rates[0]:.1%} "
            f"instead of {rates[1]:.1%}"
        )

    def estimate(
        self, predictions: WeeklyPredictions, confidence: float, metrics: Metrics | None
    ) -> Estimate:
        whole, weeks = estimate(predictions, self.claims, 0.0, confidence)
        accuracy = {"accuracy": whole["label_rate"]}
        words = (
            "Estimated from the probabilities alone, without labels: accuracy "
            f"{whole['label_rate'].value:.1%} ({self.accuracy:.1%} on the holdout), if the "
            "calibration has not changed. Concept drift cannot be detected this way."
        )
        by_week = [
            week.model_copy(update={"metrics": {"accuracy": week.metrics["label_rate"]}})
            for week in weeks
        ]
        return _estimated(words, predictions, accuracy, by_week)


@dataclass(frozen=True)
class RegressionMonitor:
    """Absolute and mean errors against the holdout, both capped.

    Attributes
    ----------
    cap
        Size of an error that larger ones count as.
    means, variances, effects
        Of a row of the holdout, and of its days, by series.
    error
        Standard errors of the holdout, by series.
    """

    task: Task
    edges: np.ndarray
    cap: float
    means: Mapping[str, float]
    variances: Mapping[str, float]
    effects: Mapping[str, DayEffect]
    error: Mapping[str, float]

    threshold = None
    series: ClassVar[Sequence[str]] = ("error", "bias up", "bias down")
    degradations = ("error",)
    concept: ClassVar[Sequence[str]] = ("bias up", "bias down")
    headline = "mae"
    rate = ""
    unchanged = "no concept drift: predictions are neither higher nor lower than on the holdout"

    @classmethod
    def of(
        cls, task: Task, labels: np.ndarray, scores: np.ndarray, days: np.ndarray | None
    ) -> Self:
        """Measure the labelled rows of the holdout; arrays as in `multiclass_monitor`, (rows,)."""
        cap = float(np.quantile(np.abs(labels - scores), CAPPED))
        values = cls.values(labels, task.predictions(scores, None), cap)
        variances = {name: float(each.var()) for name, each in values.items()}
        effects = {
            name: _effect(days, each - each.mean(), np.full(len(each), variances[name]))
            for name, each in values.items()
        }
        return cls(
            task,
            np.unique(np.quantile(scores, np.arange(1, NUMBER_CELLS) / NUMBER_CELLS)),
            cap,
            {name: float(each.mean()) for name, each in values.items()},
            variances,
            effects,
            {
                name: _standard_error(np.full(len(each), variances[name]), effects[name], days)
                for name, each in values.items()
            },
        )

    @staticmethod
    def values(labels: np.ndarray, model: Predictions, cap: float) -> dict[str, np.ndarray]:
        """Return the values of each row whose means are compared, by series, shape (rows,)."""
        gaps = np.clip(labels - model.scores, -cap, cap)
        return {"error": np.abs(gaps), "bias": gaps}

    @property
    def before(self) -> float | None:
        return None

    def shifts(self, part: Labelled) -> dict[str, Shift]:
        values = self.values(part.labels, self.task.predictions(part.scores, None), self.cap)
        return {
            name: Shift(
                float(each.mean()) - self.means[name], self._deviation(name, each, part.days)
            )
            for name, each in values.items()
        }

    def _deviation(self, name: str, values: np.ndarray, days: np.ndarray) -> float:
        """Return the standard deviation of a mean; rows may vary more than on the holdout."""
        variance = max(self.variances[name], float(values.var()))
        by_chance = variance / len(values) + self.effects[name].adds(days)
        return sqrt(by_chance) or np.finfo("float64").tiny ** 0.25

    def floors(self, settings: Monitoring) -> Mapping[str, float]:
        mean_error = self.means["error"]
        return {"error": settings.error_rise * mean_error, "bias": settings.bias_gap * mean_error}

    def rates(self, part: Labelled) -> tuple[float | None, float | None]:
        return None, None

    def alarm(self, series: str, mean: Callable[[str], float], rates: tuple[float, float]) -> str:
        if series == "error":
            return self._higher_error("mean absolute error", mean("error"))
        way, by = ("low", mean("bias")) if series == "bias up" else ("high", -mean("bias"))
        return f"predictions are too {way}: by {by:.4g} more than on the holdout, on average"

    def _higher_error(self, name: str, by: float) -> str:
        before = self.means["error"]
        return (
            f"the {name} has increased to {before + by:.4g}, from {before:.4g} on the holdout "
            f"(larger errors than {self.cap:.4g} count as that)"
        )

    def estimate(
        self, predictions: WeeklyPredictions, confidence: float, metrics: Metrics | None
    ) -> Estimate:
        words = (
            "Without labels the error of a regression cannot be estimated: predicted numbers do "
            "not show how far they are off."
        )
        return Estimate(
            status="no method",
            words=words,
            assumes=words,
            rows=predictions.rows,
            metrics={},
            weeks=[],
        )


@dataclass(frozen=True)
class QuantileMonitor(RegressionMonitor):
    """Pinball loss and coverage against the holdout; of the loss, errors are capped.

    A quantile has a bias by construction, so none is monitored.
    """

    series = ("error", "coverage up", "coverage down")
    concept = ("coverage up", "coverage down")
    headline = "pinball_loss"
    rate = "coverage"
    unchanged = "no concept drift: the coverage is that of the holdout"

    @staticmethod
    def values(labels: np.ndarray, model: Predictions, cap: float) -> dict[str, np.ndarray]:
        gaps = np.clip(labels - model.scores, -cap, cap)
        losses = pinball(gaps, np.zeros(len(gaps)), model.quantile)
        return {"error": losses, "coverage": (labels <= model.scores).astype("float64")}

    def floors(self, settings: Monitoring) -> Mapping[str, float]:
        return {
            "error": settings.error_rise * self.means["error"],
            "coverage": settings.rate_gap,
        }

    def rates(self, part: Labelled) -> tuple[float | None, float | None]:
        return float((part.labels <= part.scores).mean()), self.means["coverage"]

    def alarm(self, series: str, mean: Callable[[str], float], rates: tuple[float, float]) -> str:
        if series == "error":
            return self._higher_error("mean pinball loss", mean("error"))
        way = "high" if series == "coverage up" else "low"
        return (
            f"predicted quantiles are too {way}: {rates[0]:.1%} of the labels are at or below "
            f"them, instead of {rates[1]:.1%} on the holdout"
        )


def _estimated(
    words: str, predictions: WeeklyPredictions, metrics: Any, weeks: list[EstimateWeek]
) -> Estimate:
    return Estimate(
        status="estimate",
        words=words,
        assumes=ASSUMES,
        rows=predictions.rows,
        metrics=metrics,
        weeks=weeks,
    )


def multiclass_monitor(
    task: Task, labels: np.ndarray, scores: np.ndarray, days: np.ndarray | None
) -> MulticlassMonitor:
    """Measure the labelled rows of the holdout.

    Parameters
    ----------
    scores
        Probabilities, shape (rows, classes).
    days
        datetime64[D], shape (rows,); without them there are no day effects.
    """
    right, probability = _claims(task, labels, scores)
    if not 0 < right.sum() < len(right):
        raise SlipwayError(
            "of the holdout "
            f"{'every' if right.any() else 'no'} decision is right, so labels cannot be compared "
            "with its accuracy",
            "check the label for a leak, or use a larger holdout",
        )
    accuracy = float(right.mean())
    variances = np.full(len(right), accuracy * (1 - accuracy))
    effect = _effect(days, right - accuracy, variances)
    return MulticlassMonitor(
        task,
        HoldoutCalibration.of(right, probability, days),
        accuracy,
        effect,
        _standard_error(variances, effect, days),
    )


def _claims(task: Task, labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the decided class is right, and its probability, each of shape (rows,)."""
    claims = task.predictions(scores, None).claims(labels)
    assert claims is not None  # noqa: S101  it has probabilities
    return claims


def _effect(days: np.ndarray | None, values: np.ndarray, variances: np.ndarray) -> DayEffect:
    return DayEffect() if days is None else DayEffect.of(days, values, variances)


def _standard_error(variances: np.ndarray, effect: DayEffect, days: np.ndarray | None) -> float:
    rows = len(variances)
    when = np.zeros(rows, "datetime64[D]") if days is None else days
    return sqrt(float(variances.sum()) / rows**2 + effect.adds(when))
