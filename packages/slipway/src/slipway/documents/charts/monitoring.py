"""Charts of monitoring: drift, traffic, scores and labels by day."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.documents.charts.canvas import (
    BAD,
    INK,
    LINE,
    MAIN,
    MUTED,
    OTHER,
    WARN,
    Row,
    chart_of,
    colours_of,
    days_axis,
    draw,
    from_to,
    mark,
    names_axis,
    room_for,
    x_axis,
    y_axis,
)
from slipway.numbers import counted, plain

# A longer bar would not be more informative.
PSI_TOP = 1.0


def drift(columns: Sequence[Row], limit: float, large: float) -> str:
    """Return the distance of each column from the reference, in the given sequence.

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
    base = chart_of(rows).encode(
        y=alt.Y("name:N", sort=names, axis=names_axis(names)),
        x=alt.X(
            "length:Q",
            scale=alt.Scale(domain=[0, top], nice=False),
            axis=x_axis("population stability index", tickCount=5),
        ),
    )
    levels = {"drift": BAD, "notice": WARN, "ok": MUTED}
    present = {
        name: colour
        for name, colour in levels.items()
        if any(row["status"] == name for row in rows)
    }
    bars = base.mark_bar(height=9, cornerRadiusEnd=2).encode(color=colours_of("status", present))
    numbers = base.mark_text(align="right", color=MUTED).encode(
        x=alt.value("width"), text=alt.Text("psi:Q", format=".2f")
    )
    values = ", ".join(f"{row['name']} {row['psi']:.2f} ({row['status']})" for row in rows)
    chart = alt.layer(mark(limit), mark(large), bars, numbers)
    label = f"Drift by column, population stability index: {values}"
    return draw(chart, LINE * len(rows), label, left=room_for(names), top=30)


def traffic(days: Sequence[Row]) -> str:
    """Return the predictions of each day; rows with `day` (YYYY-MM-DD) and `rows`."""
    import altair as alt

    bars = (
        chart_of(days)
        .mark_bar(color=MAIN, opacity=0.6)
        .encode(x=days_axis(), y=alt.Y("rows:Q", axis=y_axis("predictions a day", tickCount=4)))
    )
    label = f"{counted(sum(row['rows'] for row in days), 'prediction')}, {from_to(days)}"
    return draw(bars, 150, label, top=30, bottom=26)


def rates(days: Sequence[Row], means: tuple[str, str], number_format: str) -> str:
    """Return the mean score of each day and, where labels are known, their mean.

    Parameters
    ----------
    days
        With `day` (YYYY-MM-DD), `mean_score`, and `label_rate` or None.
    means
        What these two are called.
    """
    import altair as alt

    names = {"mean_score": means[0], "label_rate": f"{means[1]}, from labels"}
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
        chart_of(rows)
        .mark_line(strokeWidth=2, point={"size": 22, "filled": True})
        .encode(
            x=days_axis(),
            y=alt.Y("share:Q", axis=y_axis("", format=number_format, tickCount=5)),
            color=colours_of("what", present),
        )
    )
    return draw(lines, 150, f"{' and '.join(present)} by day, {from_to(days)}", top=30, bottom=26)


def moves(days: Sequence[Row], names: Sequence[str]) -> str:
    """Return the distance of each column from the reference by day, as a grid of cells.

    Parameters
    ----------
    days
        With `day` (YYYY-MM-DD) and `moves`, a mapping of name to distance / limit: from 1 on, it
        is beyond the reference history and the cell has the darkest colour.
    names
        The columns to show, from top to bottom.
    """
    import altair as alt

    rows = [
        {"day": row["day"], "name": name, "size": min(size, 1.0)}
        for row in days
        for name in names
        if (size := row["moves"].get(name)) is not None
    ]
    cells = (
        chart_of(rows)
        .mark_rect(color=BAD)
        .encode(
            x=days_axis(),
            y=alt.Y("name:N", sort=list(names), axis=names_axis(names)),
            opacity=alt.Opacity(
                "size:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 1]), legend=None
            ),
        )
    )
    beyond = {name: sum(row["name"] == name and row["size"] == 1 for row in rows) for name in names}
    values = ", ".join(f"{name} {count}" for name, count in beyond.items())
    label = f"Days beyond the limit by column, {from_to(days)}: {values}"
    return draw(cells, LINE * len(names), label, left=room_for(names), top=8, bottom=26)


def performance(
    weeks: Sequence[Row], title: str, before: float | None, releases: Sequence[Row] = ()
) -> str:
    """Return a metric week by week with its interval, and its value on the holdout.

    Parameters
    ----------
    weeks
        With `day` (the first of the week), `value`, `low`, `high` and `kind`: ``labels`` or
        ``estimate``, from the scores alone.
    before
        The metric on the holdout; None if it is not known.
    releases
        The releases of these weeks: `day` and `name`.
    """
    import altair as alt

    kinds = {"labels": "from labels", "estimate": "estimated without labels"}
    rows = [dict(row) | {"what": kinds[row["kind"]]} for row in weeks]
    colours = {
        kinds[kind]: colour
        for kind, colour in (("labels", MAIN), ("estimate", OTHER))
        if any(row["kind"] == kind for row in rows)
    }
    scale = alt.Scale(zero=False, nice=False, padding=10)
    base = chart_of(rows).encode(x=days_axis(), color=colours_of("what", colours))
    spans = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", scale=scale, axis=y_axis("")), y2="high:Q"
    )
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(y="value:Q")
    layers = [spans, dots]
    if before is not None:
        rule = chart_of([{"at": before}]).mark_rule(strokeDash=[4, 3], color=MUTED)
        layers.insert(0, rule.encode(y="at:Q"))
    if releases:
        marks = chart_of(releases).encode(x=days_axis())
        layers.append(marks.mark_rule(color=INK, strokeWidth=1))
        names = marks.mark_text(align="left", dx=4, dy=-4, color=INK, baseline="bottom")
        layers.append(names.encode(y=alt.value(12), text="name:N"))
    values = ", ".join(f"{row['day']} {plain(row['value'], 3)} {row['what']}" for row in rows)
    label = f"{title} by week: {values}" + "".join(
        f"; released {row['name']} on {row['day']}" for row in releases
    )
    return draw(alt.layer(*layers), 150, label, top=34, bottom=26)
