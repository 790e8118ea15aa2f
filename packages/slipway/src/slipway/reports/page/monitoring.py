"""Drift, and the traffic by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from slipway.documents import charts
from slipway.documents.document import Cell, Figure, Section, Table
from slipway.monitoring.distances import LARGE
from slipway.monitoring.report import Column, DriftReport
from slipway.numbers import counted
from slipway.reference.reference import zone_of
from slipway.reports.page.components import missing, plain, section, span, target_of
from slipway.reports.page.days import Day
from slipway.reports.page.inputs import Inputs
from slipway.untrusted import quote, quote_text

COLUMNS_SHOWN = 20
DRIFTED_SHOWN = 8
DAYS_OF = 12


def drift(inputs: Inputs) -> Section:
    key, title = "drift", "Data drift"
    report = inputs.drift
    if report is None:
        return missing(
            key, title, "Drift was not checked yet: `slipway drift --json build/drift.json` does."
        )
    if report.is_inconclusive:
        reason = quote_text(report.words)
        return missing(key, title, f"The drift check is inconclusive: {reason}")
    columns = report.columns
    rows: list[list[Cell]] = [
        [(plain(row.name), f"{row.status}, {row.psi:.2f}"), plain(row.words)]
        for row in columns
        if row.status != "ok"
    ]
    drifted = sum(row.status == "drift" for row in columns)
    shown = rows[: max(DRIFTED_SHOWN, drifted)]
    table = Table(["column", "difference"], shown, caption="Columns that differ")
    return section(
        key,
        title,
        plain(report.words, 1500),
        _distances(columns, float(report.settings["psi"])),
        _by_day(report),
        table if rows else None,
    )


def _distances(columns: Sequence[Column], limit: float) -> Figure:
    caption = (
        f"Dashed: drift from {limit:g}, a large distance from {LARGE:g}. A notice is a significant "
        "difference that is small."
    )
    rows = [column.model_dump() for column in columns[:COLUMNS_SHOWN]]
    return Figure("drift", charts.drift(rows, limit, LARGE), caption)


def _by_day(report: DriftReport) -> Figure | None:
    """Return the distances of the columns that drifted most by day; None for a single day."""
    days = [{"day": day.day, "moves": day.streams} for day in report.days if day.streams]
    measured = {name for day in days for name in day["moves"]}
    names = [column.name for column in report.columns if column.name in measured][:DAYS_OF]
    if len(days) < 2 or not names:
        return None
    caption = "A row of cells for each column. The strongest are beyond the reference history."
    return Figure("drift-days", charts.moves(days, names), caption)


def traffic(inputs: Inputs) -> Section:
    key, title = "traffic", "Traffic by day"
    days = inputs.days
    if not days:
        return missing(
            key,
            title,
            f"{quote_text(inputs.no_traffic)}{_faults(inputs)} `slipway serve` starts the service; "
            "`slipway replay --rows FILE --url URL` sends it rows.",
        )
    total = sum(each.rows for each in days)
    when = span(days[0].day, days[-1].day)
    rows = [asdict(each) for each in days]
    zone = zone_of(inputs.manifest or {})
    return section(
        key,
        title,
        f"{counted(total, 'prediction')}, for {when} (the day of the event, {quote(zone)})."
        f"{_faults(inputs)}",
        Figure("traffic", charts.traffic(rows), _busiest(days)),
        Figure("rates", charts.rates(rows, _means(inputs), inputs.text.axis), _rates(days, inputs)),
    )


def _faults(inputs: Inputs) -> str:
    return "".join(f" Fault in the log: {plain(fault)}" for fault in inputs.log_faults)


def _busiest(days: Sequence[Day]) -> str:
    most, least = (pick(days, key=lambda each: each.rows) for pick in (max, min))
    if len(days) == 1:
        return f"{most.rows:,} predictions on the one day."
    return (
        f"Most on {span(most.day, most.day)} ({most.rows:,}), "
        f"fewest on {span(least.day, least.day)} ({least.rows:,})."
    )


def _means(inputs: Inputs) -> tuple[str, str]:
    """Return what the mean of the watched numbers and that of the outcomes are called."""
    score, outcome = inputs.text.rates
    return score, outcome.replace("{target}", plain(target_of(inputs)))


def _rates(days: Sequence[Day], inputs: Inputs) -> str:
    text, means = inputs.text, _means(inputs)
    rows = sum(each.rows for each in days)
    mean = sum(each.rows * each.mean_score for each in days) / rows
    labelled = sum(each.labels for each in days)
    first = f"The {means[0]} is {text.shown(mean)}."
    if not labelled:
        return f"{first} No labels of these rows have arrived yet."
    rate = sum(each.labels * (each.label_rate or 0) for each in days) / labelled
    return (
        f"{first} Labels have arrived for {labelled / rows:.0%} of the rows; of those the "
        f"{means[1]} is {text.shown(rate)}."
    )
