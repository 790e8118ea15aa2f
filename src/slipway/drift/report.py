"""The answer of `slipway drift`: JSON (``schema.json``), text, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from slipway.drift.words import percent, sized, value
from slipway.errors import NO, NO_ANSWER, YES
from slipway.report.document import Block, Chart, Document, Section, Table

SCHEMA = Path(__file__).with_name("schema.json")

VERSION = 1

ALARMS_SHOWN, LINES_SHOWN, DAYS_SHOWN, MODELS_SHOWN = 20, 4, 92, 5

Row = dict[str, Any]

Status = Literal["quiet", "drift", "no answer"]


@dataclass(frozen=True)
class Report:
    """What was found, or why there is no answer; docs/drift.md says what each field holds."""

    status: Status
    words: str
    model: str
    log: str
    rows: int = 0
    first: str = ""
    last: str = ""
    other_models: dict[str, int] = field(default_factory=dict)
    reference: Row = field(default_factory=dict)
    season: Row | None = None
    settings: Row = field(default_factory=dict)
    columns: list[Row] = field(default_factory=list)
    score: Row | None = None
    joint: Row | None = None
    volume: Row | None = None
    days: list[Row] = field(default_factory=list)
    alarms: list[Row] = field(default_factory=list)
    performance: Row | None = None
    estimate: Row | None = None
    concept: Row | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return {"quiet": YES, "drift": NO, "no answer": NO_ANSWER}[self.status]

    def as_dict(self) -> Row:
        return {"version": VERSION} | asdict(self)

    def active(self) -> list[Row]:
        """Return the alarms that are not over."""
        return [alarm for alarm in self.alarms if alarm["until"] is None]


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON schema of a report."""
    import json

    known: Mapping[str, Any] = json.loads(SCHEMA.read_text("utf-8"))
    return known


def to_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [f"{report.status}: {report.words}"]
    lines += [
        f"  {row['status']:<6}  {row['name']}: {sized(row['psi'])}; {row['words']}"
        for row in report.columns
        if row["status"] != "ok"
    ]
    lines += [f"  drift   {alarm['stream']}: {alarm['words']}" for alarm in _others(report)]
    return "\n".join([*lines, *_remarks(report)])


def to_markdown(report: Report) -> str:
    """Return the report for an issue or a job's summary."""
    title = {"quiet": "✅ No drift", "drift": "⚠️ Drift", "no answer": "❔ No answer"}
    parts = [f"### {title[report.status]}", "", report.words]
    moved = [row for row in report.columns if row["status"] != "ok"]
    if moved:
        parts += ["", "| column | | PSI | what moved |", "|---|---|---:|---|"]
        parts += [
            f"| `{row['name']}` | {row['status']} | {row['psi']:.2f} | {_cell(row['words'])} |"
            for row in moved
        ]
    if report.alarms:
        parts += ["", "| alarm | since about | noticed | until |", "|---|---|---|---|"]
        parts += [
            f"| `{alarm['stream']}` | {alarm['since']} | {alarm['at']} | {alarm['until'] or ''} |"
            for alarm in report.alarms[-ALARMS_SHOWN:]
        ]
    for remark in _remarks(report):
        parts += ["", remark]
    return "\n".join(parts) + "\n"


def to_html(report: Report) -> str:
    """Return the report as one HTML file, with a chart of the days."""
    from slipway.report import html

    return html.to_html(document(report))


def document(report: Report) -> Document:
    """Return the report as a document."""
    tone = {"quiet": "good", "drift": "bad", "no answer": "open"}[report.status]
    headline = {"quiet": "No drift", "drift": "Drift", "no answer": "No answer"}[report.status]
    blocks: list[Block] = [report.words, *_remarks(report)]
    moved = [row for row in report.columns if row["status"] != "ok"]
    if moved:
        blocks.append(_columns_table(moved))
    sections = [Section("Alarms", [_alarm_table(report.alarms)])] if report.alarms else []
    if len(report.days) > 1:
        sections.append(Section("Day by day", _charts(report)))
    if report.columns:
        sections.append(Section("Every column", [_columns_table(report.columns)]))
    foot = [f"model `{report.model[:12]}`"]
    return Document(tone, headline, blocks, sections, foot)


def _columns_table(rows: Sequence[Row]) -> Table:
    cells = [
        [
            f"`{row['name']}`",
            row["status"],
            f"{row['psi']:.2f}",
            f"{row['ratio']:.2f}",
            row["words"],
        ]
        for row in rows
    ]
    head = ["column", "", "PSI", "times the limit", "what moved"]
    return Table(head, cells, numbers=frozenset({2, 3}))


def _alarm_table(alarms: Sequence[Row]) -> Table:
    rows = [
        [f"`{alarm['stream']}`", alarm["since"], alarm["at"], alarm["until"] or "", alarm["words"]]
        for alarm in reversed(alarms[-ALARMS_SHOWN:])
    ]
    return Table(["what", "since about", "noticed", "until", ""], rows)


def _charts(report: Report) -> list[Block]:
    days = report.days[-DAYS_SHOWN:]
    labels = [day["day"][5:] for day in days]
    found: list[Block] = [
        Chart("Predictions", labels, "rows", bars=[float(day["rows"]) for day in days])
    ]
    ranked = sorted(report.columns, key=lambda row: -row["ratio"])[:LINES_SHOWN]
    for row in ranked:
        line = [day["streams"].get(row["name"]) or 0.0 for day in days]
        title = f"{row['name']}: times the limit (an alarm from 1 on)"
        found.append(Chart(title, labels, "times the limit", lines={row["name"]: line}))
    return found


def _others(report: Report) -> list[Row]:
    named = {row["name"] for row in report.columns}
    return [alarm for alarm in report.active() if alarm["stream"] not in named]


def _remarks(report: Report) -> list[str]:
    others = sorted(report.other_models.items(), key=lambda other: -other[1])
    said = [
        f"Not counted: {rows:,} predictions of another model, {value(sha256[:12])}."
        for sha256, rows in others[:MODELS_SHOWN]
    ]
    if rest := others[MODELS_SHOWN:]:
        rows = sum(count for _, count in rest)
        said.append(f"Not counted: {rows:,} predictions of {len(rest):,} further models.")
    if report.season and report.season["words"]:
        said.append(report.season["words"])
    said += [
        part["words"]
        for part in (report.performance, report.concept, report.estimate)
        if part and part.get("words")
    ]
    return said + [f"Fault in the log: {fault}" for fault in report.faults]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def share(part: float, rows: float) -> float:
    return part / rows if rows else 0.0


__all__ = [
    "Report",
    "document",
    "percent",
    "schema",
    "share",
    "to_html",
    "to_markdown",
    "to_text",
]
