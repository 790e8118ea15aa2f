"""Model performance by week, the alarms, and the releases after them."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.catalogue.releases import Release
from slipway.documents import charts
from slipway.documents.charts.canvas import Row
from slipway.documents.document import Cell, Figure, Section, Table
from slipway.metrics.registry import Metric
from slipway.monitoring.report import Alarm, DriftReport, EstimateWeek, Week
from slipway.numbers import counted
from slipway.reports.page.components import missing, plain, section
from slipway.reports.page.inputs import Inputs

ALARMS_SHOWN = 30

NOT_CHECKED = "Drift was not checked yet: `slipway drift --json build/drift.json` does."


def performance(inputs: Inputs) -> Section:
    """Return the performance by labels; without them, the estimate from the scores."""
    key, title = "performance", "Model performance"
    report = inputs.drift
    if report is None or not (report.performance or report.concept or report.estimate):
        return missing(
            key,
            title,
            "Not known yet: `slipway labels import FILE` adds labels that have arrived, then "
            "`slipway drift --json build/drift.json` evaluates them.",
        )
    # Labels are the ground truth: with them, the estimate is left out.
    by_labels = [part.words for part in (report.performance, report.concept) if part]
    words = by_labels or ([report.estimate.words] if report.estimate else [])
    sentences = " ".join(map(plain, words))
    figures = [_figure(inputs, report, metric) for metric in inputs.shown]
    return section(key, title, sentences, *figures)


def alarms(inputs: Inputs) -> Section:
    """Return every alarm of the log, and the release after it."""
    key, title = "alarms", "Alarms"
    report = inputs.drift
    if report is None:
        return missing(key, title, NOT_CHECKED)
    raised = sorted(report.alarms, key=lambda alarm: alarm.at, reverse=True)
    if not raised:
        return section(key, title, "No alarm in these days.")
    rows: list[list[Cell]] = [
        [
            (plain(alarm.stream), plain(alarm.words)),
            (plain(alarm.at[:10]), f"since about {plain(alarm.since[:10])}"),
            plain(_outcome(alarm, inputs.releases)),
        ]
        for alarm in raised[:ALARMS_SHOWN]
    ]
    count = counted(len(raised), "alarm")
    text = f"{count}, {len(report.active())} of them not over yet."
    table = Table(["series", "alarm on", "then"], rows, caption="Newest first", wide=True)
    return section(key, title, text, table)


def _figure(inputs: Inputs, report: DriftReport, metric: Metric) -> Figure | None:
    measured = _weeks(report.performance.weeks if report.performance else [], metric.key, "labels")
    days = {row["day"] for row in measured}
    weeks = report.estimate.weeks if report.estimate else []
    estimated = [row for row in _weeks(weeks, metric.key, "estimate") if row["day"] not in days]
    rows = sorted([*measured, *estimated], key=lambda row: str(row["day"]))
    if not rows:
        return None
    model = (inputs.metrics or {}).get("model") or {}
    holdout = model[metric.key]["value"] if metric.key in model else None
    caption = f"{metric.label} week by week; {metric.direction} is better. "
    caption += "Dashed: on the holdout. The lines are 95% intervals"
    caption += "; those of estimates assume that the calibration has not changed" * bool(estimated)
    marks = _releases_between(inputs.releases, rows)
    svg = charts.performance(rows, metric.label, holdout, marks)
    return Figure(f"weeks-{metric.key}", svg, f"{caption}.")


def _weeks(weeks: Sequence[Week | EstimateWeek], metric: str, kind: str) -> list[Row]:
    return [
        {"day": week.first, "kind": kind, **week.metrics[metric].model_dump()}
        for week in weeks
        if metric in week.metrics
    ]


def _releases_between(releases: Sequence[Release], weeks: Sequence[Row]) -> list[Row]:
    """Return the releases of these weeks, each by its day."""
    first, last = str(weeks[0]["day"]), str(weeks[-1]["day"])
    dated = [{"day": release.day, "name": release.name} for release in releases]
    return [row for row in dated if first <= row["day"] <= last]


def _outcome(alarm: Alarm, releases: Sequence[Release]) -> str:
    """Return the first release after an alarm, and when the alarm ended."""
    at, until = alarm.at[:10], alarm.until
    after = [release for release in releases if release.day >= at]
    parts = []
    if after:
        parts.append(f"{after[0].event or 'released'} {after[0].name} on {after[0].day}")
    parts.append(f"over on {until[:10]}" if until else "not over yet")
    return "; ".join(parts)
