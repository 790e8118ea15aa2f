"""Accept a report only if it is well formed and its verdict follows from its numbers.

A report from a pull request is a claim. Here each verdict is derived again from the numbers in
the report. Whether those numbers are true, only judging again can show.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from math import isclose
from pathlib import Path
from typing import NoReturn

from slipway.comparison import verdict
from slipway.comparison.compare import LEFT_OUT, newest_metrics
from slipway.comparison.fairness import with_verdicts
from slipway.comparison.report import (
    VERSION,
    BestChampion,
    Difference,
    Fairness,
    Gap,
    Judgement,
    MetricRow,
    ProtectedGroups,
    SliceMetric,
    Slices,
)
from slipway.comparison.starters import starters
from slipway.dataset.dependence import MOST_WAYS
from slipway.errors import Refused, SlipwayError
from slipway.fairness.registry import DISPARITIES, disparities_of
from slipway.metrics import paired
from slipway.metrics.clusters import DAY, FEWEST, ROW, Spread, ewc_dof
from slipway.metrics.inference import by_t
from slipway.metrics.influence import ENOUGH
from slipway.tasks.predictions import PREDICTIONS, Predictions

# A real report has some 30,000 characters.
LARGEST = 5_000_000

TOLERANCE = 1e-9

# Of rows without a period, and of an event time outside of the years that are read.
MOST_DAYS = 10**6

DO = "do not use this report; judge again with `slipway judge`"


def read_report(path: Path) -> dict[str, object]:
    """Return the content of a report, which is not checked yet.

    Raises
    ------
    SlipwayError
        The file is missing or is not JSON.
    Refused
        It is too large, or is not an object.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SlipwayError(f"{path}: not a file", "name the JSON that `slipway judge` wrote")
        if status.st_size > LARGEST:
            raise Refused(f"{path}: larger than {LARGEST:,} bytes", DO)
        report = json.loads(path.read_text("utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise SlipwayError(f"{path}: no such file", "make it with `slipway judge`") from None
    except (ValueError, RecursionError) as error:
        raise SlipwayError(f"{path}: not JSON ({error})", "make it with `slipway judge`") from None
    if not isinstance(report, dict):
        raise Refused(f"{path}: not a report", DO)
    return report


def check(report: Mapping[str, object]) -> Judgement:
    """Return a report of `slipway judge` whose verdict follows from its numbers.

    Raises
    ------
    Refused
        It is not such a report, or it contradicts itself; names the first contradiction.
    """
    found = Judgement.of(report)
    for contradiction in _contradictions(found):
        raise Refused(f"the report contradicts itself: {contradiction}", DO)
    return found


def _contradictions(report: Judgement) -> Iterator[str]:
    rule, holdout = report.rule, report.holdout
    compared = not report.incomparable
    if compared != bool(report.metrics and report.best_champion and report.champion):
        yield "it has a comparison exactly if the models can be compared"
        return
    if holdout.positives > holdout.rows:
        yield "more positives than rows"
    yield from _in_periods(report)
    if not _close(holdout.reliability, verdict.reliability(rule, holdout.uses)):
        yield "`reliability` does not follow from `uses`"
    if compared:
        yield from _in_metrics(report)
        yield from _in_best_champion(report)
        yield from _in_slices(report, report.slices, report.rows)
        yield from _in_slices(report, report.newest_slices, report.holdout.rows)
        yield from _in_changed_decisions(report)
    yield from _in_fairness(report)
    if report.replaces_starter and (
        report.champion is None or report.champion.model not in starters()
    ):
        yield "its champion is none of the models that Slipway comes with"
    for behaviour in report.behaviours:
        if behaviour.holds != (behaviour.share >= behaviour.at_least):
            yield f"behaviour {behaviour.name!r}: `holds` does not follow from its share"
    if (report.cost.row_ms.limit, report.cost.model_mb.limit) != (
        rule.max_row_ms,
        rule.max_model_mb,
    ):
        yield "the limits of `cost` are not those of the rule"
    derived = verdict.decide(report)
    if derived != (report.verdict, report.may_merge, report.stops):
        overall, _, stops = derived
        named = [f"{stop.code}: {stop.about}" for stop in stops]
        yield (
            f"its verdict is {report.verdict!r}; from its numbers follows {overall!r} "
            f"with the stops {named}"
        )


def _in_metrics(report: Judgement) -> Iterator[str]:
    names = [row.name for row in report.metrics]
    if names != report.metric_names:
        yield f"the metrics are {names}"
        return
    for row in report.metrics:
        yield from _in_metric(row, report, report.rows)
    expected = (
        newest_metrics(report.rule, must_pass=report.newest_must_pass)
        if len(report.periods) > 1
        else []
    )
    if [row.name for row in report.newest] != expected:
        yield "the metrics of the holdout alone are not those that must pass"
    for row in report.newest:
        yield from _in_metric(row, report, report.holdout.rows)


def _in_periods(report: Judgement) -> Iterator[str]:
    """Yield contradictions of the periods; reports of version 1 and 2 have none."""
    periods, holdout = report.periods, report.holdout
    if report.version < VERSION:
        yield from _too_new(report)
    elif bool(periods) != bool(report.metrics):
        yield "it has periods exactly if the models can be compared"
    elif periods:
        same = ("keys_sha256", "rows", "positives", "months")
        if any(getattr(periods[-1], field) != getattr(holdout, field) for field in same):
            yield "the last period is not the holdout"
        if holdout.uses != max(period.uses for period in periods):
            yield "`uses` is not the most of its periods"
        if len({period.keys_sha256 for period in periods}) < len(periods):
            yield "two periods have the same rows"
        if any(period.positives > period.rows for period in periods):
            yield "a period has more positives than rows"
        yield from _in_time(report)
        yield from _in_rule(report)


def _too_new(report: Judgement) -> Iterator[str]:
    """Yield what a report of version 1 or 2 cannot have."""
    found = [row.difference for row in report.metrics]
    found += [entry.difference for row in report.slices.rows for entry in row.measured.values()]
    found += [report.best_champion.difference] if report.best_champion else []
    if any(each.dof is not None or each.clusters or each.effective_rows for each in found):
        yield f"version {report.version} has degrees of freedom or clusters"
    if report.periods or report.newest or report.newest_slices.rows or report.rule.clusters:
        yield f"version {report.version} has periods or clusters"
    if any(note.code != "own rule" for note in report.notes):
        yield f"version {report.version} has notes of a later one"


def _in_time(report: Judgement) -> Iterator[str]:
    """Yield contradictions of the periods, each of which is learned before it is scored."""
    scored = report.months
    if scored != sorted(set(scored)):
        yield "a period is scored twice, or not in the sequence of time"
    for period in report.periods:
        if not period.learned or set(period.learned) & {*period.months, *report.holdout.months}:
            yield f"{period.months[0]}: scored, and also learned, or learned with the holdout"
        elif report.days is not None and period.learned[-1] >= period.months[0]:
            yield f"{period.months[0]}: scored, and not after the periods that were learned"
    if report.periods[-1].learned != report.challenger.train.months:
        yield "the last period is not that of the challenger's model"


def _in_rule(report: Judgement) -> Iterator[str]:
    rule, count = report.rule, len(report.periods)
    data_alone = report.data and not report.data.same and not report.changes.procedure
    if count > rule.origins:
        yield "it has more periods than the rule has origins"
    if count > 1 and (data_alone or (not rule.clusters and report.days is not None)):
        yield "it has several periods where one decides"
    if report.unit not in (rule.clusters or [ROW]):
        yield f"{report.unit!r} is not a cluster of the rule"
    if len(set(rule.clusters)) < len(rule.clusters) or len(rule.clusters) > MOST_WAYS:
        yield f"the clusters of the rule are {rule.clusters}"
    expected = report.newest_must_pass and count > 1
    if report.newest_slices.rows and not expected:
        yield "it has slices of the holdout alone"


def _in_metric(row: MetricRow, report: Judgement, most_rows: int) -> Iterator[str]:
    rule, name = report.rule, row.name
    yield from _in_difference(name, row, report)
    yield from _in_reason(row, report, newest=row in report.newest)
    if row.difference.rows > most_rows:
        yield f"{name}: more rows than were compared"
    if row.margin != rule.margins[name]:
        yield f"{name}: the margin is not that of the rule"
    better = verdict.alpha_better(rule, report.holdout.uses)
    derived = verdict.classify(name, row.difference, row.margin, rule.alpha, better)
    if row.verdict != derived:
        yield f"{name}: its verdict is {row.verdict!r}; from its numbers follows {derived!r}"
    needed = verdict.needed(name, row.difference, row.margin, rule.alpha, derived)
    if row.needed != needed:
        yield f"{name}: `needed` does not follow from its numbers"


def _in_best_champion(report: Judgement) -> Iterator[str]:
    best, rule = report.best_champion, report.rule
    if best is None:
        return
    yield from _in_difference("best champion", best, report)
    is_champion = report.champion and best.model == report.champion.model
    if is_champion and best.difference != report.primary.difference:
        yield "best champion: it is the champion, with other numbers"
    derived = verdict.non_inferiority(best.difference, rule)
    if best.verdict != derived:
        yield (
            f"best champion: the verdict is {best.verdict!r}; from the numbers follows {derived!r}"
        )


def _in_slices(report: Judgement, slices: Slices, most_rows: int) -> Iterator[str]:
    rule = report.rule
    for row in slices.rows:
        for entry in row.measured.values():
            yield from _in_difference(row.name, entry, report)
        if row.rows < rule.min_slice_rows or row.rows > most_rows:
            yield f"{row.name}: {row.rows} rows"
        if (row.verdict == "worse") != verdict.is_worse(row, rule):
            yield f"{row.name}: its verdict does not follow from its numbers"
        if row.accepted and row.verdict != "worse":
            yield f"{row.name}: accepted, and not worse"
    tests = [(row, *test) for row in slices.rows for test in row.measured.items()]
    losses = [
        verdict.oriented_interval(metric, entry.difference).p_loss for _, metric, entry in tests
    ]
    for (row, _, entry), adjusted in zip(tests, paired.holm(losses), strict=True):
        if not _close(entry.p_adjusted, adjusted):
            yield f"{row.name}: the corrected p-value is not that of Holm's method"
    if slices.tests != len(tests):
        yield "`tests` is not the number of tests on slices"


def _in_fairness(report: Judgement) -> Iterator[str]:
    fairness = report.fairness
    if fairness is None:
        return
    alpha, possible = report.rule.alpha, [each.key for each in disparities_of(report.task)]
    for part in fairness.attributes:
        if [gap.name for gap in part.gaps] != possible:
            yield f"{part.attribute}: its disparities are not those of the task"
        for row in part.groups:
            if not report.rule.min_slice_rows <= row.rows <= report.rows:
                yield f"{part.attribute}={row.group}: {row.rows} rows"
        for gap in part.gaps:
            yield from _in_gap(gap, part, fairness)
    derived = with_verdicts(fairness, alpha).limited()
    for (attribute, gap), (_, follows) in zip(fairness.limited(), derived, strict=True):
        if not _close(gap.p_adjusted, follows.p_adjusted) or gap.verdict != follows.verdict:
            yield f"{attribute}: the verdict on {gap.name} does not follow from its numbers"


def _in_gap(gap: Gap, part: ProtectedGroups, fairness: Fairness) -> Iterator[str]:
    """Yield contradictions between a disparity, its limit and the rates of its groups."""
    name = f"{part.attribute}: {gap.name}"
    if gap.limit != fairness.rule.limits.get(gap.name):
        yield f"{name}: its limit is not that of the rule"
    if gap.limit is None and (gap.verdict, gap.p_adjusted) != ("no limit", 1):
        yield f"{name}: a verdict without a limit"
    if gap.value is None:
        if gap.p_beyond < 1 or gap.p_within < 1:
            yield f"{name}: a test without a value"
        return
    rates = {row.group: row.rates.get(gap.rate) for row in part.groups}
    small, large = rates.get(gap.smallest), rates.get(gap.largest)
    if not small or not large or not (small.is_tested and large.is_tested):
        yield f"{name}: its groups have no such rates"
        return
    is_ratio = DISPARITIES[gap.name].is_ratio
    value = small.value / large.value if is_ratio and large.value else large.value - small.value
    if not _close(gap.value, value):
        yield f"{name}: its value does not follow from the rates of its groups"
    if gap.low is None or gap.high is None or not gap.low <= gap.value <= gap.high:
        yield f"{name}: its value is not within its interval"


def _in_changed_decisions(report: Judgement) -> Iterator[str]:
    changed, kind = report.changed_decisions, PREDICTIONS[report.task]
    if changed is None:
        if kind.has_decisions:
            yield "it has no changed decisions"
        return
    if not kind.has_decisions:
        yield f"a {report.task} model has no decisions that change"
    up, down = changed.to_positive, changed.to_negative
    if bool(up and down) != (report.task == Predictions.task):
        yield "the changed decisions have no direction, or one that its task has not"
    if up and down:
        both = up.count + down.count
        right = up.positives + down.count - down.positives
        if (both, right, both - right) != (changed.count, changed.now_right, changed.now_wrong):
            yield "the changed decisions do not add up"
    elif changed.now_right + changed.now_wrong > changed.count:
        yield "the changed decisions do not add up"
    if not _close(changed.share, changed.count / report.holdout.rows):
        yield "the share of changed decisions does not follow from their count"


def _in_difference(
    name: str, entry: MetricRow | BestChampion | SliceMetric, report: Judgement
) -> Iterator[str]:
    """Yield contradictions in a difference, which follows from both values and its error."""
    found = entry.difference
    if report.version == VERSION:
        yield from _in_clusters(name, found, report)
    if entry.champion is None or entry.challenger is None:
        if not found.insufficient_reason:
            yield f"{name}: a difference without two values"
        return
    confidence, values = 1 - 2 * report.rule.alpha, (entry.champion, entry.challenger)
    if found.dof is None:
        derived = paired.difference(*values, found.se, found.rows, confidence)
    else:
        derived = by_t(*values, Spread(found.se, found.dof), found.rows, confidence)
    for field, value in _numbers(found).items():
        if not _close(value, getattr(derived, field)):
            yield f"{name}: `{field}` does not follow from the two values and their error"


def _in_reason(row: MetricRow, report: Judgement, *, newest: bool) -> Iterator[str]:
    """Yield a reason not to decide that does not follow from the counts of the report."""
    found, reason = row.difference, row.difference.insufficient_reason
    if report.version < VERSION or not reason:
        return
    periods = [report.periods[-1]] if newest else report.periods
    rows, positives = (
        sum(getattr(period, field) for period in periods) for field in ("rows", "positives")
    )
    enough = {
        "rows": rows,
        "positive rows": positives,
        "rows of a class": min(positives, rows - positives),
    }
    few, _, what = reason.removeprefix("fewer than ").partition(" ")
    if reason.endswith(f"and {FEWEST} are needed"):
        follows = found.clusters < FEWEST and reason.startswith(f"{found.clusters} ")
    elif reason == LEFT_OUT:
        follows = found.rows < rows
    elif reason.startswith("fewer than "):
        # Of those called positive the report has no count.
        follows = few.isdigit() and (
            what == "rows called positive" or enough.get(what, rows) < ENOUGH
        )
    else:
        follows = reason == "one cluster of rows" and found.clusters < 2
    if not follows:
        yield f"{row.name}: its reason not to decide, {reason!r}, does not follow from its counts"


def _in_clusters(name: str, found: Difference, report: Judgement) -> Iterator[str]:
    """Yield contradictions between a difference and the clusters that it is computed from."""
    if found.insufficient_reason and found.dof is None:
        return  # nothing was measured
    days = found.clusters if report.rule.clusters == [DAY] else MOST_DAYS
    # A month of one time zone has one day more at each end in another.
    most_days = min(days, MOST_DAYS if report.days is None else report.days + 2)
    if found.dof is None:
        yield f"{name}: no degrees of freedom"
    elif not 1 <= found.clusters <= found.rows or found.dof > max(found.rows - 1, 1):
        yield f"{name}: more clusters or degrees of freedom than rows"
    elif report.unit != ROW and found.dof > max(found.clusters - 1, 1):
        yield f"{name}: more degrees of freedom than clusters"
    elif DAY in report.rule.clusters and found.dof > ewc_dof(most_days):
        yield f"{name}: more degrees of freedom than its days allow"
    elif report.rule.clusters == [DAY] and found.clusters > most_days:
        yield f"{name}: more days than its periods have"
    elif report.unit != ROW and found.clusters < FEWEST and not found.insufficient_reason:
        yield f"{name}: {found.clusters} clusters must not decide"


def _numbers(difference: Difference) -> dict[str, float]:
    return difference.model_dump(include={"value", "low", "high", "p_up", "p_down"})


def _close(first: float, second: float) -> bool:
    return isclose(first, second, rel_tol=1e-6, abs_tol=TOLERANCE)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a finite number")
