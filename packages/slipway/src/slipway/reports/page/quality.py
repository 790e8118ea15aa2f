"""The quality of the model, on all rows and by slice."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.documents import charts
from slipway.documents.document import Cell, Figure, Section, Table
from slipway.metrics.registry import METRICS
from slipway.reports.page.components import (
    listed,
    missing,
    plain,
    section,
    target_of,
    with_interval,
)
from slipway.reports.page.inputs import Inputs, Row

SLICES_SHOWN = 20

MODELS = ("model", "logistic_regression", "base_rate")


def quality(inputs: Inputs) -> Section:
    key, title = "quality", "Model quality"
    metrics = inputs.metrics
    if metrics is None:
        return missing(key, title, "Not measured yet: `dvc repro` evaluates the model.")
    name, target = target_of(inputs), plain(target_of(inputs))
    figures = []
    if curve := inputs.plots.get("calibration"):
        figures.append(Figure("calibration", charts.calibration(curve), calibration_of(curve)))
    if curve := inputs.plots.get("roc"):
        auc = metrics["model"]["auc"]["value"]
        figures.append(Figure("roc", charts.roc(curve, auc), _threshold(metrics, target)))
    if histogram := inputs.plots.get("scores"):
        svg = charts.scores(histogram, metrics["threshold"], name)
        figures.append(Figure("scores", svg, _scores(histogram, metrics, target)))
    return section(key, title, _auc(metrics, target), *figures, _metric_table(metrics))


def slices(inputs: Inputs) -> Section:
    key, title = "slices", "Slices"
    table = inputs.plots.get("slices")
    if not table or inputs.metrics is None:
        return missing(key, title, "No slices yet: `dvc repro` measures them.")
    measured = sorted((row for row in table if row["auc"] is not None), key=lambda row: row["auc"])
    small = [f"{row['slice']} {row['value']}" for row in table if row["auc"] is None]
    overall = inputs.metrics["model"]["auc"]["value"]
    if not measured:
        return section(key, title, "Every slice has too few rows to be measured.")
    caption = "Dashed: all rows. Red: the whole interval is lower. After each name: its rows."
    if len(measured) > SLICES_SHOWN:
        caption += f" The {SLICES_SHOWN} lowest of {len(measured)} slices are shown."
    if small:
        caption += f" Too few rows to be measured: {listed(small, 8)}."
    shown, name = measured[:SLICES_SHOWN], target_of(inputs)
    return section(
        key,
        title,
        _lowest(measured, overall),
        Figure("slices", charts.slices(shown, overall), caption),
        Figure("gaps", charts.gaps(shown, name), _largest_gap(shown, plain(name))),
    )


def calibration_of(curve: Sequence[Row]) -> str:
    """Return predicted and observed rate, on all rows and in the worst bin."""
    rows = sum(row["rows"] for row in curve)
    predicted = sum(row["rows"] * row["mean_score"] for row in curve) / rows
    observed = sum(row["rows"] * row["label_rate"] for row in curve) / rows
    off = [row for row in curve if not row["low"] <= row["mean_score"] <= row["high"]]
    text = f"Predicted {predicted:.1%} on average, observed {observed:.1%}"
    if not off:
        return f"{text}. In every bin the difference is within what chance explains."
    worst = max(off, key=lambda row: abs(row["mean_score"] - row["label_rate"]))
    return (
        f"{text}. The largest difference is in the bin with {worst['mean_score']:.0%} predicted "
        f"and {worst['label_rate']:.0%} observed. Dashed: perfect calibration."
    )


def _metric_table(metrics: Row) -> Table:
    models = [name for name in MODELS if name in metrics]
    rows: list[list[Cell]] = [
        [metric.label, *(with_interval(metrics[model][key]) for model in models)]
        for key, metric in METRICS.items()
        if key in metrics["model"]
    ]
    level = f"{metrics['confidence']:.0%}"
    head = ["", *(model.replace("_", " ") for model in models)]
    caption = f"On {metrics['rows']:,} held-out rows, with {level} intervals"
    return Table(head, rows, caption=caption)


def _auc(metrics: Row, target: str) -> str:
    auc = metrics["model"]["auc"]["value"]
    text = (
        f"Of a row that is {target} and one that is not, it ranks the first higher {auc:.0%} of "
        "the time."
    )
    if "logistic_regression" in metrics:
        other = metrics["logistic_regression"]["auc"]["value"]
        text += f" Logistic regression on the same features: {other:.0%}; chance: 50%."
    return text


def _threshold(metrics: Row, target: str) -> str:
    recall, precision = (metrics["model"][name]["value"] for name in ("recall", "precision"))
    return (
        f"At the threshold of {metrics['threshold']:.0%} it finds {recall:.0%} of the rows that "
        f"are {target}, and {precision:.0%} of the rows that it predicts to be {target} are."
    )


def _scores(histogram: Sequence[Row], metrics: Row, target: str) -> str:
    threshold = metrics["threshold"]
    rows = sum(row["rows"] for row in histogram)
    positive = sum(row["rows"] for row in histogram if row["score"] >= threshold - 1e-9)
    return (
        f"{positive / rows:.0%} of the rows score {threshold:.0%} or more (dashed) and are "
        f"predicted to be {target}; {metrics['positives'] / metrics['rows']:.0%} are."
    )


def _lowest(measured: Sequence[Row], overall: float) -> str:
    below = [row for row in measured if row["auc_high"] < overall]
    worst = measured[0]
    name = plain(f"{worst['slice']} {worst['value']}")
    lowest = (
        f"Lowest: {name} with AUC {worst['auc']:.3f} on {worst['rows']:,} rows; all rows: "
        f"{overall:.3f}."
    )
    if not below:
        return f"No slice is significantly below all rows. {lowest}"
    return f"{len(below)} of {len(measured)} slices are significantly below all rows. {lowest}"


def _largest_gap(shown: Sequence[Row], target: str) -> str:
    worst = max(shown, key=lambda row: abs(row["mean_score"] - row["label_rate"]))
    name = plain(f"{worst['slice']} {worst['value']}")
    return (
        f"Largest difference: {name}, with {worst['mean_score']:.0%} predicted and "
        f"{worst['label_rate']:.0%} {target}."
    )
