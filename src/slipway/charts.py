"""Charts as SVG text: no script, no picture file, colours that follow the reader's light or dark.

Every colour is a CSS variable. A page that shows a chart inline sets the variables; a chart that
stands alone as a file brings them along (`standalone`). All are drawn for a phone's width and
scale up from there. The same numbers give the same bytes: the room for text is set here, not
measured, because the reader's font is not the one that would be measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    import altair as alt

Row = Mapping[str, Any]

WIDTH = 380
LINE = 20  # height of a row of dots or bars
LETTER = 7  # width of a letter, generously

INK, MUTED, FAINT = "var(--ink)", "var(--muted)", "var(--faint)"
MAIN, OTHER = "var(--main)", "var(--other)"
WARN, BAD = "var(--warn)", "var(--bad)"

LIGHT = {
    "paper": "#fafaf8",
    "card": "#ffffff",
    "ink": "#1d2329",
    "muted": "#59636e",
    "faint": "#e3e5e8",
    "main": "#1f5fae",
    "other": "#b4540a",
    "good": "#1a7446",
    "warn": "#8a5d00",
    "bad": "#b3261e",
}
DARK = {
    "paper": "#14171a",
    "card": "#1b1f23",
    "ink": "#e7eaed",
    "muted": "#a3adb8",
    "faint": "#2e353c",
    "main": "#7fb2f5",
    "other": "#f0a35e",
    "good": "#67cf96",
    "warn": "#e2b33f",
    "bad": "#ff8d84",
}

FONT = "system-ui, sans-serif"

# Beyond this a bar says no more by being longer.
PSI_TOP = 1.0

RELEASES_SHOWN = 12


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
    axis = _x_axis(None, labelLimit=320 / len(shown) if few else 70, labelAngle=0 if few else -40)
    base = _chart(rows).encode(
        x=alt.X("name:O", sort=names, axis=axis, scale=alt.Scale(padding=0.3)),
        color=alt.condition("datum.last", alt.value(MAIN), alt.value(MUTED)),
    )
    scale = alt.Scale(zero=False, nice=False, padding=10)
    spans = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", scale=scale, axis=_y_axis(title)), y2="high:Q"
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(y="value:Q")
    numbers = (
        base.transform_filter("true" if few else "datum.last")
        .mark_text(dx=9 if few else 0, dy=0 if few else -26, align="left" if few else "center")
        .encode(y="value:Q", text=alt.Text("value:Q", format=".3f"))
    )
    said = ", ".join(f"{row['name']} {row['value']:.3f}" for row in rows)
    chart = alt.layer(spans, dots, numbers)
    return _svg(chart, 150, f"{title} by release: {said}", bottom=26 if few else 62)


def calibration(curve: Sequence[Row]) -> str:
    """Return predicted against observed shares; rows as `stats.calibration_curve` gives them."""
    import altair as alt

    top = max(max(row["high"], row["mean_score"]) for row in curve)
    scale = alt.Scale(domain=[0, top])
    base = _chart(curve).encode(
        x=alt.X("mean_score:Q", scale=scale, axis=_x_axis("predicted", format="%", grid=True))
    )
    spans = base.mark_rule(color=MAIN, strokeWidth=2).encode(
        y=alt.Y("low:Q", scale=scale, axis=_y_axis("what happened", format="%")), y2="high:Q"
    )
    dots = base.mark_point(filled=True, size=55, color=MAIN, opacity=1).encode(y="label_rate:Q")
    said = "; ".join(f"{row['mean_score']:.0%}, {row['label_rate']:.0%}" for row in curve)
    chart = alt.layer(_diagonal(top), spans, dots)
    return _svg(chart, 230, f"Calibration, predicted share and what happened: {said}")


def roc(curve: Sequence[Row], auc: float) -> str:
    """Return the ROC curve; rows with `false_positive_rate` and `true_positive_rate`."""
    import altair as alt

    line = (
        _chart(curve)
        .mark_line(color=MAIN, strokeWidth=2.5)
        .encode(
            x=alt.X("false_positive_rate:Q", axis=_x_axis("false alarms", format="%", grid=True)),
            y=alt.Y("true_positive_rate:Q", axis=_y_axis("found", format="%")),
        )
    )
    number = (
        _chart([{"x": 0.97, "y": 0.07, "text": f"AUC {auc:.3f}"}])
        .mark_text(align="right", fontSize=15, fontWeight=600, color=INK)
        .encode(x="x:Q", y="y:Q", text="text:N")
    )
    label = f"ROC curve of the model on the holdout, AUC {auc:.3f}"
    return _svg(alt.layer(_diagonal(1), line, number), 230, label)


def scores(histogram: Sequence[Row], threshold: float, target: str) -> str:
    """Return how the scores of each label are spread; rows with `score`, `label` and `rows`."""
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
    base = _chart(rows).encode(
        x=alt.X("score:Q", axis=_x_axis("score", format="%")),
        y=alt.Y("share:Q", stack=None, axis=_y_axis("", format="%")),
        color=_colours("label", dict(zip(names.values(), (MAIN, OTHER), strict=True))),
    )
    areas = base.mark_area(interpolate="step-after", opacity=0.18)
    lines = base.mark_line(interpolate="step-after", strokeWidth=2)
    label = f"Scores of the holdout rows by label; the threshold is {threshold:.0%}"
    return _svg(alt.layer(_mark(threshold), areas, lines), 180, label, top=44)


def slices(rows: Sequence[Row], overall: float) -> str:
    """Return the AUC of each slice with its interval, in the order given.

    Parameters
    ----------
    rows
        With `slice`, `value`, `rows`, `auc`, `auc_low`, `auc_high`.
    overall
        The AUC on all rows; a slice whose whole interval lies below it is marked.
    """
    import altair as alt

    named = [
        {
            "name": f"{row['slice']} {row['value']} · {row['rows']:,}",
            "low": row["auc_low"],
            "value": row["auc"],
            "high": row["auc_high"],
            "below": row["auc_high"] < overall,
        }
        for row in rows
    ]
    names = [row["name"] for row in named]
    base = _chart(named).encode(
        y=alt.Y("name:N", sort=names, axis=_names_axis(names)),
        color=alt.condition("datum.below", alt.value(BAD), alt.value(MAIN)),
    )
    scale = alt.Scale(zero=False, nice=False, padding=6)
    spans = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=scale, axis=_x_axis("AUC", grid=True)), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(x="value:Q")
    said = ", ".join(f"{row['name']} {row['value']:.3f}" for row in named)
    chart = alt.layer(_mark(overall), spans, dots)
    return _svg(chart, LINE * len(rows), f"AUC by slice and rows: {said}", left=_room(names), top=8)


def gaps(rows: Sequence[Row], target: str) -> str:
    """Return what the model says of each slice beside what happened, in the order given.

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
    y = alt.Y("name:N", sort=names, axis=_names_axis(names))
    x = alt.X("mean_score:Q", axis=_x_axis(None, format="%", grid=True))
    spans = _chart(named).mark_rule(strokeWidth=2, color=FAINT).encode(x, y, alt.X2("label_rate:Q"))
    colour = _colours("what", dict(zip(what.values(), (MAIN, OTHER), strict=True)))
    points = _chart(dots).mark_point(filled=True, size=50, opacity=1)
    said = ", ".join(
        f"{row['name']} {row['mean_score']:.0%} and {row['label_rate']:.0%}" for row in named
    )
    chart = alt.layer(spans, points.encode(x="share:Q", y=y, color=colour))
    label = f"Mean score and share {target} by slice: {said}"
    return _svg(chart, LINE * len(rows), label, left=_room(names), top=30, bottom=26)


def drift(columns: Sequence[Row], limit: float, large: float) -> str:
    """Return how far each column moved, in the order given.

    Parameters
    ----------
    columns
        With `name`, `psi` and `status` (ok, notice or drift).
    limit, large
        The sizes that are marked with a line.
    """
    import altair as alt

    rows = [
        {
            "name": row["name"],
            "status": row["status"],
            "psi": row["psi"],
            "length": min(row["psi"], PSI_TOP),
        }
        for row in columns
    ]
    names = [row["name"] for row in rows]
    top = max(large, *(row["length"] for row in rows)) * 1.18
    base = _chart(rows).encode(
        y=alt.Y("name:N", sort=names, axis=_names_axis(names)),
        x=alt.X(
            "length:Q",
            scale=alt.Scale(domain=[0, top], nice=False),
            axis=_x_axis("population stability index", tickCount=5),
        ),
    )
    levels = {"drift": BAD, "notice": WARN, "ok": MUTED}
    present = {
        name: colour
        for name, colour in levels.items()
        if any(row["status"] == name for row in rows)
    }
    bars = base.mark_bar(height=9, cornerRadiusEnd=2).encode(color=_colours("status", present))
    numbers = base.mark_text(align="right", color=MUTED).encode(
        x=alt.value("width"), text=alt.Text("psi:Q", format=".2f")
    )
    said = ", ".join(f"{row['name']} {row['psi']:.2f} ({row['status']})" for row in rows)
    chart = alt.layer(_mark(limit), _mark(large), bars, numbers)
    label = f"Drift by column, population stability index: {said}"
    return _svg(chart, LINE * len(rows), label, left=_room(names), top=30)


def traffic(days: Sequence[Row]) -> str:
    """Return the predictions of each day; rows with `day` (YYYY-MM-DD) and `rows`."""
    import altair as alt

    bars = (
        _chart(days)
        .mark_bar(color=MAIN, opacity=0.6)
        .encode(x=_days(), y=alt.Y("rows:Q", axis=_y_axis("predictions a day", tickCount=4)))
    )
    label = f"{sum(row['rows'] for row in days):,} predictions, {_from_to(days)}"
    return _svg(bars, 150, label, top=30, bottom=26)


def rates(days: Sequence[Row], target: str) -> str:
    """Return the mean score of each day and, where labels are known, their rate.

    Parameters
    ----------
    days
        With `day` (YYYY-MM-DD), `mean_score`, and `label_rate` or None.
    """
    import altair as alt

    names = {"mean_score": "mean score", "label_rate": f"share {target}, from labels"}
    colours = dict(zip(names.values(), (MAIN, OTHER), strict=True))
    rows = [
        {"day": row["day"], "what": name, "share": row[key]}
        for key, name in names.items()
        for row in days
        if row[key] is not None
    ]
    present = {
        name: colour for name, colour in colours.items() if any(row["what"] == name for row in rows)
    }
    lines = (
        _chart(rows)
        .mark_line(strokeWidth=2, point={"size": 22, "filled": True})
        .encode(
            x=_days(),
            y=alt.Y("share:Q", axis=_y_axis("", format="%", tickCount=5)),
            color=_colours("what", present),
        )
    )
    return _svg(lines, 150, f"{' and '.join(present)} by day, {_from_to(days)}", top=30, bottom=26)


def standalone(svg: str) -> str:
    """Return a chart that looks right as a file of its own, in light and in dark."""
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in theme.items()) for theme in (LIGHT, DARK)
    )
    style = (
        f"<style>svg{{{light}background:var(--paper)}}"
        f"@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    )
    return svg.replace(">", f">{style}", 1)


def _chart(rows: Sequence[Row]) -> alt.Chart:
    import altair as alt

    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def _x_axis(title: str | None, **options: Any) -> alt.Axis:
    import altair as alt

    return alt.Axis(title=title, **{"grid": False, "tickCount": 5, **options})


def _y_axis(title: str, **options: Any) -> alt.Axis:
    """A value axis whose title stands above it, where it can be read without turning the head."""
    import altair as alt

    above = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleBaseline": "bottom"}
    return alt.Axis(
        title=title, **{"tickCount": 5, "titleX": -40, "titleY": -10, **above, **options}
    )


def _names_axis(names: Sequence[str]) -> alt.Axis:
    import altair as alt

    room = _room(names)
    return alt.Axis(
        title=None, ticks=False, domain=False, grid=False, labelLimit=room, labelPadding=6
    )


def _room(names: Sequence[str]) -> int:
    return min(190, round(LETTER * max(map(len, names))) + 12)


def _days() -> alt.X:
    import altair as alt

    axis = _x_axis(None, format="%-d %b", tickCount=6)
    return alt.X("day:T", timeUnit="utcyearmonthdate", axis=axis, scale=alt.Scale(type="utc"))


def _colours(field: str, colours: Mapping[str, str]) -> alt.Color:
    import altair as alt

    legend = alt.Legend(
        title=None,
        orient="top",
        direction="horizontal",
        symbolType="square",
        symbolOpacity=1,
        symbolStrokeWidth=0,
        columnPadding=24,
    )
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(f"{field}:N", scale=scale, legend=legend)


def _diagonal(top: float) -> alt.Chart:
    ends = _chart([{"x": 0, "y": 0}, {"x": top, "y": top}])
    line: alt.Chart = ends.mark_line(color=MUTED, strokeDash=[4, 3], strokeWidth=1)
    return line.encode(x="x:Q", y="y:Q")


def _mark(at: float) -> alt.Chart:
    rule: alt.Chart = _chart([{"at": at}]).mark_rule(strokeDash=[4, 3], color=MUTED)
    return rule.encode(x="at:Q")


def _from_to(days: Sequence[Row]) -> str:
    return f"{days[0]['day']} to {days[-1]['day']}"


def _svg(
    chart: Any, height: int, label: str, *, left: int = 46, top: int = 28, bottom: int = 42
) -> str:
    """Render a plot of this height with this much room around it, all in pixels."""
    import altair as alt
    import vl_convert

    right = 14
    framed = chart.properties(
        width=WIDTH - left - right,
        height=height,
        padding={"left": left, "right": right, "top": top, "bottom": bottom},
        autosize=alt.AutoSizeParams(type="none"),
        background="transparent",
    ).configure(
        font=FONT,
        view={"stroke": None},
        text={"fontSize": 12},
        axis={
            "labelColor": MUTED,
            "titleColor": MUTED,
            "titleFontWeight": "normal",
            "labelFontSize": 12,
            "titleFontSize": 12,
            "gridColor": FAINT,
            "domainColor": FAINT,
            "tickColor": FAINT,
        },
        legend={
            "labelColor": INK,
            "labelFontSize": 12,
            "symbolSize": 60,
            "offset": 8,
            "padding": 0,
        },
    )
    return _tidy(vl_convert.vegalite_to_svg(framed.to_dict()), label)


def _tidy(svg: str, label: str) -> str:
    """One label for the whole picture, and ids that no other chart on a page has."""
    svg = re.sub(r' (?:aria-[a-z]+|role|class)="[^"]*"', "", svg)
    prefix = f"c{crc32(label.encode()):08x}"
    # The renderer counts on from chart to chart.
    for number, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))):
        new = f"{prefix}-{number}"
        svg = svg.replace(f'id="{old}"', f'id="{new}"').replace(f"url(#{old})", f"url(#{new})")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
