"""The sections of a judgement, the most important first."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.comparison.report import (
    Bin,
    DataChanges,
    Difference,
    Judgement,
    Rates,
    SliceRow,
    Slices,
)
from slipway.comparison.verdict import oriented_interval
from slipway.dataset.periods import called
from slipway.documents.document import Block, Chart, Section, Table
from slipway.metrics.clusters import DAY
from slipway.metrics.registry import headline_of
from slipway.numbers import counted, plain, signed
from slipway.reports.importance import importance_table, meaning
from slipway.reports.messages import learned_before, level, months, parts_of
from slipway.reports.protected import protected_groups
from slipway.reports.reasons import NAMES, newest_part
from slipway.untrusted import quote

# Rows of a table in a comment; the HTML report has them all.
SHOWN = 40

BARS = 12


def sections(report: Judgement, *, full: bool) -> list[Section]:
    """Return the sections of a judgement, without those that would be empty."""
    limit = 100_000 if full else SHOWN
    parts = [
        _periods(report),
        _slices(report, report.slices, limit),
        _slices(report, report.newest_slices, limit, f"on {newest_part(report)} alone, "),
        protected_groups(report, limit),
        _behaviours(report),
        _data(report.data, limit) if report.data else None,
        _dependencies(report, limit),
        _changed_decisions(report),
        _calibration(report),
        _costs(report),
        _permutation_importance(report, limit),
        Section("The rule", [rule_of(report)]),
    ]
    return [part for part in parts if part]


def rule_of(report: Judgement) -> str:
    """Return the rule that was applied, in a few sentences."""
    rule, name = report.rule, report.rule.primary
    guards = [NAMES[guard] for guard in rule.guards if guard != name]
    guarded = f"; {' and '.join(guards)} must not get worse" if guards else ""
    inconclusive = "may be merged" if rule.on_inconclusive == "go" else "may not"
    return (
        f"{NAMES[name]} decides, and a loss up to {rule.margins[name]:g} does not matter"
        f"{guarded}. A change that is {rule.require} may be merged; one that is inconclusive "
        f"{inconclusive}. A wrong “worse” has a probability of {rule.alpha:.1%}, a wrong “better” "
        f"of {rule.alpha:.1%} over all {rule.budget} judgements of its budget. "
        f"{_dependence(report)} Set in `judge` of params.yaml; a pull request is judged by the "
        "rule of its base."
    )


def _dependence(report: Judgement) -> str:
    """Return which rows the rule takes to depend on each other."""
    rule = report.rule
    if not rule.clusters:
        return "Rows are taken to be independent."
    named = " or ".join(
        f"day (in {quote(rule.time_zone)})" if name == DAY else quote(name)
        for name in rule.clusters
    )
    return f"Rows with the same {named} are taken to depend on each other."


def _periods(report: Judgement) -> Section | None:
    """Return the periods, and what the newest one shows alone."""
    if len(report.periods) < 2:
        return None
    shares = [
        [f"{period.positives / period.rows:.1%}"] if period.positives else []
        for period in report.periods
    ]
    periods = Table(
        ["scored", "learned", "rows", *(["positive"] if all(shares) else [])],
        [
            [months(period.months), _learned(report, period.learned), f"{period.rows:,}", *share]
            for period, share in zip(report.periods, shares, strict=True)
        ],
        frozenset({2, 3}),
    )
    alone = Table(
        [f"on {newest_part(report)} alone", f"difference ({level(report)})", ""],
        [[NAMES[row.name], _interval(row.difference), row.verdict] for row in report.newest],
        frozenset({1}),
    )
    text = (
        f"Both procedures learn from {learned_before(report)} each of them and score it. A metric "
        "is their mean, weighted by their rows."
    )
    return Section(
        f"{parts_of(report).capitalize()}: {len(report.periods)}", [text, periods, alone]
    )


def _learned(report: Judgement, names: list[str]) -> str:
    return counted(len(names), "fold") if report.days is None else months(names)


def _slices(report: Judgement, slices: Slices, limit: int, where: str = "") -> Section | None:
    if not slices.rows:
        return None
    first, *others = headline_of(report.task)
    rows = sorted(slices.rows, key=lambda row: (row.verdict != "worse", _smallest_p_value(row)))
    worse = sum(row.verdict == "worse" for row in rows)
    result = f"{worse} worse" if worse else f"none worse; closest: {quote(rows[0].name)}"
    table = Table(
        [
            "slice",
            "rows",
            NAMES[first],
            f"difference ({level(report)})",
            *(f"{NAMES[metric]}, difference" for metric in others),
            "",
        ],
        [_slice_row(row, first, others) for row in rows[:limit]],
        numbers=frozenset(range(1, 4 + len(others))),
    )
    small = f" {slices.small} are too small to test." if slices.small else ""
    tests = f"{slices.tests} tests of a loss, corrected together (Holm).{small}"
    blocks: list[Block] = [tests + _hidden(len(rows), limit), table]
    ranked = [row for row in rows if row.metrics[first]][:BARS]
    if ranked:
        blocks.append(
            Chart(
                f"{NAMES[first]} by slice: this change less the champion",
                [row.name for row in ranked],
                "difference",
                bars=[row.measured[first].difference.value for row in ranked],
            )
        )
    return Section(f"Slices: {where}{len(rows)} tested, {result}", blocks)


def _slice_row(row: SliceRow, first: str, others: Sequence[str]) -> list[str]:
    entry = row.metrics[first]
    result = "**worse**" if row.verdict == "worse" else row.verdict
    return [
        quote(row.name),
        f"{row.rows:,}",
        f"{plain(entry.champion)} → {plain(entry.challenger)}" if entry else "too few",
        _spread(row, first),
        *(_spread(row, metric) for metric in others),
        "worse, accepted" if row.accepted else result,
    ]


def _spread(row: SliceRow, metric: str) -> str:
    entry = row.metrics[metric]
    return _interval(entry.difference) if entry else ""


def _smallest_p_value(row: SliceRow) -> float:
    """Return the smallest p-value of a loss; 1 if nothing could be tested."""
    losses = [
        oriented_interval(metric, entry.difference).p_loss for metric, entry in row.measured.items()
    ]
    return min(losses, default=1.0)


def _behaviours(report: Judgement) -> Section | None:
    if not report.behaviours:
        return None
    held = sum(row.holds for row in report.behaviours)
    rows = [
        [
            quote(row.description, 120),
            f"{row.share:.1%}",
            f"{row.at_least:.0%}",
            "holds" if row.holds else "**does not hold**",
        ]
        for row in report.behaviours
    ]
    head = ["behaviour", "holds for", "at least", ""]
    title = f"Behaviour: {held} of {len(rows)} {'holds' if held == 1 else 'hold'}"
    return Section(title, [Table(head, rows, frozenset({1, 2}))])


def _data(data: DataChanges, limit: int) -> Section:
    rates = data.label_rate
    rows = [
        *_counts(data),
        ["rows", f"{data.rows.champion:,}", f"{data.rows.challenger:,}"],
    ]
    if rates:
        rows += [
            ["label rate, training", *_percent(rates.train)],
            ["label rate, holdout", *_percent(rates.holdout)],
        ]
    rows += [
        [f"{quote(row.column)} missing", f"{row.champion:.1%}", f"{row.challenger:.1%}"]
        for row in data.missing[:limit]
    ]
    points = [f"- column {quote(name)} is new" for name in data.columns.added[:limit]]
    points += [f"- column {quote(name)} is gone" for name in data.columns.removed[:limit]]
    points += [
        f"- file {quote(name)} {kind}"
        for kind in ("added", "deleted", "modified")
        for name in getattr(data.files, kind)[:limit]
    ]
    points += [
        f"- distribution of {quote(row.column)} shifted: {row.distance:.0%} of the rows have "
        "other values"
        for row in data.shifted[:limit]
    ]
    blocks: list[Block] = [Table(["", "champion", "this change"], rows, frozenset({1, 2}))]
    blocks += ["\n".join(points)] if points else []
    return Section("Data: no change" if data.same else "Data: differences", blocks)


def _counts(data: DataChanges) -> list[list[str]]:
    """Return the numbers of periods; of rows without a time, the number of folds is fixed."""
    before, after = data.months.champion, data.months.challenger
    name = called(after)
    return [] if name == "folds" else [[name, str(len(before)), str(len(after))]]


def _percent(pair: Rates) -> tuple[str, str]:
    return f"{pair.champion:.1%}", f"{pair.challenger:.1%}"


def _dependencies(report: Judgement, limit: int) -> Section | None:
    changed = report.changes.dependencies
    if not changed:
        return None
    rows = [
        [quote(row.name), quote(row.champion or "–"), quote(row.challenger or "–")]  # noqa: RUF001
        for row in changed[:limit]
    ]
    table = Table(["package", "champion", "this change"], rows)
    return Section(f"Dependencies: {len(changed)} changed", [table])


def _changed_decisions(report: Judgement) -> Section | None:
    changed = report.changed_decisions
    if not changed or not changed.count:
        return None
    rows = [
        [
            quote(f"{row.slice}={row.value}"),
            f"{row.rows:,}",
            f"{row.changed:,}",
            f"{row.share:.1%}",
        ]
        for row in changed.slices
    ]
    now_right = counted(changed.now_right, "is", "are")
    text = (
        f"Of {counted(changed.count, 'changed decision')}, {now_right} now right and "
        f"{changed.now_wrong:,} now wrong (p = {changed.p_value:.3f} that the two models "
        "are right equally often). Decisions change most often here:"
    )
    table = Table(["slice", "rows", "changed", "share"], rows, frozenset({1, 2, 3}))
    return Section("Changed decisions by slice", [text, table])


def _calibration(report: Judgement) -> Section | None:
    if not report.curves:
        return None
    before, after = report.curves.champion, report.curves.challenger
    rows = [
        [str(number + 1), *_bin(before, number), *_bin(after, number)]
        for number in range(max(len(before), len(after)))
    ]
    head = ["bin", "champion, predicted", "observed", "this change, predicted", "observed"]
    lines = {
        "predicted": [row.mean_score for row in after],
        "observed": [row.label_rate for row in after],
    }
    labels = [str(number + 1) for number in range(len(after))]
    return Section(
        "Calibration: predicted vs. observed rate",
        [
            "Bins of equal size, from the lowest probability to the highest.",
            Table(head, rows, frozenset(range(5))),
            Chart("This change: predicted, then observed", labels, "rate", lines=lines),
        ],
    )


def _costs(report: Judgement) -> Section | None:
    curve = report.cost_curve
    if not curve:
        return None
    now = curve.now
    text = (
        f"By the costs of both errors the threshold is {curve.threshold:.3g}; this change has "
        f"{now.threshold:g}, at {plain(now.cost)} ({plain(now.low)} to {plain(now.high)}) a row of "
        f"the holdout. There costs are lowest at {curve.lowest_threshold:g}; no threshold from "
        f"{curve.lowest_from:g} to {curve.lowest_to:g} is shown to cost more (docs/card.md)."
    )
    rows = [
        [f"{row.threshold:g}", plain(row.cost), f"{plain(row.low)} to {plain(row.high)}"]
        for row in curve.points
    ]
    table = Table(["threshold", "expected cost of a row", "interval"], rows, frozenset(range(3)))
    lines = {"expected cost of a row": [row.cost for row in curve.points]}
    labels = [f"{row.threshold:g}" for row in curve.points]
    chart = Chart("Expected cost of a row by threshold", labels, "cost", lines=lines)
    return Section("Costs of errors by threshold", [text, table, chart])


def _bin(curve: list[Bin], number: int) -> list[str]:
    if number >= len(curve):
        return ["", ""]
    return [f"{curve[number].mean_score:.1%}", f"{curve[number].label_rate:.1%}"]


def _permutation_importance(report: Judgement, limit: int) -> Section | None:
    shown = report.permutation_importance[:limit]
    table = importance_table(shown, report.task, 1 - 2 * report.rule.alpha)
    return Section("Permutation importance", [meaning(report.task), table]) if shown else None


def _interval(difference: Difference) -> str:
    low, high = signed(difference.low, 3), signed(difference.high, 3)
    return f"{signed(difference.value, 3)} ({low} … {high})"


def _hidden(rows: int, limit: int) -> str:
    more = counted(rows - limit, "more row is", "more rows are")
    return f" {more} in the HTML report." if rows > limit else ""
