"""The section of a judgement on protected groups."""

from __future__ import annotations

from slipway.comparison.report import Fairness, Gap, GroupRate, Judgement, ProtectedGroups, Rule
from slipway.documents.document import Block, Chart, Section, Table
from slipway.fairness.registry import DISPARITIES, Rate, rates_of
from slipway.metrics.clusters import FEWEST
from slipway.numbers import counted
from slipway.untrusted import quote, quote_text

TITLE = "Protected groups"

NONE_NAMED = (
    "No groups are named in `PROTECTED` of src/model/slices.py, so whether groups are treated "
    "alike was not measured (docs/fairness.md)."
)

NO_VALUE = "–"  # noqa: RUF001

# Rates in a table, bars of a chart, and groups by name in a sentence.
RATES_SHOWN, BARS, NAMED = 6, 20, 12


def protected_groups(report: Judgement, limit: int) -> Section:
    """Return the disparities and the rates of each group; that there are none, without groups."""
    fairness = report.fairness
    if fairness is None:
        return Section(f"{TITLE}: none are named", [NONE_NAMED])
    blocks: list[Block] = [_rule(fairness, report.rule), _gaps(fairness)]
    for part in fairness.attributes:
        blocks += _groups(part, report, limit)
    return Section(f"{TITLE}: {_result(fairness)}", blocks)


def gap_of(report: Judgement, about: str) -> Gap | None:
    """Return the disparity that a stop is about."""
    found = report.fairness.limited() if report.fairness else []
    return next((gap for name, gap in found if f"{name}: {gap.name}" == about), None)


def between(gap: Gap) -> str:
    """Return a disparity, its groups and its limit as a part of a sentence."""
    disparity = DISPARITIES[gap.name]
    value = "not known" if gap.value is None else disparity.shown(gap.value)
    groups = f" between {quote(gap.smallest)} and {quote(gap.largest)}" if gap.largest else ""
    beyond = "" if gap.limit is None else f", {disparity.beyond(gap.limit)}"
    return f"{disparity.label} {value}{groups}{beyond}"


def _result(fairness: Fairness) -> str:
    limited = [gap for _, gap in fairness.limited()]
    beyond = [gap for gap in limited if gap.verdict == "beyond"]
    inconclusive = sum(gap.verdict == "inconclusive" for gap in limited)
    if not limited:
        return "no limits are set"
    if beyond:
        worst = beyond[0]
        return f"{len(beyond)} of {counted(len(limited), 'limit')} exceeded; {between(worst)}"
    more = f", {inconclusive} inconclusive" if inconclusive else ""
    return f"none of {counted(len(limited), 'limit')} shown to be exceeded{more}"


def _rule(fairness: Fairness, judge: Rule) -> str:
    rule = fairness.rule
    text = (
        f"Groups with {judge.min_slice_rows:,} rows and {FEWEST} clusters are compared, the others "
        "are counted."
    )
    if not rule.limits:
        return f"{text} Without `fairness.limits` in params.yaml they are shown and stop nothing."
    inconclusive = "stops" if rule.on_inconclusive == "stop" else "does not stop"
    return (
        f"{text} A change is stopped if a disparity is shown to be beyond its limit: with all of "
        f"them within, that happens with a probability of {judge.alpha:.1%} at most (all pairs of "
        f"groups, limits and attributes together). An inconclusive one {inconclusive} it."
    )


def _gaps(fairness: Fairness) -> Table:
    rows = [
        [
            quote(part.attribute),
            DISPARITIES[gap.name].label,
            _shown(gap, gap.champion),
            _shown(gap, gap.value),
            _interval(gap),
            NO_VALUE if gap.limit is None else f"{gap.limit:g}",
            f"{quote(gap.smallest)}, {quote(gap.largest)}" if gap.largest else "",
            f"**{gap.verdict}**" if gap.verdict == "beyond" else gap.verdict,
        ]
        for part in fairness.attributes
        for gap in part.gaps
    ]
    head = ["", "disparity", "champion", "this change", "interval", "limit", "between", ""]
    return Table(head, rows, frozenset({2, 3, 4, 5}))


def _shown(gap: Gap, value: float | None) -> str:
    return NO_VALUE if value is None else DISPARITIES[gap.name].shown(value)


def _interval(gap: Gap) -> str:
    if gap.low is None or gap.high is None:
        return NO_VALUE
    return f"{_shown(gap, gap.low)} … {_shown(gap, gap.high)}"


def _groups(part: ProtectedGroups, report: Judgement, limit: int) -> list[Block]:
    rates = _rates(part, report)[:RATES_SHOWN]
    rows = [
        [
            quote(row.group),
            f"{row.rows:,}",
            *(_rate(row.rates.get(rate.key), rate) for rate in rates),
        ]
        for row in part.groups[:limit]
    ]
    head = [quote(part.attribute), "rows", *(quote_text(rate.label) for rate in rates)]
    blocks: list[Block] = [Table(head, rows, frozenset(range(1, len(head))))]
    if part.small:
        names = list(part.small)
        shown = ", ".join(f"{quote(name)} ({part.small[name]:,})" for name in names[:NAMED])
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        blocks.append(f"Too few rows or clusters to be compared: {shown}{more}.")
    measured = [row for row in part.groups if rates and rates[0].key in row.rates][:BARS]
    if measured:
        label = rates[0].label
        bars = [row.rates[rates[0].key].value for row in measured]
        title = f"{label[:1].upper()}{label[1:]} by {part.attribute}"
        blocks.append(Chart(title, [row.group for row in measured], label, bars=bars))
    return blocks


def _rates(part: ProtectedGroups, report: Judgement) -> list[Rate]:
    """Return the rates that the groups have; the names of classes are in their keys."""
    keys = list(dict.fromkeys(key for row in part.groups for key in row.rates))
    classes = [key[len("selection_rate[") : -1] for key in keys if key.endswith("]")]
    known = [rate for each in rates_of(report.task, classes).values() for rate in each]
    return [rate for rate in known if rate.key in keys]


def _rate(found: GroupRate | None, rate: Rate) -> str:
    if found is None:
        return NO_VALUE
    low, high = rate.shown(found.low), rate.shown(found.high)
    return f"{rate.shown(found.value)} ({low} … {high}){'' if found.is_tested else ' too few'}"
