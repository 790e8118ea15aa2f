"""The protected groups of a comparison: rates and disparities of the challenger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from slipway.comparison import verdict
from slipway.comparison.report import Fairness, FairnessRule, Gap, ProtectedGroups, Rule
from slipway.fairness.measure import Attribute, Scope, measure
from slipway.metrics import paired
from slipway.metrics.groups import Groups
from slipway.metrics.registry import Predictions, Sample
from slipway.tasks import Task


def compare_groups(
    sample: Sample,
    champion: Predictions | None,
    challenger: Predictions,
    groups: Groups,
    rule: Rule,
    limits: FairnessRule,
    task: Task,
) -> Fairness | None:
    """Return the protected groups of some rows; None if there are none.

    Parameters
    ----------
    champion
        None if it has no predictions of these rows.
    groups
        The slices that are protected.
    """
    if not groups:
        return None
    scope = Scope(task.classes, rule.min_slice_rows, limits.limits, rule.options)
    found = measure(sample, challenger, groups, scope)
    before = measure(sample, champion, groups, scope) if champion else []
    parts = [ProtectedGroups.model_validate(asdict(each)) for each in found]
    parts = [_with_champion(part, before) for part in parts]
    return with_verdicts(Fairness(rule=limits, attributes=parts), rule.alpha)


def _with_champion(part: ProtectedGroups, before: Sequence[Attribute]) -> ProtectedGroups:
    values = {(each.attribute, gap.name): gap.value for each in before for gap in each.gaps}
    gaps = [
        gap.model_copy(update={"champion": values.get((part.attribute, gap.name))})
        for gap in part.gaps
    ]
    return part.model_copy(update={"gaps": gaps})


def with_verdicts(fairness: Fairness, alpha: float) -> Fairness:
    """Return the disparities with their corrected p-values and verdicts.

    Notes
    -----
    All limits of all attributes are corrected together (Holm): if every disparity is within its
    limit, the probability that any is called beyond is alpha at most.
    """
    limited = [gap for _, gap in fairness.limited()]
    adjusted = iter(paired.holm([gap.p_beyond for gap in limited]))

    def judged(gap: Gap) -> Gap:
        if gap.limit is None:
            return gap
        gap = gap.model_copy(update={"p_adjusted": next(adjusted)})
        return gap.model_copy(update={"verdict": verdict.classify_gap(gap, alpha)})

    parts = [
        part.model_copy(update={"gaps": [judged(gap) for gap in part.gaps]})
        for part in fairness.attributes
    ]
    return fairness.model_copy(update={"attributes": parts})
