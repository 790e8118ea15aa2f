"""The verdict, its reasons and what to do about them, as sentences."""

from __future__ import annotations

from slipway.comparison.report import Difference, Judgement, SliceRow, Stop
from slipway.comparison.verdict import newest_contradicts
from slipway.dataset.periods import called
from slipway.documents.document import Document
from slipway.documents.text import to_text
from slipway.metrics.clusters import DAY, ROW
from slipway.metrics.inference import t_quantile
from slipway.metrics.stats import quantile
from slipway.numbers import counted, plain, signed
from slipway.reports.reasons import NAMES, advice_on, newest_part, reason_of
from slipway.untrusted import quote

INCOMPARABLE = {
    "no champion": "the base commit has no model to compare with",
    "erased": "the champion no longer exists",
    "unreadable": "the champion cannot read these rows",
    "another target": "the champion predicts another target",
    "learned from the holdout": "the champion was trained on these rows",
    "replaces the starter": "the first model of this table: the champion is the starter, for",
}

STOPS_SHOWN = 8

# Than an interval of many independent rows.
MUCH_WIDER = 1.5


def tone(report: Judgement) -> str:
    """Return how the verdict is shown.

    ``good``; ``waiting`` if only a stale lock stops the change; ``open`` if the result is
    inconclusive and nothing else but a stale lock stops it; else ``bad``.
    """
    if report.may_merge:
        return "good"
    if report.waits_for_lock:
        return "waiting"
    return "open" if worst_stop(report).code == "inconclusive" else "bad"


def headline(report: Judgement) -> str:
    """Return the verdict in one line."""
    if tone(report) == "bad":
        return f"Not merged: {reason_of(report, worst_stop(report))}"
    verdict = _verdict(report)
    return f"{verdict}. dvc.lock has to be updated first" if report.waits_for_lock else verdict


def _verdict(report: Judgement) -> str:
    """Return the verdict on the model, which no other reason stops."""
    if report.replaces_starter:
        return "Replaces the starter: there is no model of this table to compare with"
    if report.verdict == "inconclusive":
        allowed = ". It may be merged anyway" if tone(report) != "open" else ""
        return f"Inconclusive: {why_inconclusive(report)}{allowed}"
    if report.verdict == "better":
        return "Better: this model may replace the one in production"
    before, after = report.champion, report.challenger
    if before is None or before.model != after.model:
        return "Not worse: this model may replace the one in production"
    if before.threshold != after.threshold and after.threshold is not None:
        return f"Not worse: the same model, with the threshold {after.threshold:g}"
    if before.manifest != after.manifest:
        return "Not worse: the same model, with another manifest"
    return "Not worse: it is the same model, byte for byte"


def summary(report: Judgement) -> str:
    """Return the verdict and its reasons as a few lines for a terminal."""
    lines = lead(report)
    lines += [f"- {reason}" for reason in more_stops(report)]
    lines += [f"→ {step}" for step in advice(report)]
    return to_text(Document(tone(report), headline(report), lines, [], []))


def worst_stop(report: Judgement) -> Stop:
    """Return the stop to name first.

    A stale lock comes last: with a new one, the other stops remain. One before it that is not
    merely inconclusive comes first.
    """
    stops = [stop for stop in report.stops if not stop.is_stale_lock] or report.stops
    return next((stop for stop in stops if stop.code != "inconclusive"), stops[0])


def more_stops(report: Judgement) -> list[str]:
    """Return what stops the change besides the stop that the headline names."""
    if tone(report) not in ("bad", "open"):
        return []
    first = worst_stop(report)
    others = [stop for stop in report.stops if stop is not first]
    # If the model is worse on all rows, its slices are too: they are in their section.
    shown = [stop for stop in others if not (stop.code == "slice" and first.code == "worse")]
    lines = [f"Also: {reason_of(report, stop)}." for stop in shown[:STOPS_SHOWN]]
    hidden = len(others) - len(lines)
    return [*lines, f"And {hidden} more, in the tables below."] if hidden else lines


def lead(report: Judgement) -> list[str]:
    """Return the evidence of the verdict, and the rows that it is from, as sentences."""
    if report.incomparable:
        reason = INCOMPARABLE[report.incomparable.code]
        sentence = f"{reason}: {quote(report.incomparable.detail, 200)}."
        return [sentence[:1].upper() + sentence[1:]]
    metric = report.primary
    moved = change_of(report, metric.name, metric.difference)
    lines = [f"On {rows_of(report)}, {moved}.{informative(report)} {_slices(report)}"]
    lines += _newest(report)
    best = report.best_champion
    if best is None or report.champion is None or best.model == report.champion.model:
        return lines
    if best.verdict != "not worse" and metric.verdict != "better":
        difference = interval(report, best.difference)
        lines.append(
            f"Against the best champion so far (`{best.model[:12]}`) the difference is "
            f"{difference}."
        )
    return lines


def rows_of(report: Judgement) -> str:
    """Return which rows were compared."""
    rows = f"{counted(report.rows, 'row')} ({months(report.months)})"
    if len(report.periods) < 2:
        return f"{rows} that neither model was trained on"
    by = f"models of {learned_before(report)} it"
    return f"{rows} in {len(report.periods)} {parts_of(report)}, each scored by {by}"


def parts_of(report: Judgement) -> str:
    """Return what the parts are called that models are compared on: a period may be many days."""
    return "folds" if report.days is None else "periods"


def learned_before(report: Judgement) -> str:
    """Return what the models of a period learned from, up to the name of the period."""
    if report.days is None:
        return "the training rows outside of"
    return f"the {called(report.months)} before"


def informative(report: Judgement) -> str:
    """Return how much the rows show, as rows that depend on each other show less."""
    found, unit = report.primary.difference, report.unit
    if unit == "row" or not found.effective_rows or not found.se:
        return ""
    on = (
        f"on {counted(found.clusters, 'day')}"
        if unit == DAY
        else f"of {found.clusters:,} {_units(unit)}"
    )
    about = round_to_two(min(found.effective_rows, found.rows))
    sentence = f" These rows, {on}, are as informative as about {about:,} independent rows."
    return sentence + _uncertain_error(report, found)


def _uncertain_error(report: Judgement, found: Difference) -> str:
    """Return that the error itself is hardly known, if that widens the interval much."""
    confidence = 1 - 2 * report.rule.alpha
    if found.dof is None or t_quantile(confidence, found.dof) < MUCH_WIDER * quantile(confidence):
        return ""
    freedom = "1 degree" if found.dof == 1 else f"{found.dof:.2g} degrees"
    return (
        f" Their error is known with {freedom} of freedom only, so the interval reaches "
        f"{t_quantile(confidence, found.dof):.1f} standard errors to each side."
    )


def _newest(report: Judgement) -> list[str]:
    """Return what the holdout alone shows, if that changes the verdict."""
    if not newest_contradicts(report) and not any(stop.code == "newest" for stop in report.stops):
        return []
    rows = [row for row in report.newest if row.verdict in ("worse", "inconclusive")]
    row = rows[0] if rows else report.newest[0]
    shown, newest = interval(report, row.difference), months(report.holdout.months)
    return [
        f"On {newest_part(report)} alone ({newest}) the difference in {NAMES[row.name]} is {shown}."
    ]


def change_of(report: Judgement, metric: str, difference: Difference) -> str:
    """Return by how much a metric changes, with its interval."""
    name = NAMES[metric]
    if difference.value == 0 and difference.se == 0:
        return f"{name} is the same for both"
    verb = "rises" if difference.value > 0 else "falls"
    low, high = sorted((abs(difference.low), abs(difference.high)))
    ends = f"{plain(low)} to {plain(high)}"
    if difference.low <= 0 <= difference.high:
        ends = f"{signed(difference.low)} to {signed(difference.high)}"
    return f"{name} {verb} by **{plain(abs(difference.value))}** ({level(report)} interval {ends})"


def why_inconclusive(report: Judgement) -> str:
    """Return why the verdict is inconclusive."""
    if report.incomparable:
        return INCOMPARABLE[report.incomparable.code]
    metric = report.primary
    if metric.verdict != "inconclusive":
        if newest_contradicts(report):
            return f"{newest_part(report)} alone does not confirm it"
        return "this model may be worse than the best champion so far"
    if metric.difference.insufficient_reason:
        return metric.difference.insufficient_reason
    if not metric.needed:
        return (
            f"the loss is as large as the margin: no number of {_units(report.unit)} decides that"
        )
    have = metric.difference.clusters or report.rows
    more = f"{round_up(max(metric.needed - have, 1)):,} more {_units(report.unit)}"
    others = [_units(name) for name in report.rule.clusters if name != report.unit]
    alike = f", with {others[0]} in proportion," if others else ""
    return f"about {more}{alike} would decide it"


def _units(unit: str) -> str:
    """Return what clusters are called, such as *days* or *values of `customer`*."""
    return {ROW: "rows", DAY: "days"}.get(unit, f"values of {quote(unit)}")


def advice(report: Judgement) -> list[str]:
    """Return what to do, one sentence for each kind of stop."""
    codes = {stop.code for stop in report.stops}
    # If the model is worse on all rows, guards and slices follow from that.
    implied = {"guard", "slice"} if "worse" in codes else set()
    steps: dict[str, str] = {}
    for stop in report.stops:
        too_early = stop.is_stale_lock and not report.waits_for_lock
        if stop.code not in implied and not too_early:
            steps.setdefault(stop.code, advice_on(report, stop))
    return list(steps.values())


def level(report: Judgement) -> str:
    return f"{100 * (1 - 2 * report.rule.alpha):g}%"


def interval(report: Judgement, difference: Difference) -> str:
    return (
        f"{signed(difference.value)} ({level(report)} interval "
        f"{signed(difference.low)} to {signed(difference.high)})"
    )


def months(names: list[str]) -> str:
    shown = names[:1] if len(names) < 2 else [names[0], names[-1]]
    return " to ".join(quote(name, 20) for name in shown)


def round_up(count: int) -> int:
    """Return a count rounded up to two significant digits."""
    step: int = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // step) * step


def round_to_two(count: float) -> int:
    """Return a count rounded to two significant digits."""
    return max(1, int(float(f"{count:.2g}")))


def _slices(report: Judgement) -> str:
    rows = report.slice_rows
    worse = [row for row in rows if row.verdict == "worse"]
    if not rows:
        return "No slice is large enough to be tested."
    if not worse:
        return "No slice is shown to get worse."
    accepted = sum(bool(row.accepted) for row in worse)
    verb = "gets" if len(worse) == 1 else "get"
    of_these = f", of which {accepted} accepted" if accepted else ""
    return (
        f"{len(worse)} of {counted(len(rows), 'slice')} {verb} worse{of_these}. "
        f"{_slice(report, min(worse, key=_smallest_p_value))}"
    )


def _slice(report: Judgement, row: SliceRow) -> str:
    metric, entry = min(row.measured.items(), key=lambda each: each[1].p_adjusted)
    change = change_of(report, metric, entry.difference).removesuffix(")")
    slices = report.slices if row in report.slices.rows else report.newest_slices
    p_value, tests = entry.p_adjusted, slices.tests
    shown = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"
    return (
        f"For {quote(row.name)} ({counted(row.rows, 'row')}) {change}; {shown} after correction "
        f"for {tests} tests)."
    )


def _smallest_p_value(row: SliceRow) -> float:
    return min(entry.p_adjusted for entry in row.measured.values())
