"""The quality of the model, on all rows and by slice."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.documents import charts
from slipway.documents.charts.canvas import Row
from slipway.documents.document import Cell, Figure, Section, Table
from slipway.metrics.registry import Metric, metrics_of
from slipway.numbers import counted
from slipway.reports.costs import cost_figures
from slipway.reports.page.calibration import calibration
from slipway.reports.page.components import (
    listed,
    missing,
    plain,
    section,
    target_of,
    with_interval,
)
from slipway.reports.page.inputs import Inputs
from slipway.reports.task_texts import Metrics
from slipway.training.diagnostics import DIAGNOSTICS

SLICES_SHOWN = 20


def quality(inputs: Inputs) -> Section:
    key, title = "quality", "Model quality"
    metrics = inputs.metrics
    if metrics is None:
        return missing(key, title, "Not measured yet: `dvc repro` evaluates the model.")
    name, target = target_of(inputs), plain(target_of(inputs))
    figures = [*calibration(inputs)]
    # Files of a model of another task may still be there.
    plots = {each.file for each in DIAGNOSTICS[inputs.task.name].axes} & inputs.plots.keys()
    if "roc" in plots:
        auc = metrics["model"]["auc"]["value"]
        curve = inputs.plots["roc"]
        figures.append(Figure("roc", charts.roc(curve, auc), _threshold(metrics, target)))
    if "scores" in plots:
        histogram = inputs.plots["scores"]
        svg = charts.scores(histogram, metrics["threshold"], name)
        figures.append(Figure("scores", svg, _scores(histogram, metrics, target)))
    figures += cost_figures(inputs.plots.get("costs", []), metrics)
    return section(key, title, _headline(inputs, metrics), *figures, _metric_table(inputs, metrics))


def slices(inputs: Inputs) -> Section:
    key, title = "slices", "Slices"
    table = inputs.plots.get("slices")
    if not table or inputs.metrics is None:
        return missing(key, title, "No slices yet: `dvc repro` measures them.")
    metric, sign = inputs.headline.key, inputs.headline.sign
    known = [row for row in table if row[metric] is not None]
    measured = sorted(known, key=lambda row: sign * float(row[metric]))
    small = [f"{row['slice']} {row['value']}" for row in table if row[metric] is None]
    overall = inputs.metrics["model"][metric]["value"]
    if not measured:
        return section(key, title, "Every slice has too few rows to be measured.")
    caption = "Dashed: all rows. Red: the whole interval is worse. After each name: its rows."
    if len(measured) > SLICES_SHOWN:
        caption += f" The {SLICES_SHOWN} worst of {len(measured)} slices are shown."
    if small:
        caption += f" Too few rows to be measured: {listed(small, 8)}."
    shown, name = measured[:SLICES_SHOWN], target_of(inputs)
    worse = [_is_worse(row, overall, inputs.headline) for row in shown]
    figures = [
        Figure(
            "slices", charts.slices(shown, overall, metric, inputs.headline.label, worse), caption
        )
    ]
    if "label_rate" in shown[0]:
        text = _largest_gap(shown, plain(name))
        figures.append(Figure("gaps", charts.gaps(shown, name), text))
    return section(key, title, _worst(measured, overall, inputs.headline), *figures)


def _metric_table(inputs: Inputs, metrics: Metrics) -> Table:
    simple = DIAGNOSTICS[inputs.task.name]
    models = [name for name in ("model", simple.regressor, simple.simplest) if name in metrics]
    rows: list[list[Cell]] = [
        [metric.label, *(with_interval(metrics[model][key], metric) for model in models)]
        for key, metric in metrics_of(inputs.task.name).items()
        if key in metrics["model"]
    ]
    level = f"{metrics['confidence']:.0%}"
    head = ["", *(model.replace("_", " ") for model in models)]
    caption = f"On {metrics['rows']:,} held-out rows, with {level} intervals"
    return Table(head, rows, caption=caption)


def _headline(inputs: Inputs, metrics: Metrics) -> str:
    """Return the first metric, next to that of the baselines."""
    metric, simple = inputs.headline, DIAGNOSTICS[inputs.task.name]
    value = metrics["model"][metric.key]["value"]
    text = inputs.text.explained(value, plain(target_of(inputs)))
    others = [
        f"{name.replace('_', ' ')}: {metric.shown(metrics[name][metric.key]['value'])}"
        for name in (simple.regressor, simple.simplest)
        if metric.key in metrics.get(name, {})
    ]
    return f"{text} The baselines, {'; '.join(others)}." if others else text


def _threshold(metrics: Metrics, target: str) -> str:
    recall, precision = (metrics["model"][name]["value"] for name in ("recall", "precision"))
    return (
        f"At the threshold of {metrics['threshold']:.0%} it finds {recall:.0%} of the rows that "
        f"are {target}, and {precision:.0%} of the rows that it predicts to be {target} are."
    )


def _scores(histogram: Sequence[Row], metrics: Metrics, target: str) -> str:
    threshold = metrics["threshold"]
    rows = sum(row["rows"] for row in histogram)
    positive = sum(row["rows"] for row in histogram if row["score"] >= threshold - 1e-9)
    return (
        f"{positive / rows:.0%} of the rows score {threshold:.0%} or more (dashed) and are "
        f"predicted to be {target}; {metrics['positives'] / metrics['rows']:.0%} are."
    )


def _is_worse(row: Row, overall: float, metric: Metric) -> bool:
    """Return whether the whole interval of a slice is worse than the value on all rows."""
    if metric.higher_is_better:
        return bool(row[f"{metric.key}_high"] < overall)
    return bool(row[f"{metric.key}_low"] > overall)


def _worst(measured: Sequence[Row], overall: float, metric: Metric) -> str:
    beyond = [row for row in measured if _is_worse(row, overall, metric)]
    worst = measured[0]
    name = plain(f"{worst['slice']} {worst['value']}")
    first = (
        f"The worst is {name} with {metric.label} {metric.shown(worst[metric.key])} on "
        f"{worst['rows']:,} rows; all rows: {metric.shown(overall)}."
    )
    if not beyond:
        return f"No slice is significantly worse than all rows. {first}"
    verb = "is" if len(beyond) == 1 else "are"
    slices = counted(len(measured), "slice")
    return f"{len(beyond)} of {slices} {verb} significantly worse than all rows. {first}"


def _largest_gap(shown: Sequence[Row], target: str) -> str:
    worst = max(shown, key=lambda row: abs(row["mean_score"] - row["label_rate"]))
    name = plain(f"{worst['slice']} {worst['value']}")
    return (
        f"Largest difference: {name}, with {worst['mean_score']:.0%} predicted and "
        f"{worst['label_rate']:.0%} {target}."
    )
