"""The drift report as a document: for a terminal, an issue, a pull request, a summary or a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from slipway.documents.document import Block, Chart, Document, Section, Table
from slipway.metrics.registry import ALL
from slipway.monitoring.recommendations import GUIDE, recommendations
from slipway.monitoring.report import Alarm, Column, Day, DriftReport, Interval
from slipway.numbers import counted, plain
from slipway.untrusted import quote, quote_text

ROWS_SHOWN, COLUMNS_SHOWN = 20, 100
BARS_SHOWN, LINES_SHOWN, DAYS_SHOWN = 12, 3, 31
FAULTS_SHOWN, MODELS_SHOWN = 3, 5

STATUS = {"drift": "**drift**", "notice": "small", "ok": ""}

TONES = {"quiet": "good", "drift": "bad", "inconclusive": "open"}


def drift_document(report: DriftReport, base: str = "", foot: Sequence[str] = ()) -> Document:
    """Return a report of `slipway drift` as a document.

    Parameters
    ----------
    base
        Address of the repository's files, for links into the guide; empty for its path alone.
    foot
        Its last lines.
    """
    blocks: list[Block] = [quote_text(report.words, 1500)]
    blocks += [quote_text(sentence) for sentence in performance_sentences(report)]
    if report.season and report.season.words:
        blocks.append(quote_text(report.season.words))
    differing = [*report.drifted(), *(row for row in report.columns if row.status == "notice")]
    if differing:
        blocks.append(_differences(differing[:ROWS_SHOWN]))
    if notes := "\n".join(_notes(report)):
        blocks.append(notes)
    if steps := "\n".join(_steps(report, base)):
        blocks += ["**What to do**", steps]
    sections = [*_alarms(report), *_distances(report), *_days(report), *_weeks(report)]
    sections += [*_groups(report), *_columns(report), _facts(report)]
    return Document(TONES[report.status], headline(report), blocks, sections, list(foot))


def headline(report: DriftReport) -> str:
    """Return the finding in one line."""
    if report.status != "drift":
        return "No drift" if report.status == "quiet" else "The drift check is inconclusive"
    names = [quote(row.name) for row in report.drifted()]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    since = min((alarm.since[:10] for alarm in report.active()), default="")
    when = f" since {quote_text(since)}" if since else ""
    others = ", ".join(quote(alarm.stream) for alarm in report.active()[:3])
    return f"Drift{when}: {shown or others or 'in the dependence of columns'}"


def performance_sentences(report: DriftReport) -> list[str]:
    """Return the performance by labels, or the estimate without them, in sentences."""
    sentences: list[str] = []
    for part in (report.performance, report.concept):
        if part and not any(part.words in earlier for earlier in sentences):
            sentences.append(part.words)
    if sentences or report.is_inconclusive:
        return sentences
    unknown = "Performance is not known: no labels of these rows have arrived yet."
    return [unknown, *([report.estimate.words] if report.estimate else [])]


def _differences(rows: Sequence[Column]) -> Table:
    cells = [
        [quote(row.name), STATUS[row.status], f"{row.psi:.2f}", quote_text(row.words, 300)]
        for row in rows
    ]
    return Table(["column", "", "PSI", "difference"], cells, numbers=frozenset({2}))


def _notes(report: DriftReport) -> Iterator[str]:
    """Yield what was left out, as points of a list."""
    others = sorted(report.other_models.items(), key=lambda other: -other[1])
    for model, rows in others[:MODELS_SHOWN]:
        yield f"- Not counted: {counted(rows, 'prediction')} of another model, {quote(model[:12])}."
    if rest := others[MODELS_SHOWN:]:
        rows, models = sum(count for _, count in rest), counted(len(rest), "further model")
        yield f"- Not counted: {counted(rows, 'prediction')} of {models}."
    for fault in report.faults[:FAULTS_SHOWN]:
        yield f"- Fault in the log: {quote_text(fault, 300)}"
    if len(report.faults) > FAULTS_SHOWN:
        more = counted(len(report.faults) - FAULTS_SHOWN, "more fault")
        yield f"- {more} in the log: see Facts."


def _steps(report: DriftReport, base: str) -> Iterator[str]:
    for each in recommendations(report):
        page = f"{GUIDE}#{each.anchor}"
        more = f"[more]({base}/{page})" if base else page
        yield f"- {each.finding[:1].upper()}{each.finding[1:]}: {each.step} ({more})."


def _alarms(report: DriftReport) -> Iterator[Section]:
    if not report.alarms:
        return
    # Those that last first, then the newest.
    newest = sorted(report.alarms, key=lambda alarm: alarm.at, reverse=True)
    alarms = sorted(newest, key=lambda alarm: alarm.until is not None)
    head = ["series", "since about", "alarm on", "over on", ""]
    active = len(report.active())
    title = f"Alarms: {active} not over, {len(alarms) - active} over"
    yield Section(title, [Table(head, [_alarm(alarm) for alarm in alarms[:ROWS_SHOWN]])])


def _alarm(alarm: Alarm) -> list[str]:
    days = (alarm.since, alarm.at, alarm.until or "")
    cells = [quote_text(day[:10]) if day else "" for day in days]
    return [quote(alarm.stream), *cells, quote_text(alarm.words, 300)]


def _distances(report: DriftReport) -> Iterator[Section]:
    columns = [row for row in report.drifted() if row.psi > 0] or report.columns
    shown = sorted(columns, key=lambda row: -row.psi)[:BARS_SHOWN]
    if shown:
        title = "Distance of each column"
        names, sizes = [row.name for row in shown], [row.psi for row in shown]
        yield Section(title, [Chart(title, names, "PSI", bars=sizes)])


def _days(report: DriftReport) -> Iterator[Section]:
    days = report.days[-DAYS_SHOWN:]
    if len(days) < 2:
        return
    names = _series_shown(report)
    labels = [day.day[5:10] for day in days]
    blocks: list[Block] = [
        Chart("Predictions", labels, "rows", bars=[float(day.rows) for day in days])
    ]
    for name in names:
        known = [day for day in days if name in day.streams]
        if len(known) > 1:
            at = [day.day[5:10] for day in known]
            title = f"{name}: an alarm from 1 on"
            lines = {name: [day.streams[name] for day in known]}
            blocks.append(Chart(title, at, "times the limit", lines=lines))
    rows = [[day.day, f"{day.rows:,}", *(_strength(day, name) for name in names)] for day in days]
    head = ["day", "predictions", *map(quote, names)]
    blocks.append(Table(head, rows, numbers=frozenset(range(1, len(head)))))
    yield Section("Day by day", blocks)


def _strength(day: Day, name: str) -> str:
    return f"{day.streams[name]:.2f}" if name in day.streams else ""


def _series_shown(report: DriftReport) -> list[str]:
    """Return the series with an alarm, or else those that are nearest to one."""
    raised = [alarm.stream for alarm in report.active()]
    names = [*raised, *(row.name for row in report.drifted())]
    nearest = sorted(report.columns, key=lambda row: -row.ratio)
    return list(dict.fromkeys(names or [row.name for row in nearest]))[:LINES_SHOWN]


def _weeks(report: DriftReport) -> Iterator[Section]:
    performance = report.performance
    weeks = performance.weeks[-ROWS_SHOWN:] if performance else []
    if performance is None or not weeks:
        return
    key, metric = performance.headline, ALL.get(performance.headline)
    name = metric.label if metric else key
    shown = metric.shown if metric else plain
    rows = [
        [
            quote_text(week.first),
            f"{week.labelled:,} of {week.rows:,}",
            _interval(week.metrics.get(key), shown),
            *([_share(week.label_rate), _share(week.expected_rate)] if performance.rate else []),
        ]
        for week in weeks
    ]
    rates = [quote_text(performance.rate), "expected"] if performance.rate else []
    head = ["week of", "labelled", quote_text(name), *rates]
    blocks: list[Block] = [Table(head, rows, numbers=frozenset(range(1, len(head))))]
    measured = [week for week in weeks if key in week.metrics]
    if len(measured) > 1:
        at = [week.first[5:10] for week in measured]
        values = [week.metrics[key].value for week in measured]
        title = f"{name[:1].upper()}{name[1:]} week by week"
        blocks.insert(0, Chart(title, at, name, lines={name: values}))
    yield Section("Performance by labels, week by week", blocks)


def _interval(interval: Interval | None, shown: Callable[[float], str]) -> str:
    if interval is None:
        return ""
    return f"{shown(interval.value)} ({shown(interval.low)} to {shown(interval.high)})"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _groups(report: DriftReport) -> Iterator[Section]:
    if not report.groups:
        return
    order = sorted(report.groups, key=lambda row: row.status != "drift")
    cells = [
        [
            quote(f"{row.attribute}={row.group}"),
            quote_text(row.rate),
            f"{row.rows:,}",
            plain(row.value, 3),
            plain(row.expected, 3),
            STATUS[row.status],
        ]
        for row in order[:COLUMNS_SHOWN]
    ]
    head = ["group", "rate", "rows", "newest week", "expected", ""]
    alarms = sum(row.status == "drift" for row in report.groups)
    title = f"Protected groups: {alarms} with an alarm" if alarms else "Protected groups"
    text = "Expected: what follows from the other groups of that week and from the holdout."
    yield Section(title, [text, Table(head, cells, numbers=frozenset({2, 3, 4}))])


def _columns(report: DriftReport) -> Iterator[Section]:
    if not report.columns:
        return
    cells = [
        [
            quote(row.name),
            row.status,
            f"{row.psi:.2f}",
            f"{row.ratio:.2f}",
            quote_text(row.words, 300) if row.words else "",
        ]
        for row in report.columns[:COLUMNS_SHOWN]
    ]
    head = ["column", "status", "PSI", "times the limit", "difference"]
    yield Section("Every column", [Table(head, cells, numbers=frozenset({2, 3}))])


def _facts(report: DriftReport) -> Section:
    facts = [
        ["predictions", f"{report.rows:,}"],
        ["events", f"{quote_text(report.first[:10])} to {quote_text(report.last[:10])}"],
        ["model", f"`{report.model[:12]}`"],
        ["compared with", f"{counted(report.reference.rows, 'row')} of the holdout"],
        ["log", quote(report.log, 120)],
    ]
    blocks: list[Block] = [Table(["", ""], facts)]
    if report.faults:
        faults = report.faults[:ROWS_SHOWN]
        blocks.append("\n".join(f"- {quote_text(fault, 200)}" for fault in faults))
    return Section("Facts", blocks)
