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
from slipway.comparison.report import (
    BestChampion,
    Difference,
    Judgement,
    MetricRow,
    SliceMetric,
)
from slipway.errors import Refused, SlipwayError
from slipway.metrics import paired
from slipway.metrics.registry import METRICS

# A real report has some 30,000 characters.
LARGEST = 5_000_000

TOLERANCE = 1e-9

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
    if not _close(holdout.reliability, verdict.reliability(rule, holdout.uses)):
        yield "`reliability` does not follow from `uses`"
    if compared:
        yield from _in_metrics(report)
        yield from _in_best_champion(report)
        yield from _in_slices(report)
        yield from _in_changed_decisions(report)
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
    if names != list(METRICS):
        yield f"the metrics are {names}"
        return
    for row in report.metrics:
        yield from _in_difference(row.name, row, report.rule.alpha)
        yield from _in_metric(row, report)


def _in_metric(row: MetricRow, report: Judgement) -> Iterator[str]:
    rule, name = report.rule, row.name
    if row.difference.rows > report.holdout.rows:
        yield f"{name}: more rows than the holdout has"
    if row.margin != rule.margins[name]:
        yield f"{name}: the margin is not that of the rule"
    better = verdict.alpha_better(rule, report.holdout.uses)
    derived = verdict.classify(name, row.difference, row.margin, rule.alpha, better)
    if row.verdict != derived:
        yield f"{name}: its verdict is {row.verdict!r}; from its numbers follows {derived!r}"
    needed = None
    if derived == "inconclusive" and not row.difference.insufficient_reason:
        needed = verdict.rows_needed(name, row.difference, row.margin, rule.alpha)
    if row.rows_needed != needed:
        yield f"{name}: `rows_needed` does not follow from its numbers"


def _in_best_champion(report: Judgement) -> Iterator[str]:
    best, rule = report.best_champion, report.rule
    if best is None:
        return
    yield from _in_difference("best champion", best, rule.alpha)
    derived = verdict.non_inferiority(best.difference, rule)
    if best.verdict != derived:
        yield (
            f"best champion: the verdict is {best.verdict!r}; from the numbers follows {derived!r}"
        )


def _in_slices(report: Judgement) -> Iterator[str]:
    slices, rule = report.slices, report.rule
    for row in slices.rows:
        for entry in row.measured.values():
            yield from _in_difference(row.name, entry, rule.alpha)
        if row.rows < rule.min_slice_rows or row.rows > report.holdout.rows:
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


def _in_changed_decisions(report: Judgement) -> Iterator[str]:
    changed = report.changed_decisions
    if changed is None:
        yield "it has no changed decisions"
        return
    up, down = changed.to_positive, changed.to_negative
    both = up.count + down.count
    right = up.positives + down.count - down.positives
    if (both, right, both - right) != (changed.count, changed.now_right, changed.now_wrong):
        yield "the changed decisions do not add up"
    if not _close(changed.share, changed.count / report.holdout.rows):
        yield "the share of changed decisions does not follow from their count"


def _in_difference(
    name: str, entry: MetricRow | BestChampion | SliceMetric, alpha: float
) -> Iterator[str]:
    """Yield contradictions in a difference, which follows from both values and its error."""
    found = entry.difference
    if entry.champion is None or entry.challenger is None:
        if not found.insufficient_reason:
            yield f"{name}: a difference without two values"
        return
    derived = paired.difference(
        entry.champion, entry.challenger, found.se, found.rows, 1 - 2 * alpha
    )
    for field, value in _numbers(found).items():
        if not _close(value, getattr(derived, field)):
            yield f"{name}: `{field}` does not follow from the two values and their error"


def _numbers(difference: Difference) -> dict[str, float]:
    return difference.model_dump(include={"value", "low", "high", "p_up", "p_down"})


def _close(first: float, second: float) -> bool:
    return isclose(first, second, rel_tol=1e-6, abs_tol=TOLERANCE)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a finite number")
