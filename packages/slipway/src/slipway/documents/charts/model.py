"""Charts of the model: releases, calibration, ROC, scores, slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from slipway.documents.charts.canvas import (
    BAD,
    FAINT,
    INK,
    LINE,
    MAIN,
    MUTED,
    OTHER,
    Row,
    chart_of,
    colours_of,
    diagonal,
    draw,
    mark,
    names_axis,
    room_for,
    x_axis,
    y_axis,
)
from slipway.numbers import plain

if TYPE_CHECKING:
    import altair as alt

RELEASES_SHOWN = 12

# Without an exponent, and with as few digits as there are.
NUMBER = ",.4~r"

CLASS_COLOURS = (MAIN, OTHER, BAD, MUTED)

CLASSES_SHOWN = len(CLASS_COLOURS)


def releases(history: Sequence[Row], metric: str, title: str) -> str:
    """Return one metric of the newest releases with its interval, oldest first.

    Parameters
    ----------
    history
        Rows with `name` and `metrics`, a mapping of metric to `value`, `low` and `high`.
    """
    import altair as alt

    shown = history[-RELEASES_SHOWN:]
    names = [row["name"] for row in shown]
    few = len(shown) <= 4
    rows = [
        {"name": row["name"], **row["metrics"][metric], "last": i == len(shown) - 1}
        for i, row in enumerate(shown)
    ]
    axis = x_axis(None, labelLimit=320 / len(shown) if few else 70, labelAngle=0 if few else -40)
    base = chart_of(rows).encode(
        x=alt.X("name:O", sort=names, axis=axis, scale=alt.Scale(padding=0.3)),
        color=alt.condition("datum.last", alt.value(MAIN), alt.value(MUTED)),
    )
    scale = alt.Scale(zero=False, nice=False, padding=10)
    spans = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", scale=scale, axis=y_axis(title)), y2="high:Q"
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(y="value:Q")
    numbers = (
        base.transform_filter("true" if few else "datum.last")
        .mark_text(dx=9 if few else 0, dy=0 if few else -26, align="left" if few else "center")
        .encode(y="value:Q", text=alt.Text("value:Q", format=".3r"))
    )
    values = ", ".join(f"{row['name']} {plain(row['value'], 3)}" for row in rows)
    chart = alt.layer(spans, dots, numbers)
    return draw(chart, 150, f"{title} by release: {values}", bottom=26 if few else 62)


def calibration(curve: Sequence[Row]) -> str:
    """Return predicted against observed rates; rows of `rate_curve`."""
    import altair as alt

    top = max(max(row["high"], row["mean_score"]) for row in curve)
    scale = alt.Scale(domain=[0, top])
    base = chart_of(curve).encode(
        x=alt.X("mean_score:Q", scale=scale, axis=x_axis("predicted", format="%", grid=True))
    )
    spans = base.mark_rule(color=MAIN, strokeWidth=2).encode(
        y=alt.Y("low:Q", scale=scale, axis=y_axis("observed", format="%")), y2="high:Q"
    )
    dots = base.mark_point(filled=True, size=55, color=MAIN, opacity=1).encode(y="label_rate:Q")
    values = "; ".join(f"{row['mean_score']:.0%}, {row['label_rate']:.0%}" for row in curve)
    chart = alt.layer(diagonal(top), spans, dots)
    return draw(chart, 230, f"Calibration, predicted and observed rate: {values}")


def class_calibration(curves: Mapping[str, Sequence[Row]]) -> str:
    """Return predicted against observed rates of some classes.

    Parameters
    ----------
    curves
        By the name of a class, at most `CLASSES_SHOWN`: rows of `rate_curve`.
    """
    import altair as alt

    rows = [{**row, "class": name} for name, curve in curves.items() for row in curve]
    top = max(max(row["label_rate"], row["mean_score"]) for row in rows)
    base = chart_of(rows).encode(
        x=alt.X("mean_score:Q", axis=x_axis("predicted; upwards: observed", format="%", grid=True)),
        y=alt.Y("label_rate:Q", axis=y_axis("", format="%")),
        color=colours_of("class", dict(zip(curves, CLASS_COLOURS, strict=False))),
    )
    lines = base.mark_line(strokeWidth=2)
    dots = base.mark_point(filled=True, size=45, opacity=1)
    values = "; ".join(
        f"{row['class']} {row['mean_score']:.0%}, {row['label_rate']:.0%}" for row in rows
    )
    label = f"Calibration by class, predicted and observed rate: {values}"
    return draw(alt.layer(diagonal(top), lines, dots), 230, label, top=44)


def means(curve: Sequence[Row]) -> str:
    """Return mean predictions against mean labels, with `mean_score`, `mean_label`, `low`, `high`.

    Both axes have the unit of the labels.
    """
    import altair as alt

    ends = [row[name] for row in curve for name in ("mean_score", "low", "high")]
    pairs = "; ".join(f"{plain(row['mean_score'])}, {plain(row['mean_label'])}" for row in curve)
    axis = y_axis("mean label", format=NUMBER)
    layers = _spans(curve, "mean_label", "mean prediction", axis, alt.Scale(zero=False))
    chart = alt.layer(diagonal(max(ends), min(ends)), *layers)
    return draw(chart, 230, f"Mean prediction and mean label by tenth of the rows: {pairs}")


def coverage(curve: Sequence[Row], quantile: float) -> str:
    """Return the coverage of predicted quantiles by their size.

    Parameters
    ----------
    curve
        With `mean_score`, `coverage`, `low` and `high`.
    """
    import altair as alt

    pairs = "; ".join(f"{plain(row['mean_score'])}, {row['coverage']:.0%}" for row in curve)
    axis = y_axis("coverage", format="%")
    layers = _spans(curve, "coverage", "mean predicted quantile", axis, alt.Scale(zero=False))
    level = chart_of([{"level": quantile}]).mark_rule(strokeDash=[4, 3], color=MUTED)
    chart = alt.layer(level.encode(y="level:Q"), *layers)
    return draw(chart, 230, f"Predicted quantile and coverage, {quantile:g} declared: {pairs}")


def _spans(
    curve: Sequence[Row], value: str, title: str, axis: alt.Axis, scale: alt.Scale
) -> list[alt.Chart]:
    """Return a dot with its interval for each bin, at its mean prediction."""
    import altair as alt

    x = alt.X("mean_score:Q", scale=scale, axis=x_axis(title, format=NUMBER, grid=True))
    base = chart_of(curve).encode(x=x)
    spans = base.mark_rule(color=MAIN, strokeWidth=2).encode(
        y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q"
    )
    dots = base.mark_point(filled=True, size=55, color=MAIN, opacity=1).encode(y=f"{value}:Q")
    return [spans, dots]


def roc(curve: Sequence[Row], auc: float) -> str:
    """Return the ROC curve; rows with `false_positive_rate` and `true_positive_rate`."""
    import altair as alt

    line = (
        chart_of(curve)
        .mark_line(color=MAIN, strokeWidth=2.5)
        .encode(
            x=alt.X("false_positive_rate:Q", axis=x_axis("false alarms", format="%", grid=True)),
            y=alt.Y("true_positive_rate:Q", axis=y_axis("found", format="%")),
        )
    )
    number = (
        chart_of([{"x": 0.97, "y": 0.07, "text": f"AUC {auc:.3f}"}])
        .mark_text(align="right", fontSize=15, fontWeight=600, color=INK)
        .encode(x="x:Q", y="y:Q", text="text:N")
    )
    label = f"ROC curve of the model on the holdout, AUC {auc:.3f}"
    return draw(alt.layer(diagonal(1), line, number), 230, label)


def scores(histogram: Sequence[Row], threshold: float, target: str) -> str:
    """Return the distribution of the scores of each label; rows with `score`, `label`, `rows`."""
    import altair as alt

    names = {0: f"not {target}", 1: target}
    totals = dict.fromkeys(names, 0)
    for row in histogram:
        totals[row["label"]] += row["rows"]
    rows = [
        {
            "score": row["score"],
            "label": names[row["label"]],
            "share": row["rows"] / max(totals[row["label"]], 1),
        }
        for row in histogram
    ]
    base = chart_of(rows).encode(
        x=alt.X("score:Q", axis=x_axis("score", format="%")),
        y=alt.Y("share:Q", stack=None, axis=y_axis("", format="%")),
        color=colours_of("label", dict(zip(names.values(), (MAIN, OTHER), strict=True))),
    )
    areas = base.mark_area(interpolate="step-after", opacity=0.18)
    lines = base.mark_line(interpolate="step-after", strokeWidth=2)
    label = f"Scores of the holdout rows by label; the threshold is {threshold:.0%}"
    return draw(alt.layer(mark(threshold), areas, lines), 180, label, top=44)


def costs(curve: Sequence[Row], threshold: float, derived: float) -> str:
    """Return the expected cost of a row by threshold, with its interval.

    Parameters
    ----------
    curve
        With `threshold`, `cost`, `low` and `high`.
    threshold
        That of the service: dashed.
    derived
        That of the costs: a dot.
    """
    import altair as alt

    x = alt.X("threshold:Q", axis=x_axis("threshold", format="%"))
    base = chart_of(curve).encode(x=x)
    band = base.mark_area(color=MAIN, opacity=0.18).encode(
        y=alt.Y("low:Q", axis=y_axis("expected cost of a row", format=NUMBER)), y2="high:Q"
    )
    line = base.mark_line(color=MAIN, strokeWidth=2).encode(y="cost:Q")
    nearest = min(curve, key=lambda row: abs(row["threshold"] - derived))
    dot = chart_of([nearest]).mark_point(filled=True, size=70, color=OTHER, opacity=1)
    chart = alt.layer(band, mark(threshold), line, dot.encode(x="threshold:Q", y="cost:Q"))
    label = (
        f"Expected cost of a row by threshold: {plain(nearest['cost'])} at {derived:.0%}, that of "
        f"the costs; the service has {threshold:.0%}"
    )
    return draw(chart, 180, label)


def slices(
    rows: Sequence[Row], overall: float, metric: str, label: str, worse: Sequence[bool]
) -> str:
    """Return a metric of each slice with its interval, in the given sequence.

    Parameters
    ----------
    rows
        With `slice`, `value`, `rows`, and the metric, its `_low` and `_high`.
    overall
        The metric on all rows.
    worse
        The slices that are marked.
    """
    import altair as alt

    named = [
        {
            "name": f"{row['slice']} {row['value']} · {row['rows']:,}",
            "low": row[f"{metric}_low"],
            "value": row[metric],
            "high": row[f"{metric}_high"],
            "worse": is_worse,
        }
        for row, is_worse in zip(rows, worse, strict=True)
    ]
    names = [row["name"] for row in named]
    base = chart_of(named).encode(
        y=alt.Y("name:N", sort=names, axis=names_axis(names)),
        color=alt.condition("datum.worse", alt.value(BAD), alt.value(MAIN)),
    )
    scale = alt.Scale(zero=False, nice=False, padding=6)
    spans = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=scale, axis=x_axis(label, grid=True)), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(x="value:Q")
    values = ", ".join(f"{row['name']} {plain(row['value'], 3)}" for row in named)
    chart = alt.layer(mark(overall), spans, dots)
    return draw(
        chart, LINE * len(rows), f"{label} by slice and rows: {values}", left=room_for(names), top=8
    )


def gaps(rows: Sequence[Row], target: str) -> str:
    """Return mean score and label rate of each slice, in the given sequence.

    Parameters
    ----------
    rows
        With `slice`, `value`, `rows`, `mean_score`, `label_rate`.
    """
    import altair as alt

    named = [dict(row) | {"name": f"{row['slice']} {row['value']}"} for row in rows]
    names = [row["name"] for row in named]
    what = {"mean_score": "mean score", "label_rate": f"share {target}"}
    dots = [
        {"name": row["name"], "what": name, "share": row[key]}
        for key, name in what.items()
        for row in named
    ]
    y = alt.Y("name:N", sort=names, axis=names_axis(names))
    x = alt.X("mean_score:Q", axis=x_axis(None, format="%", grid=True))
    spans = (
        chart_of(named).mark_rule(strokeWidth=2, color=FAINT).encode(x, y, alt.X2("label_rate:Q"))
    )
    colour = colours_of("what", dict(zip(what.values(), (MAIN, OTHER), strict=True)))
    points = chart_of(dots).mark_point(filled=True, size=50, opacity=1)
    values = ", ".join(
        f"{row['name']} {row['mean_score']:.0%} and {row['label_rate']:.0%}" for row in named
    )
    chart = alt.layer(spans, points.encode(x="share:Q", y=y, color=colour))
    label = f"Mean score and share {target} by slice: {values}"
    return draw(chart, LINE * len(rows), label, left=room_for(names), top=30, bottom=26)
