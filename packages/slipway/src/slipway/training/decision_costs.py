"""What the decisions of a model cost on the holdout, and the rule by which they would cost least.

A cost is that of one row on average, with the interval of rows that depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from slipway.errors import SlipwayError
from slipway.metrics import inference, influence
from slipway.metrics.clusters import spread_of
from slipway.metrics.inference import UNBOUNDED
from slipway.numbers import plain
from slipway.settings import MAY_DIFFER, Costs

if TYPE_CHECKING:
    from slipway.metrics.sample import Sample
    from slipway.metrics.stats import Estimate
    from slipway.settings import Evaluate
    from slipway.tasks import Task

THRESHOLDS = np.linspace(0, 1, 101)

# Decimals of a threshold that is a division of costs.
DIGITS = 6


def cost_curve(
    sample: Sample, scores: np.ndarray, settings: Evaluate
) -> Sequence[Mapping[str, str | float]]:
    """Return the cost at each of `THRESHOLDS`, of a binary model; empty if no costs are set."""
    costs = settings.costs
    if costs is None:
        return []
    rows = []
    for threshold in THRESHOLDS.tolist():
        found = _estimate(sample, _binary(sample.labels, scores, threshold, costs), settings)
        ends = {"cost": found.value, "low": found.low, "high": found.high}
        rows.append({"threshold": f"{threshold:.2f}"} | {k: f"{v:.6g}" for k, v in ends.items()})
    return rows


def decision_costs(
    sample: Sample, scores: np.ndarray, settings: Evaluate, task: Task
) -> dict[str, float | dict[str, float]]:
    """Return what metrics.json has of costs; empty if none are set.

    `now` is the cost by the rule that the service has, `derived` that by the rule of the costs, and
    `difference` the first less the second, each with its interval.

    Raises
    ------
    SlipwayError
        The costs are those of another task.
    """
    costs = settings.costs
    if costs is None:
        return {}
    check_costs(costs, task)
    if costs.classes is not None:
        return _of_rules(sample, _multiclass(sample.labels, scores, costs, task), settings)
    if task.name == "binary":
        return _of_thresholds(sample, scores, settings, costs)
    now = _regression(sample.labels, scores, costs)
    return {
        "quantile": round(float(costs.level or 0), DIGITS),
        "now": _estimate(sample, now, settings).as_dict(),
    }


def check_costs(costs: Costs, task: Task) -> None:
    """Refuse costs of another task, or of a class that there is not.

    Raises
    ------
    SlipwayError
        Names the setting.
    """
    if costs.task != ("regression" if task.name == "quantile" else task.name):
        raise SlipwayError(
            f"params.yaml: `evaluate.costs` are those of a {costs.task} model, and "
            f"src/model/target.py declares {task.name}",
            "set the costs of that task, or remove them (docs/card.md#costs)",
        )
    names = {str(each) for each in task.classes}
    for true, decided in (costs.classes or {}).items():
        if unknown := sorted({true, *decided} - names):
            raise SlipwayError(
                f"params.yaml: `evaluate.costs.classes` names {unknown[0]!r}, which is no class",
                f"name classes of src/model/target.py: {', '.join(sorted(names)[:10])}",
            )


def disagreement(settings: Evaluate, task: Task) -> str:
    """Return how threshold or quantile and costs disagree, with what to set; empty if they agree.

    A number that is a mean, and costs that are not equal, disagree too.
    """
    costs = settings.costs
    if costs is None or costs.level is None:
        return ""
    if task.name == "binary":
        if abs(settings.threshold - costs.level) <= MAY_DIFFER:
            return ""
        return (
            f"`evaluate.threshold` is {settings.threshold:g}, and by `evaluate.costs` "
            f"({costs.false_positive:g} for a false positive, {costs.false_negative:g} for a false "
            f"negative) expected costs are lowest at {costs.level:.3g}: set the threshold to "
            f"{costs.level:.3g}, or correct the costs"
        )
    declared = 0.5 if task.quantile is None else task.quantile
    if abs(declared - costs.level) <= MAY_DIFFER:
        return ""
    of_model = "a middle of the labels" if task.quantile is None else f"their {declared:g} quantile"
    return (
        f"the model predicts {of_model}, and by `evaluate.costs` ({costs.over:g} for a unit too "
        f"high, {costs.under:g} for one too low) expected costs are lowest at the "
        f"{costs.level:.3g} quantile: declare `TASK = 'quantile'` and "
        f"`QUANTILE = {costs.level:.3g}` in src/model/target.py, or correct the costs"
    )


def cost_lines(found: Mapping[str, float | dict[str, float]]) -> list[str]:
    """Return the costs of metrics.json as a line of a summary; none if there are none."""
    now = found.get("now")
    if not isinstance(now, dict):
        return []
    ends = f"{plain(now['low'])} to {plain(now['high'])}"
    return [f"expected cost of a row: {plain(now['value'])} ({ends})"]


def _of_thresholds(
    sample: Sample, scores: np.ndarray, settings: Evaluate, costs: Costs
) -> dict[str, float | dict[str, float]]:
    """Return costs at the threshold and at that of the costs, and where the curve is lowest.

    `lowest_from` and `lowest_to` are the ends of the thresholds that are not shown to cost more
    than the lowest: paired, on the same rows.
    """
    derived = round(float(costs.level or 0), DIGITS)
    labels = sample.labels
    now, best = (_binary(labels, scores, each, costs) for each in (settings.threshold, derived))
    every = [_binary(labels, scores, each, costs) for each in THRESHOLDS.tolist()]
    lowest = int(np.argmin([losses.mean(dtype="float64") for losses in every]))
    not_worse = [
        threshold
        for threshold, losses in zip(THRESHOLDS.tolist(), every, strict=True)
        if _estimate(sample, losses - every[lowest], settings, -UNBOUNDED).low <= 0
    ]
    return {
        "threshold": derived,
        **_of_rules(sample, (now, best), settings),
        "lowest_threshold": round(float(THRESHOLDS[lowest]), 2),
        "lowest_from": round(min(not_worse), 2),
        "lowest_to": round(max(not_worse), 2),
    }


def _of_rules(
    sample: Sample, rules: tuple[np.ndarray, np.ndarray], settings: Evaluate
) -> dict[str, float | dict[str, float]]:
    now, best = rules
    return {
        "now": _estimate(sample, now, settings).as_dict(),
        "derived": _estimate(sample, best, settings).as_dict(),
        "difference": _estimate(sample, now - best, settings, -UNBOUNDED).as_dict(),
    }


def _estimate(
    sample: Sample, losses: np.ndarray, settings: Evaluate, smallest: float = 0.0
) -> Estimate:
    """Return the mean of per-row costs with its interval."""
    found = influence.mean(losses)
    spread = spread_of(found.pull, sample.clusters)
    value = float(found.value or 0.0)
    return inference.interval(value, spread, settings.confidence, (smallest, UNBOUNDED))


def _binary(labels: np.ndarray, scores: np.ndarray, threshold: float, costs: Costs) -> np.ndarray:
    """Return the cost of each row, shape (rows,)."""
    positive, decided = labels == 1, scores >= threshold
    wrong = float(costs.false_positive or 0) * (decided & ~positive)
    return np.asarray(wrong + float(costs.false_negative or 0) * (~decided & positive))


def _regression(labels: np.ndarray, scores: np.ndarray, costs: Costs) -> np.ndarray:
    errors = scores - labels
    return np.asarray(
        np.where(errors > 0, float(costs.over or 0) * errors, -float(costs.under or 0) * errors)
    )


def _multiclass(
    labels: np.ndarray, scores: np.ndarray, costs: Costs, task: Task
) -> tuple[np.ndarray, np.ndarray]:
    """Return the costs of each row by the most probable class and by that which costs least."""
    matrix, codes = cost_matrix(costs, task), labels.astype(int)
    rules = scores.argmax(1), (scores @ matrix).argmin(1)
    now, best = (matrix[codes, decided] for decided in rules)
    return now, best


def cost_matrix(costs: Costs, task: Task) -> np.ndarray:
    """Return the cost of deciding a class (column) for a row of a class (row)."""
    names = [str(each) for each in task.classes]
    matrix = 1.0 - np.eye(len(names))
    for true, decided in (costs.classes or {}).items():
        for name, cost in decided.items():
            matrix[names.index(true), names.index(name)] = cost
    return matrix
