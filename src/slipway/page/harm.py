"""Does it hurt, and what was done about it: the labels week by week, the alarms, the releases."""

from __future__ import annotations

from collections.abc import Sequence

from slipway import charts
from slipway.page.inputs import Inputs, Row
from slipway.page.pieces import Figure, Section, Table, plain
from slipway.report.reasons import NAMES

ALARMS_SHOWN = 30

METRICS = {"auc": "higher", "log_loss": "lower"}


def performance(inputs: Inputs) -> Section:
    """Return what labels say of the model since it runs; without them, what the scores say."""
    title = "Does it hurt?"
    report = inputs.drift
    known = [(report or {}).get(name) for name in ("performance", "concept")]
    # What labels say goes before what scores alone let expect.
    parts = [part for part in known if part] or [(report or {}).get("estimate")]
    said = [plain(str(part["words"])) for part in parts if part]
    if report is None or not said:
        return Section(
            "performance",
            title,
            missing="Nobody knows yet: `slipway labels import FILE` adds labels that have "
            "arrived, then `slipway drift --json build/drift.json` looks at them.",
        )
    figures = [figure for name in METRICS if (figure := _figure(inputs, report, name))]
    return Section("performance", title, " ".join(said), figures)


def alarms(inputs: Inputs) -> Section:
    """Return every alarm of the log, and what was released after it."""
    title = "Alarms, and what was done"
    report = inputs.drift
    if report is None:
        return Section(
            "alarms",
            title,
            missing="Drift was not checked yet: `slipway drift --json build/drift.json` does.",
        )
    found = sorted(report.get("alarms") or [], key=lambda alarm: str(alarm["at"]), reverse=True)
    if not found:
        return Section("alarms", title, "No alarm in these days.")
    rows = [
        [
            (str(alarm["stream"]), plain(str(alarm.get("words", "")))),
            (str(alarm["at"])[:10], f"since about {str(alarm['since'])[:10]}"),
            (_done(alarm, inputs.releases), ""),
        ]
        for alarm in found[:ALARMS_SHOWN]
    ]
    active = sum(alarm.get("until") is None for alarm in found)
    says = f"{len(found)} alarm{'s' if len(found) > 1 else ''}, {active} of them not over yet."
    head = ["what", "alarm on", "then"]
    return Section("alarms", title, says, table=Table("Newest first", head, rows, wide=True))


def _figure(inputs: Inputs, report: Row, name: str) -> Figure | None:
    measured = _weeks(report, "performance", name, "labels")
    days = {row["day"] for row in measured}
    guessed = [
        row for row in _weeks(report, "estimate", name, "estimate") if row["day"] not in days
    ]
    rows = sorted([*measured, *guessed], key=lambda row: str(row["day"]))
    if not rows:
        return None
    model = (inputs.metrics or {}).get("model") or {}
    before = model[name]["value"] if name in model else None
    marks = _releases_between(inputs.releases, rows)
    caption = f"{NAMES[name]} week by week; {METRICS[name]} is better. Dashed: on the holdout. "
    caption += "The line holds the true value with 95% confidence"
    caption += "; an estimate does if rows with the same score still end as they did." * bool(
        guessed
    )
    return Figure(
        f"weeks-{name}",
        charts.performance(rows, NAMES[name], before, marks),
        caption.rstrip(".") + ".",
    )


def _weeks(report: Row, part: str, name: str, kind: str) -> list[Row]:
    weeks = (report.get(part) or {}).get("weeks") or []
    return [
        {"day": week["first"], "kind": kind, **_interval(week["metrics"][name])}
        for week in weeks
        if week.get("metrics", {}).get(name)
    ]


def _interval(estimate: Row) -> Row:
    return {key: float(estimate[key]) for key in ("value", "low", "high")}


def _releases_between(releases: Sequence[Row], weeks: Sequence[Row]) -> list[Row]:
    """Return the releases of these weeks, each by its day."""
    first, last = str(weeks[0]["day"]), str(weeks[-1]["day"])
    dated = [{"day": str(row.get("date", ""))[:10], "name": row["name"]} for row in releases]
    return [row for row in dated if first <= row["day"] <= last]


def _done(alarm: Row, releases: Sequence[Row]) -> str:
    """Return what became of an alarm: it ended, or something was released, or neither."""
    at, until = str(alarm["at"])[:10], alarm.get("until")
    after = [row for row in releases if str(row.get("date", ""))[:10] >= at]
    said = []
    if after:
        how = str(after[0].get("event", "released"))
        said.append(f"{how} {after[0]['name']} on {str(after[0]['date'])[:10]}")
    said.append(f"over on {str(until)[:10]}" if until else "not over yet")
    return "; ".join(said)
