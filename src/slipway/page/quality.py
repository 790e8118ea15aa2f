"""How good the model is, on the whole and slice by slice."""

from __future__ import annotations

from collections.abc import Sequence

from slipway import charts
from slipway.page.inputs import Inputs, Row
from slipway.page.pieces import Figure, Section, Table, listed, target_of, with_interval
from slipway.report.reasons import NAMES

SLICES_SHOWN = 20

METRICS = ("auc", "log_loss", "brier", "calibration_error", "precision", "recall")


def quality(inputs: Inputs) -> Section:
    title = "How good it is"
    metrics = inputs.metrics
    if metrics is None:
        return Section(
            "quality", title, missing="Not measured yet: `dvc repro` evaluates the model."
        )
    target = target_of(inputs)
    figures = []
    if curve := inputs.plots.get("calibration"):
        figures.append(Figure("calibration", charts.calibration(curve), says_of_calibration(curve)))
    if curve := inputs.plots.get("roc"):
        auc = metrics["model"]["auc"]["value"]
        figures.append(Figure("roc", charts.roc(curve, auc), _says_of_threshold(metrics, target)))
    if histogram := inputs.plots.get("scores"):
        svg = charts.scores(histogram, metrics["threshold"], target)
        figures.append(Figure("scores", svg, _says_of_scores(histogram, metrics, target)))
    return Section("quality", title, _says_of_auc(metrics, target), figures, _metric_table(metrics))


def slices(inputs: Inputs) -> Section:
    title = "Where it is weak"
    table = inputs.plots.get("slices")
    if not table or inputs.metrics is None:
        return Section("slices", title, missing="No slices yet: `dvc repro` measures them.")
    measured = sorted((row for row in table if row["auc"] is not None), key=lambda row: row["auc"])
    small = [f"{row['slice']} {row['value']}" for row in table if row["auc"] is None]
    overall = inputs.metrics["model"]["auc"]["value"]
    if not measured:
        return Section("slices", title, "Every slice has too few rows to be measured.")
    caption = "Dashed: all rows. Red: the whole interval is lower. Behind each name: its rows."
    if len(measured) > SLICES_SHOWN:
        caption += f" The {SLICES_SHOWN} lowest of {len(measured)} slices are shown."
    if small:
        caption += f" Too few rows to be measured: {listed(small, 8)}."
    shown, target = measured[:SLICES_SHOWN], target_of(inputs)
    figures = [
        Figure("slices", charts.slices(shown, overall), caption),
        Figure("gaps", charts.gaps(shown, target), _says_of_gaps(shown, target)),
    ]
    return Section("slices", title, _says_of_slices(measured, overall), figures)


def says_of_calibration(curve: Sequence[Row]) -> str:
    """Return by how much the probabilities are off, on the whole and where it is worst."""
    rows = sum(row["rows"] for row in curve)
    promised = sum(row["rows"] * row["mean_score"] for row in curve) / rows
    happened = sum(row["rows"] * row["label_rate"] for row in curve) / rows
    off = [row for row in curve if not row["low"] <= row["mean_score"] <= row["high"]]
    whole = f"It says {promised:.1%} on average, and {happened:.1%} happened"
    if not off:
        return f"{whole}. In every bin the probability is within what chance explains."
    worst = max(off, key=lambda row: abs(row["mean_score"] - row["label_rate"]))
    return (
        f"{whole}. It is furthest off where it says {worst['mean_score']:.0%} and "
        f"{worst['label_rate']:.0%} happened; on the dashed line it would be right."
    )


def _metric_table(metrics: Row) -> Table:
    models = [name for name in ("model", "logistic_regression", "base_rate") if name in metrics]
    rows = [
        [(NAMES[name], ""), *(with_interval(metrics[model][name]) for model in models)]
        for name in METRICS
        if name in metrics["model"]
    ]
    level = f"{metrics['confidence']:.0%}"
    head = ["", *(model.replace("_", " ") for model in models)]
    return Table(f"On {metrics['rows']:,} held-out rows, with {level} intervals", head, rows)


def _says_of_auc(metrics: Row, target: str) -> str:
    auc = metrics["model"]["auc"]["value"]
    says = (
        f"Of a row that is {target} and one that is not, it ranks the right one higher "
        f"{auc:.0%} of the time."
    )
    if "logistic_regression" in metrics:
        other = metrics["logistic_regression"]["auc"]["value"]
        says += f" Logistic regression on the same features: {other:.0%}; chance: 50%."
    return says


def _says_of_threshold(metrics: Row, target: str) -> str:
    found, right = metrics["model"]["recall"]["value"], metrics["model"]["precision"]["value"]
    return (
        f"At the threshold of {metrics['threshold']:.0%} it finds {found:.0%} of what is {target}, "
        f"and {right:.0%} of what it calls {target} is."
    )


def _says_of_scores(histogram: Sequence[Row], metrics: Row, target: str) -> str:
    cut = metrics["threshold"]
    rows = sum(row["rows"] for row in histogram)
    called = sum(row["rows"] for row in histogram if row["score"] >= cut - 1e-9)
    return (
        f"{called / rows:.0%} of the rows score {cut:.0%} or more (dashed) and are called "
        f"{target}; {metrics['positives'] / metrics['rows']:.0%} are."
    )


def _says_of_slices(measured: Sequence[Row], overall: float) -> str:
    below = [row for row in measured if row["auc_high"] < overall]
    worst = measured[0]
    first = (
        f"Lowest: {worst['slice']} {worst['value']} with AUC {worst['auc']:.3f} "
        f"on {worst['rows']:,} rows; all rows: {overall:.3f}."
    )
    if not below:
        return f"No slice is clearly below the whole. {first}"
    return f"{len(below)} of {len(measured)} slices are clearly below the whole. {first}"


def _says_of_gaps(shown: Sequence[Row], target: str) -> str:
    worst = max(shown, key=lambda row: abs(row["mean_score"] - row["label_rate"]))
    return (
        f"Furthest apart: {worst['slice']} {worst['value']}, where it says "
        f"{worst['mean_score']:.0%} and {worst['label_rate']:.0%} were {target}."
    )
