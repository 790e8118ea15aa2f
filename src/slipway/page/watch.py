"""What the model meets: drift, and the traffic day by day."""

from __future__ import annotations

from collections.abc import Sequence

from slipway import charts
from slipway.drift import LARGE
from slipway.page.inputs import Inputs, Row
from slipway.page.pieces import Figure, Section, Table, plain, span, target_of

COLUMNS_SHOWN = 20
MOVED_SHOWN = 8
DAYS_OF = 12


def drift(inputs: Inputs) -> Section:
    title = "What drifted"
    report = inputs.drift
    if report is None:
        return Section(
            "drift",
            title,
            missing="Drift was not checked yet: `slipway drift --json build/drift.json` does.",
        )
    if report["status"] == "no answer":
        return Section(
            "drift", title, missing=f"The drift check could not answer: {report['words']}"
        )
    columns = report["columns"]
    limit = report["settings"]["psi"]
    figures = [_furthest(columns, limit)]
    if by_day := _by_day(report):
        figures.append(by_day)
    moved = [
        [(row["name"], f"{row['status']}, {row['psi']:.2f}"), (plain(row["words"]), "")]
        for row in columns
        if row["status"] != "ok"
    ]
    far = sum(row["status"] == "drift" for row in columns)
    table = Table("What moved", ["column", "how"], moved[: max(MOVED_SHOWN, far)])
    return Section(
        "drift",
        title,
        plain(report["words"]),
        figures,
        table if moved else None,
    )


def _furthest(columns: Sequence[Row], limit: float) -> Figure:
    caption = f"Dashed: drift from {limit:g}, a large move from {LARGE:g}. "
    caption += "A notice is a difference that chance does not explain, and that is small."
    return Figure("drift", charts.drift(columns[:COLUMNS_SHOWN], limit, LARGE), caption)


def _by_day(report: Row) -> Figure | None:
    """Return the moves of the columns that moved most, day by day; None for a single day."""
    days = [
        {"day": day["day"], "moves": day["streams"]}
        for day in report.get("days") or []
        if day.get("streams")
    ]
    known = {name for day in days for name in day["moves"]}
    names = [row["name"] for row in report["columns"] if row["name"] in known][:DAYS_OF]
    if len(days) < 2 or not names:
        return None
    caption = "Each line of cells is a column. The strongest are beyond what the past explains."
    return Figure("drift-days", charts.moves(days, names), caption)


def traffic(inputs: Inputs) -> Section:
    title = "Day by day"
    days = inputs.days
    if not days:
        return Section(
            "traffic",
            title,
            missing=f"{inputs.no_traffic}{_faults(inputs)} `slipway serve` starts the service; "
            "`slipway replay --rows FILE --url URL` sends it rows.",
        )
    target = target_of(inputs)
    figures = [
        Figure("traffic", charts.traffic(days), _says_of_days(days)),
        Figure("rates", charts.rates(days, target), _says_of_rates(days, target)),
    ]
    total = sum(row["rows"] for row in days)
    when = span(days[0]["day"], days[-1]["day"])
    says = f"{total:,} predictions, for {when} (the day of the event, UTC).{_faults(inputs)}"
    return Section("traffic", title, says, figures)


def _faults(inputs: Inputs) -> str:
    return "".join(f" Fault in the log: {fault}" for fault in inputs.log_faults)


def _says_of_days(days: Sequence[Row]) -> str:
    most, least = (pick(days, key=lambda row: row["rows"]) for pick in (max, min))
    if len(days) == 1:
        return f"{most['rows']:,} predictions on the one day."
    return (
        f"Most on {span(most['day'], most['day'])} ({most['rows']:,}), "
        f"fewest on {span(least['day'], least['day'])} ({least['rows']:,})."
    )


def _says_of_rates(days: Sequence[Row], target: str) -> str:
    rows = sum(row["rows"] for row in days)
    mean = sum(row["rows"] * row["mean_score"] for row in days) / rows
    arrived = sum(row["labels"] for row in days)
    if not arrived:
        return f"The mean score is {mean:.1%}. No labels of these rows have arrived yet."
    rate = sum(row["labels"] * (row["label_rate"] or 0) for row in days) / arrived
    return (
        f"It said {mean:.1%} on average. Labels have arrived for {arrived / rows:.0%} of the rows; "
        f"{rate:.1%} of those were {target}."
    )
