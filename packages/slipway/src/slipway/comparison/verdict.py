"""From intervals to verdicts, and from verdicts to whether the change may be merged.

These functions read only what the report holds, so `slipway.reports.check` derives the same
verdict from a report alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from slipway.comparison.report import (
    Difference,
    Fairness,
    Gap,
    Judgement,
    MetricRow,
    Rule,
    SliceRow,
    Stop,
    StopCode,
    Verdict,
)
from slipway.metrics import paired
from slipway.metrics.clusters import Spread
from slipway.metrics.inference import MOST_CLUSTERS, clusters_needed
from slipway.metrics.registry import ALL

# A lock that was checked and is not that of the inputs.
BROKEN_LOCKS = ("different", "stale")

AnyDifference = Difference | paired.Difference


class Oriented(NamedTuple):
    """A difference turned so that positive is a gain: its interval and one-sided p-values."""

    low: float
    high: float
    p_gain: float
    p_loss: float


def oriented_interval(metric: str, difference: AnyDifference) -> Oriented:
    """Return a difference as a gain, whichever way the metric points."""
    low, high = difference.low, difference.high
    up, down = difference.p_up, difference.p_down
    if ALL[metric].higher_is_better:
        return Oriented(low, high, up, down)
    return Oriented(-high, -low, down, up)


def classify(
    metric: str, difference: AnyDifference, margin: float, alpha: float, alpha_better: float
) -> Verdict:
    """Return the verdict on one metric.

    Parameters
    ----------
    difference
        Challenger less champion.
    margin
        The loss that does not matter.
    alpha, alpha_better
        Levels of the one-sided tests: of a loss, and of a gain.

    Notes
    -----
    *better*: the p-value of a gain is below `alpha_better`. *not worse*: any loss is within the
    margin. *worse*: there is a loss, and it is not shown to be within the margin. Otherwise it is
    *inconclusive*.
    """
    if difference.insufficient_reason:
        return "inconclusive"
    gain = oriented_interval(metric, difference)
    if gain.p_gain < alpha_better:
        return "better"
    if gain.low >= -margin:
        return "not worse"
    return "worse" if gain.p_loss <= alpha and gain.high < 0 else "inconclusive"


def non_inferiority(difference: AnyDifference, rule: Rule) -> Verdict:
    """Return the verdict on the primary metric, which here is never *better*."""
    return classify(rule.primary, difference, rule.margins[rule.primary], rule.alpha, 0.0)


def is_slice_regression(
    metric: str, difference: AnyDifference, p_adjusted: float, rule: Rule
) -> bool:
    """Return whether a slice is worse: after correction, and not shown to be within the margin."""
    gain = oriented_interval(metric, difference)
    return p_adjusted <= rule.alpha and gain.low < -rule.margins[metric]


def is_worse(row: SliceRow, rule: Rule) -> bool:
    """Return whether a slice shows a regression, in any metric."""
    return any(
        is_slice_regression(metric, entry.difference, entry.p_adjusted, rule)
        for metric, entry in row.measured.items()
    )


def classify_gap(gap: Gap, alpha: float) -> Literal["within", "beyond", "inconclusive", "no limit"]:
    """Return the verdict on a disparity between groups.

    Notes
    -----
    *beyond*: it is shown to be beyond its limit, after correction for all limits and attributes.
    *within*: it is shown to be within it. Otherwise it is *inconclusive*.
    """
    if gap.limit is None:
        return "no limit"
    if gap.p_adjusted <= alpha:
        return "beyond"
    return "within" if gap.p_within <= alpha else "inconclusive"


def needed(
    metric: str,
    difference: AnyDifference,
    margin: float,
    alpha: float,
    verdict: Verdict,
) -> int | None:
    """Return how many clusters decide with power 0.8 if the estimated difference is true.

    The number of rows if they are independent. With two ways, that of the coarsest if the other
    one grows in proportion. None if it is decided, if the numbers must not decide, or if no number
    would: a loss of exactly the margin.
    """
    if verdict != "inconclusive" or difference.insufficient_reason:
        return None
    gain = oriented_interval(metric, difference)
    middle = (gain.low + gain.high) / 2
    effects = [middle + margin] if middle > -margin else []
    effects += [-middle] if middle < 0 else []
    found = min((_needed(effect, difference, alpha) for effect in effects if effect), default=None)
    return found if found is None or found <= MOST_CLUSTERS else None


def _needed(effect: float, difference: AnyDifference, alpha: float) -> int:
    if difference.dof is None:  # a report of version 1 or 2
        return paired.rows_to_see(effect, difference.se, difference.rows, alpha)
    spread = Spread(difference.se, difference.dof)
    return clusters_needed(effect, spread, difference.clusters, alpha)


def alpha_better(rule: Rule, uses: int) -> float:
    """Return the level for *better* at the `uses`-th judgement on a holdout.

    Each use of the budget gets the same part of alpha, so that all of them together are
    wrong with probability alpha at most; beyond the budget nothing is left (ease.ml/ci, Renggli
    et al. 2019). This assumes changes that do not depend on earlier reports: tuning on the
    report's numbers uses the holdout up faster than this count.
    """
    return rule.alpha / rule.budget if uses <= rule.budget else 0.0


def reliability(rule: Rule, uses: int) -> float:
    """Return a lower bound on the probability that no *better* on this holdout was by chance."""
    return 1 - rule.alpha * min(uses / rule.budget, 1 / rule.alpha)


def decide(report: Judgement) -> tuple[Verdict, bool, list[Stop]]:
    """Return the verdict, whether the change may be merged, and each thing that stops it."""
    regressions = list(_regressions(report))
    verdict = _overall(report, bool(regressions))
    rule, stops = report.rule, list(regressions)
    if report.replaces_starter:
        pass  # there is nothing to compare with; the baselines and all other stops remain
    elif verdict == "inconclusive" and rule.on_inconclusive == "stop":
        stops.append(_stop("inconclusive", rule.primary))
    elif rule.require == "better" and verdict != "better" and not regressions:
        stops.append(_stop("not better", rule.primary))
    stops += _other_stops(report)
    return verdict, not stops, stops


def _overall(report: Judgement, has_regression: bool) -> Verdict:
    if report.incomparable:
        return "inconclusive"
    if has_regression:
        return "worse"
    primary, best = report.primary.verdict, report.best_champion
    if primary == "not worse" and best and best.verdict == "inconclusive":
        return "inconclusive"
    if primary in ("better", "not worse") and newest_contradicts(report):
        return "inconclusive"
    return primary


def newest_contradicts(report: Judgement) -> bool:
    """Return whether the holdout alone leaves a verdict on all periods open.

    If data and procedure differ, the holdout must decide too. Else it must not show a loss where
    the periods show none that matters.
    """
    rule = report.rule
    own = next((row for row in report.newest if row.name == rule.primary), None)
    if own is None:
        return False
    if report.newest_must_pass:
        return own.verdict == "inconclusive"
    if report.primary.verdict == own.verdict == "not worse":
        return False  # it shows that a loss is within the margin
    loss = oriented_interval(own.name, own.difference).p_loss <= rule.alpha
    return loss and not own.difference.insufficient_reason


def _regressions(report: Judgement) -> Iterator[Stop]:
    if report.incomparable:
        return
    primary, best = report.primary, report.best_champion
    if primary.verdict == "worse":
        yield _stop("worse", primary.name)
    elif best and best.verdict == "worse" and primary.verdict != "better":
        yield _stop("worse than the best", primary.name)
    guards = {name for name in report.rule.guards if name != primary.name}
    yield from (_stop("guard", name) for name in _worse(report.metrics) if name in guards)
    if report.newest_must_pass:
        yield from (_stop("newest", name) for name in _worse(report.newest))
    names = [row.name for row in report.slice_rows if row.verdict == "worse" and not row.accepted]
    yield from (_stop("slice", name) for name in dict.fromkeys(names))


def _worse(metrics: list[MetricRow]) -> list[str]:
    return [row.name for row in metrics if row.verdict == "worse"]


def _other_stops(report: Judgement) -> Iterator[Stop]:
    for behaviour in report.behaviours:
        if not behaviour.holds:
            yield _stop("behaviour", behaviour.name)
    for name, cost in report.cost.entries().items():
        if cost.challenger > cost.limit:
            yield _stop("cost", name)
    yield from _fairness_stops(report.fairness)
    if report.lock in BROKEN_LOCKS:
        yield _stop("lock", report.lock)
    for name in report.holdout.tampered:
        yield _stop("record", name)


def _fairness_stops(fairness: Fairness | None) -> Iterator[Stop]:
    if fairness is None:
        return
    for attribute, gap in fairness.limited():
        about = f"{attribute}: {gap.name}"
        if gap.verdict == "beyond":
            yield _stop("unfair", about)
        elif gap.verdict == "inconclusive" and fairness.rule.on_inconclusive == "stop":
            yield _stop("fairness inconclusive", about)


def _stop(code: StopCode, about: str) -> Stop:
    return Stop(code=code, about=about)
