"""What was predicted against what was observed: one entry of `CALIBRATION` for each task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from slipway.documents import charts
from slipway.documents.charts.canvas import Row
from slipway.documents.charts.model import CLASSES_SHOWN
from slipway.documents.document import Figure
from slipway.numbers import plain as number
from slipway.reports.page.components import listed, plain
from slipway.reports.page.inputs import Inputs
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.quantile import Quantile
from slipway.tasks.regression import Regression

Curve = Sequence[Row]


def calibration(inputs: Inputs) -> Iterator[Figure]:
    """Yield the figures of the task; none if an earlier version wrote the table."""
    curve = inputs.plots.get("calibration")
    if curve and "low" in curve[0]:
        yield from CALIBRATION[inputs.task.name](inputs, curve)


def calibration_of(curve: Curve) -> str:
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


def _rates(_inputs: Inputs, curve: Curve) -> Iterator[Figure]:
    yield Figure("calibration", charts.calibration(curve), calibration_of(curve))


def _classes(inputs: Inputs, curve: Curve) -> Iterator[Figure]:
    """Yield the calibration of the decided class, and of the classes whose own one is worst."""
    yield Figure(
        "calibration",
        charts.calibration(curve),
        f"The probability of the decided class, and how often it is right. {calibration_of(curve)}",
    )
    curves: dict[str, list[Row]] = {}
    for row in inputs.plots.get("class_calibration", []):
        curves.setdefault(plain(str(inputs.task.classes[int(row["class"])])), []).append(row)
    if not curves:
        return
    errors = {name: _error(of_class) for name, of_class in curves.items()}
    worst = sorted(errors, key=lambda name: -errors[name])[:CLASSES_SHOWN]
    caption = (
        "Each class against all others, by its own probability. Mean difference of predicted and "
        f"observed rate: {listed([f'{name} {errors[name]:.1%}' for name in worst], CLASSES_SHOWN)}."
    )
    if len(curves) > CLASSES_SHOWN:
        caption += f" The {CLASSES_SHOWN} of {len(curves)} classes with the largest one are shown."
    svg = charts.class_calibration({name: curves[name] for name in worst})
    yield Figure("class-calibration", svg, caption)


def _error(curve: Curve) -> float:
    rows = sum(row["rows"] for row in curve)
    gaps = (row["rows"] * abs(row["mean_score"] - row["label_rate"]) for row in curve)
    return float(sum(gaps) / rows)


def _means(_inputs: Inputs, curve: Curve) -> Iterator[Figure]:
    off = [row for row in curve if not row["low"] <= row["mean_score"] <= row["high"]]
    text = "By bins of the prediction. Dashed: perfect predictions on average. "
    if off:
        worst = max(off, key=lambda row: abs(row["mean_score"] - row["mean_label"]))
        text += (
            f"The largest difference is where {number(worst['mean_score'])} is predicted and the "
            f"mean label is {number(worst['mean_label'])}."
        )
    else:
        text += "In every bin the mean label is within what chance explains."
    yield Figure("calibration", charts.means(curve), text)


def _coverage(inputs: Inputs, curve: Curve) -> Iterator[Figure]:
    level = inputs.task.quantile or 0.5
    off = [row for row in curve if not row["low"] <= level <= row["high"]]
    text = f"By bins of the predicted quantile. Dashed: the declared {level:g}. "
    if off:
        worst = max(off, key=lambda row: abs(row["coverage"] - level))
        text += (
            f"The largest difference is where {number(worst['mean_score'])} is predicted: "
            f"{worst['coverage']:.0%} of the labels are at or below it."
        )
    else:
        text += "In every bin the coverage is within what chance explains."
    yield Figure("calibration", charts.coverage(curve, level), text)


CALIBRATION: Mapping[str, Callable[[Inputs, Curve], Iterator[Figure]]] = {
    Binary.name: _rates,
    Multiclass.name: _classes,
    Regression.name: _means,
    Quantile.name: _coverage,
}
