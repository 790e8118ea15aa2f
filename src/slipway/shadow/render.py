"""The report on a candidate, for a terminal and as Markdown."""

from __future__ import annotations

from typing import Any

from slipway.shadow.compare import Report

MARKS = {"yes": "✅", "no": "❌", "no answer": "⚠️"}


def to_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [f"shadow: {report.words}."]
    lines += [f"  no    {reason}" for reason in report.reasons]
    lines += [f"  {line}" for line in _facts(report)]
    for row in report.flips["who"]:
        lines.append(f"  flips {_who(row)}")
    for metric in _metrics(report):
        lines.append(f"  label {metric['name']}: {_metric(metric)}; {metric['verdict']}")
    return "\n".join(_printable(line) for line in lines)


def to_markdown(report: Report) -> str:
    """Return the report for a job's summary."""
    head = {"yes": "The candidate may get traffic", "no": "The candidate gets no traffic"}
    title = head.get(report.status, "No answer")
    lines = [f"### {MARKS[report.status]} Shadow: {title}", "", f"{report.words}.", ""]
    lines += [f"- **{_plain(reason)}**" for reason in report.reasons]
    lines += [f"- {_plain(line)}" for line in _facts(report)]
    if report.flips["who"]:
        lines += ["", "Decisions flip most often for", "", "| slice | rows | flips | share |"]
        lines.append("|---|---:|---:|---:|")
        lines += [
            f"| {_plain(row['slice'])} = {_plain(row['value'])} | {row['rows']:,} | "
            f"{row['flips']:,} | {row['share']:.1%} |"
            for row in report.flips["who"]
        ]
    if report.flips["keys"]:
        named = ", ".join(_plain(row["key"]) for row in report.flips["keys"])
        lines += ["", f"Flipped, furthest first: {named}"]
    lines += _label_table(report)
    return "\n".join(lines) + "\n"


def _facts(report: Report) -> list[str]:
    facts = [f"candidate: {report.candidate['what']}, model {report.candidate['model'][:12]}"]
    if report.rows:
        facts.append(f"asked between {report.first[:16]} and {report.last[:16]} UTC")
    if report.agreement:
        same, found = report.agreement["same"], report.agreement
        facts.append(
            f"probabilities: {same:.1%} the same, largest difference "
            f"{found['largest_difference']:.3g}, mean {found['mean_live']:.3f} → "
            f"{found['mean_candidate']:.3f}"
        )
        facts.append(
            f"decisions: {report.flips['to_yes']:,} flip to yes, {report.flips['to_no']:,} to no"
        )
        facts.append(
            f"a row is checked and scored in {report.row_ms['p50']:.2f} ms "
            f"(p95 {report.row_ms['p95']:.2f})"
        )
    if report.others:
        count = sum(report.others.values())
        facts.append(f"{count:,} requests that other models answered were passed over")
    facts += [f"fault in the log: {fault}" for fault in report.faults]
    if report.labels is None:
        facts.append("no label of these requests has come yet")
    if report.following:
        facts.append(_following(report.following))
    return facts


def _following(state: dict[str, Any]) -> str:
    at, behind = state["at"][:19].replace("T", " "), state["behind"]
    said = f"the challenger was {behind:,} bytes of the log behind at {at} UTC"
    return f"{said}; {state['fault']}" if state["fault"] else said


def _metrics(report: Report) -> list[dict[str, Any]]:
    return report.labels["metrics"] if report.labels else []


def _metric(metric: dict[str, Any]) -> str:
    found = metric["difference"]
    if metric["live"] is None:
        return str(found["doubt"])
    doubt = f" ({found['doubt']})" if found["doubt"] else ""
    return (
        f"{metric['live']:.4f} → {metric['candidate']:.4f}, difference {found['value']:+.4f} "
        f"[{found['low']:+.4f}, {found['high']:+.4f}]{doubt}"
    )


def _label_table(report: Report) -> list[str]:
    if report.labels is None:
        return []
    labels = report.labels
    known = f"{labels['rows']:,} of these ({labels['positives']:,} positive)"
    lines = ["", f"Labels have come for {known}; intervals hold {labels['level']:.0%}", ""]
    lines += ["| metric | live → candidate, difference | |", "|---|---|---|"]
    return lines + [
        f"| {one['name']} | {_metric(one)} | {one['verdict']} |" for one in _metrics(report)
    ]


def _who(row: dict[str, Any]) -> str:
    return (
        f"{row['slice']} = {row['value']}: {row['flips']:,} of {row['rows']:,} ({row['share']:.1%})"
    )


def _plain(text: str) -> str:
    """Return text of the log so that Markdown shows it and does nothing else with it."""
    kept = _printable(text)[:400]
    for letter in "\\`*_[]<>|#@!":
        kept = kept.replace(letter, f"\\{letter}" if letter != "<" else "&lt;")
    return kept


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in str(text))
