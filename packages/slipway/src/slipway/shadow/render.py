"""The report on a candidate, for a terminal and as Markdown."""

from __future__ import annotations

from slipway.documents.document import Block, Document, Table
from slipway.numbers import counted, plain, signed
from slipway.shadow.compare import Flips, Report
from slipway.shadow.follow import Progress
from slipway.shadow.labelled import LabelledMetric, LabelledMetrics
from slipway.untrusted import as_text, quote, quote_text

HEADLINES = {
    "yes": ("good", "Shadow: the candidate may get traffic"),
    "no": ("bad", "Shadow: the candidate gets no traffic"),
    "inconclusive": ("open", "Shadow: inconclusive"),
}


def to_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [f"shadow: {report.summary}."]
    lines += [f"  no    {quote_text(reason)}" for reason in report.reasons]
    lines += [f"  {fact}" for fact in _facts(report)]
    lines += [f"  flips {quote_text(row)}" for row in report.flips.who]
    for metric in report.labels.metrics if report.labels else []:
        lines.append(f"  label {metric.name}: {_metric(metric)}; {metric.verdict}")
    return "\n".join(map(as_text, lines))


def to_document(report: Report) -> Document:
    """Return the report for a job's summary."""
    tone, headline = HEADLINES[report.status]
    reasons = [f"**{quote_text(reason)}**" for reason in report.reasons]
    blocks: list[Block] = [f"{report.summary}."]
    blocks.append("\n".join(f"- {line}" for line in [*reasons, *_facts(report)]))
    if report.flips.who:
        rows = [
            [
                f"{quote(row.slice)} = {quote(row.value)}",
                f"{row.rows:,}",
                f"{row.flips:,}",
                f"{row.share:.1%}",
            ]
            for row in report.flips.who
        ]
        head = ["slice", "rows", "flips", "share"]
        blocks += ["Largest shares of flipped decisions", Table(head, rows, frozenset({1, 2, 3}))]
    if report.flips.keys:
        keys = ", ".join(quote(flip.key) for flip in report.flips.keys)
        blocks.append(f"Flipped, largest difference first: {keys}")
    if report.labels:
        blocks.append(_labels(report.labels))
    return Document(tone, headline, blocks, [], ["limits: docs/shadow.md"])


def _facts(report: Report) -> list[str]:
    subject = report.subject
    facts = [f"candidate: {quote_text(subject.what)}, model {subject.model[:12]}"]
    if report.rows:
        facts.append(f"requests from {report.first[:16]} to {report.last[:16]} UTC")
    if agreement := report.agreement:
        facts.append(
            f"scores: {agreement.same:.1%} the same, largest difference "
            f"{agreement.largest_difference:.3g}, mean {plain(agreement.mean_live, 3)} → "
            f"{plain(agreement.mean_candidate, 3)}"
        )
        facts += _decisions(report.flips)
    if times := report.row_ms:
        facts.append(f"a row is checked and scored in {times.p50:.2f} ms (p95 {times.p95:.2f})")
    if subject.others:
        count = sum(subject.others.values())
        facts.append(f"skipped: {counted(count, 'request')} that other models answered")
    facts += [f"fault in the log: {quote_text(fault)}" for fault in subject.faults]
    facts.append(_labelled(report.labels))
    if report.following:
        facts.append(_progress(report.following))
    return facts


def _decisions(flips: Flips) -> list[str]:
    if not flips.decided:
        return []
    if flips.to_yes is None:
        return [f"decisions: {counted(flips.count, 'flips', 'flip')} to another class"]
    return [f"decisions: {flips.to_yes:,} flip to yes, {flips.to_no:,} to no"]


def _progress(progress: Progress) -> str:
    at = progress.at[:19].replace("T", " ")
    sentence = (
        f"the model in shadow mode was {progress.behind:,} bytes of the log behind at {at} UTC"
    )
    return f"{sentence}; {quote_text(progress.fault)}" if progress.fault else sentence


def _labelled(labels: LabelledMetrics | None) -> str:
    if labels is None:
        return "no labels of these requests yet"
    positive = "" if labels.positives is None else f" ({labels.positives:,} positive)"
    return (
        f"labels: {labels.rows:,} of these requests{positive}, days: "
        f"{labels.days:,}; each metric's verdicts hold at every look (level {labels.level:.0%})"
    )


def _metric(metric: LabelledMetric) -> str:
    difference = metric.difference
    if metric.live is None or metric.candidate is None:
        return difference.insufficient_reason
    numbers = (
        f"{plain(metric.live)} → {plain(metric.candidate)}, difference {signed(difference.value)}"
    )
    notes = [difference.insufficient_reason] if difference.insufficient_reason else []
    if metric.days_needed:
        notes.append(f"about {counted(metric.days_needed, 'day')} would decide")
    if difference.se or not notes:
        numbers += f" [{signed(difference.low)}, {signed(difference.high)}]"
    return f"{numbers} ({'; '.join(notes)})" if notes else numbers


def _labels(labels: LabelledMetrics) -> Table:
    rows = [[metric.name, _metric(metric), metric.verdict] for metric in labels.metrics]
    return Table(["metric", "live → candidate, difference", ""], rows)
