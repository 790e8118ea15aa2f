"""Shared by all charts: sizes, colours, axes, and the conversion to SVG."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

from slipway.untrusted import escape_html

if TYPE_CHECKING:
    import altair as alt

# Altair imports jsonschema, whose parser of IRIs builds a grammar for two seconds on import if
# another package has installed it; no schema here has an IRI.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

Row = Mapping[str, Any]
"""A row of the data of a chart; each chart names its columns."""

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


def standalone(svg: str) -> str:
    """Return a chart as a file of its own, with the colours of the light and the dark theme."""
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in theme.items()) for theme in (LIGHT, DARK)
    )
    style = (
        f"<style>svg{{{light}background:var(--paper)}}"
        f"@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    )
    return svg.replace(">", f">{style}", 1)


def chart_of(rows: Sequence[Row]) -> alt.Chart:
    import altair as alt

    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def x_axis(title: str | None, **options: Any) -> alt.Axis:
    import altair as alt

    return alt.Axis(title=title, **{"grid": False, "tickCount": 5, **options})


def y_axis(title: str, **options: Any) -> alt.Axis:
    """Return a value axis with a horizontal title above it."""
    import altair as alt

    above = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleBaseline": "bottom"}
    return alt.Axis(
        title=title, **{"tickCount": 5, "titleX": -40, "titleY": -10, **above, **options}
    )


def names_axis(names: Sequence[str]) -> alt.Axis:
    import altair as alt

    room = room_for(names)
    return alt.Axis(
        title=None, ticks=False, domain=False, grid=False, labelLimit=room, labelPadding=6
    )


def room_for(names: Sequence[str]) -> int:
    return min(190, round(LETTER * max(map(len, names))) + 12)


def days_axis() -> alt.X:
    import altair as alt

    axis = x_axis(None, format="%-d %b", tickCount=6)
    return alt.X("day:T", timeUnit="utcyearmonthdate", axis=axis, scale=alt.Scale(type="utc"))


def colours_of(field: str, colours: Mapping[str, str]) -> alt.Color:
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


def diagonal(top: float, bottom: float = 0) -> alt.Chart:
    ends = chart_of([{"x": bottom, "y": bottom}, {"x": top, "y": top}])
    line: alt.Chart = ends.mark_line(color=MUTED, strokeDash=[4, 3], strokeWidth=1)
    return line.encode(x="x:Q", y="y:Q")


def mark(at: float) -> alt.Chart:
    rule: alt.Chart = chart_of([{"at": at}]).mark_rule(strokeDash=[4, 3], color=MUTED)
    return rule.encode(x="at:Q")


def from_to(days: Sequence[Row]) -> str:
    return f"{days[0]['day']} to {days[-1]['day']}"


def draw(
    chart: Any, height: int, label: str, *, left: int = 46, top: int = 28, bottom: int = 42
) -> str:
    """Return a plot as SVG; height and margins are in pixels."""
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
    """Return SVG with one label for the whole picture, and ids that are unique on a page."""
    svg = re.sub(r' (?:aria-[a-z]+|role|class)="[^"]*"', "", svg)
    prefix = f"c{crc32(label.encode()):08x}"
    # The renderer counts on from chart to chart.
    for number, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))):
        new = f"{prefix}-{number}"
        svg = svg.replace(f'id="{old}"', f'id="{new}"').replace(f"url(#{old})", f"url(#{new})")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape_html(label)}" ', 1)
