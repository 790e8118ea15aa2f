"""The report of a comparison, from measurements. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from slipway.comparison import compare, verdict
from slipway.comparison.compare import Compared, ScoredBest, ScoredModel
from slipway.comparison.fairness import compare_groups
from slipway.comparison.report import (
    VERSION,
    Behaviour,
    BestChampion,
    Changes,
    Cost,
    CostCurve,
    DataChanges,
    Fairness,
    FairnessRule,
    Holdout,
    Importance,
    Incomparable,
    Judgement,
    LockStatus,
    ModelEntry,
    Note,
    Period,
    Rule,
    Slices,
    Training,
)
from slipway.comparison.slices import slice_table

# Verdicts against the best champions, the one that stops a change first.
HARDEST = ("worse", "inconclusive", "not worse")

NO_SLICES = Slices(tests=0, small=0, rows=[])


@dataclass(frozen=True)
class Findings:
    """The parts of the report that do not follow from the scores.

    Parameters
    ----------
    unavailable
        Why some of the best champions so far could not be scored; empty if all were.
    """

    holdout: Holdout
    behaviours: list[Behaviour]
    cost: Cost
    permutation_importance: list[Importance]
    data: DataChanges | None
    changes: Changes
    lock: LockStatus
    periods: list[Period] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    cost_curve: CostCurve | None = None
    incomparable: Incomparable | None = None
    unavailable: str = ""


@dataclass(frozen=True)
class Protection:
    """The slices that are protected, and the rule of the base commit."""

    slices: Sequence[str] = ()
    rule: FairnessRule = field(default_factory=FairnessRule)


def judge(
    compared: Compared,
    champion: ScoredModel | None,
    challenger: ScoredModel,
    rule: Rule,
    findings: Findings,
    *,
    best_champions: Sequence[ScoredBest] = (),
    accepted: Mapping[str, str] | None = None,
    protection: Protection | None = None,
) -> Judgement:
    """Return the report, ``report.json``: all numbers, the verdict, and each stop.

    Parameters
    ----------
    champion
        None if there is no champion.
    best_champions
        Models that may be the best champion so far, besides the champion.
    accepted
        Slices that may get worse, as ``name=value``, and the reason given.
    protection
        None if no groups are protected.
    """
    is_compared = bool(champion and not findings.incomparable)
    report = Judgement(
        version=VERSION,
        verdict="inconclusive",
        may_merge=False,
        stops=[],
        rule=rule,
        holdout=findings.holdout,
        champion=_entry(champion) if champion else None,
        challenger=_entry(challenger),
        incomparable=findings.incomparable,
        periods=findings.periods,
        unit=compared.rolling.sample.clusters.unit,
        metrics=[],
        newest=[],
        best_champion=None,
        slices=NO_SLICES,
        fairness=_fairness(
            compared, champion if is_compared else None, challenger, rule, protection
        ),
        newest_slices=NO_SLICES,
        changed_decisions=None,
        behaviours=findings.behaviours,
        cost=findings.cost,
        permutation_importance=findings.permutation_importance,
        data=findings.data,
        changes=findings.changes,
        lock=findings.lock,
        notes=findings.notes,
        cost_curve=findings.cost_curve,
        curves=None,
        task=challenger.task.name,
    )
    if champion and is_compared:
        report = _compare(report, compared, champion, challenger, accepted or {})
        best = _best_champion(report, compared, champion, challenger, best_champions)
        best = best.model_copy(update={"unavailable": findings.unavailable})
        report = report.model_copy(update={"best_champion": best})
    return with_verdict(report)


def _fairness(
    compared: Compared,
    champion: ScoredModel | None,
    challenger: ScoredModel,
    rule: Rule,
    protection: Protection | None,
) -> Fairness | None:
    """Return the protected groups, also of a challenger that has no champion."""
    if protection is None:
        return None
    rows = compared.rolling
    return compare_groups(
        rows.sample,
        champion.predictions if champion else None,
        challenger.predictions,
        {name: rows.groups[name] for name in protection.slices},
        rule,
        protection.rule,
        challenger.task,
    )


def with_verdict(report: Judgement) -> Judgement:
    """Return the report with the verdict that follows from its numbers."""
    overall, may_merge, stops = verdict.decide(report)
    return report.model_copy(update={"verdict": overall, "may_merge": may_merge, "stops": stops})


def _compare(
    report: Judgement,
    compared: Compared,
    champion: ScoredModel,
    challenger: ScoredModel,
    accepted: Mapping[str, str],
) -> Judgement:
    rule, uses = report.rule, report.holdout.uses
    models, newest = (
        (champion.predictions, challenger.predictions),
        (champion.newest, challenger.newest),
    )
    sample, groups = compared.rolling.sample, compared.rolling.groups
    alone = compared.newest.sample
    names = compare.newest_metrics(rule, must_pass=report.newest_must_pass)
    return report.model_copy(
        update={
            "metrics": compare.metric_table(sample, *models, rule, uses),
            "newest": compare.metric_table(alone, *newest, rule, uses, names)
            if compared.has_periods
            else [],
            "slices": slice_table(sample, *models, groups, rule, accepted),
            "newest_slices": slice_table(alone, *newest, compared.newest.groups, rule, accepted)
            if compared.has_periods and report.newest_must_pass
            else NO_SLICES,
            "changed_decisions": compare.changed_decisions(compared.newest, *newest)
            if challenger.newest.has_decisions
            else None,
            "curves": compare.curves(alone, *newest, rule.bins),
        }
    )


def _best_champion(
    report: Judgement,
    compared: Compared,
    champion: ScoredModel,
    challenger: ScoredModel,
    best_champions: Sequence[ScoredBest],
) -> BestChampion:
    """Return the comparison with the best champion so far: of several, the hardest to match."""
    rule, primary, sample = report.rule, report.primary, compared.rolling.sample
    entries = []
    for best in best_champions:
        shared, rows = sample.keep([sample.periods[number] for number in best.periods])
        ours = challenger.predictions.take(rows)
        entries.append(compare.against_best(shared, best.model, best.predictions, ours, rule))
    if entries:
        return min(
            entries,
            key=lambda entry: (
                HARDEST.index(entry.verdict),
                verdict.oriented_interval(rule.primary, entry.difference).low,
            ),
        )
    return BestChampion(
        model=champion.sha256,
        commit=champion.commit,
        champion=primary.champion,
        challenger=primary.challenger,
        difference=primary.difference,
        verdict=verdict.non_inferiority(primary.difference, rule),
        unavailable="",
    )


def _entry(model: ScoredModel) -> ModelEntry:
    training = model.manifest["train"]
    return ModelEntry(
        commit=model.commit,
        model=model.sha256,
        manifest=model.manifest_sha256,
        recorded=model.recorded,
        data=model.manifest["data"]["md5"],
        threshold=model.threshold,
        train=Training(
            months=training["months"],
            rows=training["rows"],
            positives=training.get("positives", 0),
        ),
        origin=model.origin,
    )
