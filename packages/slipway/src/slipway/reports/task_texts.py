"""What model card and page write about a task: one class for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from slipway.manifest import Manifest
from slipway.metrics.registry import ALL, Metric
from slipway.tasks import Task, task_of
from slipway.tasks.base import listed
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.quantile import Quantile
from slipway.tasks.regression import Regression

Metrics = Mapping[str, Any]
"""The content of reports/metrics.json, or a part of it: see `slipway.training.evaluate`."""


class TaskText(Protocol):
    """How a task is described.

    Attributes
    ----------
    headline
        The metric that is shown first.
    review
        Which answers are for human review.
    outcome
        Column of the table of slices that describes the labels, and its heading.
    rates
        What is compared day by day: the mean of the watched number, and of the outcomes, where
        ``{target}`` is the name of the target.
    axis
        Format of these numbers on an axis, as Vega has it.
    """

    headline: str
    review: str
    outcome: tuple[str, str]
    rates: tuple[str, str]
    axis: str

    def purpose(self, task: Task) -> str:
        """Return what is predicted."""

    def measured(self, metrics: Metrics, task: Task) -> str:
        """Return a description of the labels of the holdout."""

    def decision(self, manifest: Manifest) -> str:
        """Return how decisions are made."""

    def shown(self, outcome: float) -> str:
        """Return a mean outcome, or a mean watched number, as a text."""

    def explained(self, value: float, target: str) -> str:
        """Return what a value of the headline metric means, as a sentence."""


class BinaryText:
    headline = "auc"
    review = "A probability near the threshold is for human review (`serve.uncertainty_band`)."
    outcome = ("label_rate", "positive")
    rates = ("mean score", "share {target}")
    axis = "%"

    def explained(self, value: float, target: str) -> str:
        return (
            f"Of a row that is {target} and one that is not, it ranks the first higher "
            f"{value:.0%} of the time (AUC; chance: 50%)."
        )

    def purpose(self, task: Task) -> str:
        return "Predicts the probability that a row is positive"

    def measured(self, metrics: Metrics, task: Task) -> str:
        return f"{metrics['positives']:,} of them positive"

    def decision(self, manifest: Manifest) -> str:
        threshold = manifest["threshold"]
        return (
            f"A row is predicted to be positive if its probability is at least **{threshold:g}**."
        )

    def shown(self, outcome: float) -> str:
        return f"{outcome:.1%}"


class MulticlassText:
    headline = "accuracy"
    review = (
        "An answer whose two most probable classes are nearly equal is for human review "
        "(`serve.uncertainty_band`)."
    )
    outcome = ("right", "right")
    rates = ("mean probability of the decided class", "share of right decisions")
    axis = "%"

    def explained(self, value: float, target: str) -> str:
        return f"It decides the right class in {value:.1%} of the rows."

    def purpose(self, task: Task) -> str:
        return f"Predicts one of {len(task.classes)} classes ({listed(task.classes)})"

    def measured(self, metrics: Metrics, task: Task) -> str:
        return task.statistics.of(metrics).summary(metrics["rows"])

    def decision(self, manifest: Manifest) -> str:
        return "The most probable class is decided."

    def shown(self, outcome: float) -> str:
        return f"{outcome:.1%}"


class RegressionText:
    headline = "mae"
    review = "There is no rule for an uncertain number; its error on a row is not known."
    outcome = ("mean_label", "mean label")
    rates = ("mean prediction", "mean label")
    axis = ",.4~r"

    def explained(self, value: float, target: str) -> str:
        return f"Its predictions of {target} are off by {value:.4g} on average."

    def purpose(self, task: Task) -> str:
        return "Predicts a number"

    def measured(self, metrics: Metrics, task: Task) -> str:
        return f"labels from {metrics['lowest']:.4g} to {metrics['highest']:.4g}"

    def decision(self, manifest: Manifest) -> str:
        return "The prediction is a number, without a decision."

    def shown(self, outcome: float) -> str:
        return f"{outcome:.4g}"


class QuantileText(RegressionText):
    headline = "pinball_loss"
    outcome = ("coverage", "coverage")
    rates = ("mean predicted quantile", "mean label")

    def explained(self, value: float, target: str) -> str:
        return (
            f"Its mean pinball loss is {value:.4g}: labels of {target} above their predicted "
            "quantile count by its level, those below by the rest to 1."
        )

    def purpose(self, task: Task) -> str:
        return f"Predicts the {task.quantile} quantile of a number"

    def decision(self, manifest: Manifest) -> str:
        level = f"{100 * manifest['target']['quantile']:g}%"
        return (
            f"The prediction is a number that {level} of the labels should be at or below "
            "(coverage), without a decision."
        )


TASK_TEXTS: dict[str, TaskText] = {
    Binary.name: BinaryText(),
    Multiclass.name: MulticlassText(),
    Regression.name: RegressionText(),
    Quantile.name: QuantileText(),
}


def text_of(manifest: Manifest) -> TaskText:
    """Return the texts about the task of a model."""
    return TASK_TEXTS[task_of(manifest).name]


def headline_metric(text: TaskText) -> Metric:
    return ALL[text.headline]
