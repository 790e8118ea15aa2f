"""The costs of a model's errors, as the page and the canvas show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slipway.documents import charts
from slipway.documents.charts.canvas import Row
from slipway.documents.document import Cell, Figure, Table
from slipway.numbers import plain, signed
from slipway.reports.task_texts import Metrics


def cost_figures(curve: Sequence[Row], metrics: Metrics) -> Iterator[Figure]:
    """Yield the expected cost by threshold; nothing if no costs are set."""
    costs = metrics.get("costs")
    if not curve or not costs or "threshold" not in costs:
        return
    now, derived = metrics["threshold"], costs["threshold"]
    yield Figure("costs", charts.costs(curve, now, derived), cost_sentence(costs, now))


def cost_sentence(costs: Metrics, now: float) -> str:
    """Return what the curve of costs shows.

    Parameters
    ----------
    now
        The threshold of the service.
    """
    text = (
        f"By the costs of both errors the threshold is {costs['threshold']:.3g} (dot); the service "
        f"has {now:g} (dashed), at {plain(costs['now']['value'])} a row."
    )
    ends = costs["lowest_from"], costs["lowest_to"]
    text += (
        f" On the holdout costs are lowest at {costs['lowest_threshold']:g}; no threshold from "
        f"{ends[0]:g} to {ends[1]:g} is shown to cost more."
    )
    if not ends[0] <= costs["threshold"] <= ends[1]:
        text += " The threshold of the costs is: the probabilities are not calibrated."
    return text


def cost_table(metrics: Metrics) -> Table | None:
    """Return costs by the rule of the service and by that of the costs; None without costs."""
    costs = metrics.get("costs")
    if not costs:
        return None
    rows: list[list[Cell]] = [["by the rule of the service", _with_ends(costs["now"])]]
    if "derived" in costs:
        rows.append([_rule(costs), _with_ends(costs["derived"])])
        rows.append(["the first less the second", _with_ends(costs["difference"], is_signed=True)])
    level = f"{metrics['confidence']:.0%}"
    return Table([f"expected cost of a row, with {level} intervals", ""], rows)


def _rule(costs: Metrics) -> str:
    if "threshold" in costs:
        return f"at the threshold of the costs, {costs['threshold']:.3g}"
    return "by the class of the lowest expected cost"


def _with_ends(estimate: Metrics, *, is_signed: bool = False) -> str:
    shown = signed if is_signed else plain
    value, low, high = (shown(estimate[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
