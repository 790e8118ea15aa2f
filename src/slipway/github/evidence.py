"""What a drift report shows, as a document for an issue, a pull request or a summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slipway.github.causes import GUIDE, active, causes, moved
from slipway.github.foreign import safe
from slipway.report.document import Block, Chart, Document, Section, Table, quote

ROWS_SHOWN = 20
BARS_SHOWN = 12
LINES_SHOWN = 3
DAYS_SHOWN = 31

ICON = {"drift": "**drift**", "notice": "small"}

Report = Mapping[str, Any]


def evidence(report: Report, base: str, foot: list[str]) -> Document:
    """Return a report of `slipway drift` as a document.

    Parameters
    ----------
    base
        Where the files of the repository can be read, for links into the guide.
    foot
        Its last lines.
    """
    blocks: list[Block] = [safe(report["words"], 1500)]
    blocks += [safe(words) for words in hurting(report)]
    if season := (report.get("season") or {}).get("words"):
        blocks.append(safe(season))
    blocks += [table for table in (_moved(report),) if table]
    if steps := "\n".join(_steps(report, base)):
        blocks.append(f"**What to do**\n\n{steps}")
    sections = [_alarms(report), *_charts(report), _weeks(report), _numbers(report)]
    tone = {"quiet": "good", "drift": "bad"}.get(report["status"], "open")
    return Document(tone, headline(report), blocks, [part for part in sections if part], foot)


def headline(report: Report) -> str:
    """Return what happened in one line, for people."""
    if report["status"] != "drift":
        return "No drift" if report["status"] == "quiet" else "The drift check could not answer"
    names = [quote(row["name"]) for row in moved(report)]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    since = min((str(alarm["since"])[:10] for alarm in active(report)), default="")
    when = f" since {safe(since)}" if since else ""
    rest = [quote(alarm["stream"]) for alarm in active(report)][:3]
    return f"Drift{when}: {shown or ', '.join(rest) or 'seen by all columns together'}"


def hurting(report: Report) -> list[str]:
    """Return what labels, or an estimate without them, say of the model, in sentences."""
    known = [report[name] for name in ("performance", "concept") if report.get(name)]
    said: list[str] = []
    for words in (str(part["words"]) for part in known):
        if not any(words in earlier for earlier in said):
            said.append(words)
    if not said:
        said = ["Whether it hurts is not known: no labels of these rows have arrived yet."]
        said += [str(report["estimate"]["words"])] if report.get("estimate") else []
    return said


def _moved(report: Report) -> Table | None:
    rows = [row for row in report["columns"] if row["status"] != "ok"]
    rows = [*moved(report), *(row for row in rows if row["status"] != "drift")]
    if not rows:
        return None
    cells = [
        [
            quote(row["name"]),
            ICON[row["status"]],
            f"{row['psi']:.2f}",
            safe(row["words"], 300),
        ]
        for row in rows[:ROWS_SHOWN]
    ]
    return Table(["column", "", "PSI", "what moved"], cells, numbers=frozenset({2}))


def _steps(report: Report, base: str) -> Iterator[str]:
    for cause in causes(report):
        link = f"[more]({base}/{GUIDE}#{cause.anchor})"
        yield f"- {cause.what[:1].upper()}{cause.what[1:]}: {cause.do} ({link})."


def _alarms(report: Report) -> Section | None:
    listed = report.get("alarms") or []
    if not listed:
        return None
    # Those that go on first, then the newest.
    newest = sorted(listed, key=lambda alarm: str(alarm["at"]), reverse=True)
    alarms = sorted(newest, key=lambda alarm: alarm.get("until") is not None)
    rows = [
        [
            quote(alarm["stream"]),
            safe(str(alarm["since"])[:10]),
            safe(str(alarm["at"])[:10]),
            safe(str(alarm.get("until") or "")[:10]),
            safe(alarm.get("words", ""), 300),
        ]
        for alarm in alarms[:ROWS_SHOWN]
    ]
    head = ["what", "moved since about", "alarm on", "over on", ""]
    title = f"Alarms: {len(active(report))} not over, {len(alarms) - len(active(report))} over"
    return Section(title, [Table(head, rows)])


def _charts(report: Report) -> Iterator[Section]:
    columns = [row for row in moved(report) if row["psi"] > 0] or report["columns"]
    shown = sorted(columns, key=lambda row: -row["psi"])[:BARS_SHOWN]
    if shown:
        names, sizes = [row["name"] for row in shown], [row["psi"] for row in shown]
        chart = Chart("How far each column moved", names, "PSI", bars=sizes)
        yield Section("How far each column moved", [chart])
    days = list(report.get("days") or [])[-DAYS_SHOWN:]
    if len(days) > 1:
        yield Section("Day by day", list(_lines(report, days)))


def _weeks(report: Report) -> Section | None:
    weeks = list((report.get("performance") or {}).get("weeks") or [])[-ROWS_SHOWN:]
    if not weeks:
        return None
    rows = [
        [
            safe(week["first"]),
            f"{week['labelled']:,} of {week['rows']:,}",
            _interval(week["metrics"].get("auc")),
            _share(week["label_rate"]),
            _share(week["expected_rate"]),
        ]
        for week in weeks
    ]
    head = ["week of", "labelled", "AUC", "positive", "as the scores promise"]
    blocks: list[Block] = [Table(head, rows, numbers=frozenset({1, 2, 3, 4}))]
    ranked = [week for week in weeks if week["metrics"].get("auc")]
    if len(ranked) > 1:
        at = [str(week["first"])[5:10] for week in ranked]
        values = [float(week["metrics"]["auc"]["value"]) for week in ranked]
        blocks.insert(0, Chart("AUC week by week", at, "AUC", lines={"AUC": values}))
    return Section("What the labels say, week by week", blocks)


def _interval(estimate: Mapping[str, Any] | None) -> str:
    if not estimate:
        return ""
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _lines(report: Report, days: list[Mapping[str, Any]]) -> Iterator[Block]:
    labels = [str(day["day"])[5:10] for day in days]
    yield Chart("Predictions", labels, "rows", bars=[float(day["rows"]) for day in days])
    for name in _streams_shown(report):
        known = [(day, value) for day in days if (value := of_stream(day, name)) is not None]
        if len(known) > 1:
            at = [str(day["day"])[5:10] for day, _ in known]
            values = [value for _, value in known]
            yield Chart(f"{name}: an alarm from 1 on", at, "times the limit", lines={name: values})
    yield _days(report, days)


def _days(report: Report, days: list[Mapping[str, Any]]) -> Table:
    """Return the numbers of the charts, for readers to whom those are no help."""
    names = _streams_shown(report)
    rows = [
        [
            safe(day["day"]),
            f"{day['rows']:,}",
            *("" if (value := of_stream(day, name)) is None else f"{value:.2f}" for name in names),
        ]
        for day in days
    ]
    head = ["day", "predictions", *(quote(name) for name in names)]
    return Table(head, rows, numbers=frozenset(range(1, len(head))))


def _streams_shown(report: Report) -> list[str]:
    raised = [str(alarm["stream"]) for alarm in active(report)]
    return list(dict.fromkeys([*raised, *(str(row["name"]) for row in moved(report))]))[
        :LINES_SHOWN
    ]


def of_stream(day: Mapping[str, Any], name: str) -> float | None:
    """Return how far a stream was from its limit on a day, if it was measured: 1 is an alarm."""
    value = (day.get("streams") or {}).get(name)
    return None if value is None else float(value)


def _numbers(report: Report) -> Section:
    reference = report.get("reference") or {}
    facts = [
        ("predictions", f"{report['rows']:,}"),
        ("events", f"{safe(report['first'][:10])} to {safe(report['last'][:10])}"),
        ("model", f"`{report['model'][:12]}`"),
        ("compared with", f"{reference.get('rows', 0):,} rows of the holdout"),
        ("log", quote(report["log"], 120)),
    ]
    facts += [
        (f"not counted: model `{name[:12]}`", f"{rows:,} predictions")
        for name, rows in list((report.get("other_models") or {}).items())[:5]
    ]
    blocks: list[Block] = [Table(["", ""], [list(fact) for fact in facts])]
    faults = [safe(fault, 200) for fault in (report.get("faults") or [])[:ROWS_SHOWN]]
    if faults:
        blocks.append("\n".join(f"- {fault}" for fault in faults))
    return Section("Numbers", blocks)
