"""Protected groups: their rates on the holdout, disparities, and the newest week of the log."""

from __future__ import annotations

from collections.abc import Iterator

from slipway.documents import charts
from slipway.documents.document import Cell, Figure, Section, Table
from slipway.fairness.registry import DISPARITIES, Rate, rates_of
from slipway.reports.page.components import listed, missing, plain, section
from slipway.reports.page.inputs import Inputs
from slipway.reports.task_texts import Metrics

GROUPS_SHOWN, RATES_SHOWN = 20, 4


def protected_groups(inputs: Inputs) -> Section:
    """Return the rates of each group with their intervals, and the disparities."""
    key, title = "fairness", "Protected groups"
    found = (inputs.metrics or {}).get("fairness")
    if not found:
        text = "No groups are named in `PROTECTED` of src/model/slices.py (docs/fairness.md)."
        return missing(key, title, text)
    figures = [
        figure
        for at, (name, part) in enumerate(found.items())
        for figure in _figures(inputs, name, part, _file(name, at))
    ]
    return section(key, title, _summary(inputs, found), *figures, _disparities(inputs, found))


def _summary(inputs: Inputs, found: Metrics) -> str:
    names = ", ".join(plain(name) for name in found)
    text = f"Rates of the groups of {names} on the held-out rows, with their intervals."
    report = inputs.drift
    if report is None or not report.groups:
        return f"{text} In production they are not known yet: `slipway drift` watches them."
    alarms = [row for row in report.groups if row.status == "drift"]
    if not alarms:
        return f"{text} In production no group has an alarm."
    shown = [f"{row.rate} of {row.attribute}={row.group}" for row in alarms]
    return f"{text} In production there is an alarm for: {listed(shown, 5)}."


def _figures(inputs: Inputs, name: str, part: Metrics, file: str) -> Iterator[Figure]:
    """Yield a chart of each rate of an attribute; `file` is its part of their names."""
    small = [f"{each['group']} ({each['rows']:,} rows)" for each in part["small"]]
    for number, rate in enumerate(_rates(inputs)):
        rows = [row for row in part["groups"] if rate.key in row["rates"]][:GROUPS_SHOWN]
        if not rows:
            continue
        caption = f"{rate.label[:1].upper()}{rate.label[1:]} by {plain(name)}, with its rows. "
        caption += "Dashed: the mean of the groups."
        if small and not number:
            caption += f" Too few rows to be compared: {listed(small, 8)}."
        shown = [
            {
                "slice": name,
                "value": row["group"],
                "rows": row["rows"],
                rate.key: row["rates"][rate.key]["value"],
                f"{rate.key}_low": row["rates"][rate.key]["low"],
                f"{rate.key}_high": row["rates"][rate.key]["high"],
            }
            for row in rows
        ]
        total = sum(row["rows"] for row in shown)
        mean = sum(row["rows"] * row[rate.key] for row in shown) / total
        svg = charts.slices(shown, mean, rate.key, rate.label, [False] * len(shown))
        yield Figure(f"fairness-{file}-{number}", svg, caption)


def _file(name: str, at: int) -> str:
    """Return the name of an attribute as a part of a file's name: another one for each."""
    file = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
    return file if file == name else f"{file}-{at}"


def _rates(inputs: Inputs) -> list[Rate]:
    found = rates_of(inputs.task.name, inputs.task.classes).values()
    return [rate for each in found for rate in each if rate.is_watched][:RATES_SHOWN]


def _disparities(inputs: Inputs, found: Metrics) -> Table:
    rows: list[list[Cell]] = [
        [
            plain(name),
            disparity.label,
            _value(part[key], key),
            _limit(inputs, key),
            _between(part[key]),
        ]
        for name, part in found.items()
        for key, disparity in DISPARITIES.items()
        if key in part and part[key]["value"] is not None
    ]
    head = ["", "disparity", "value", "limit", "between"]
    return Table(head, rows, caption="Disparities on the held-out rows", wide=True)


def _value(gap: Metrics, key: str) -> tuple[str, str]:
    value, low, high = (DISPARITIES[key].shown(gap[name]) for name in ("value", "low", "high"))
    return value, f"{low} to {high}"


def _limit(inputs: Inputs, key: str) -> str:
    return f"{inputs.limits[key]:g}" if key in inputs.limits else "not set"


def _between(gap: Metrics) -> str:
    return f"{plain(gap['smallest'])} and {plain(gap['largest'])}"
