"""The report of a comparison, from measurements. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from slipway.comparison import compare, verdict
from slipway.comparison.compare import ScoredModel
from slipway.comparison.report import (
    VERSION,
    Behaviour,
    BestChampion,
    Changes,
    Cost,
    DataChanges,
    Holdout,
    Importance,
    Incomparable,
    Judgement,
    LockStatus,
    ModelEntry,
    Note,
    Rule,
    Slices,
    Training,
)
from slipway.comparison.slices import Groups, slice_table


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
    notes: list[Note] = field(default_factory=list)
    incomparable: Incomparable | None = None
    unavailable: str = ""


def judge(
    labels: np.ndarray,
    groups: Groups,
    champion: ScoredModel | None,
    challenger: ScoredModel,
    rule: Rule,
    findings: Findings,
    *,
    best_champions: Sequence[ScoredModel] = (),
    accepted: Mapping[str, str] | None = None,
) -> Judgement:
    """Return the report, ``report.json``: all numbers, the verdict, and each stop.

    Parameters
    ----------
    labels
        0 or 1, shape (rows,).
    groups
        The slices of the same rows.
    champion
        None if there is no champion.
    best_champions
        Models that may be the best champion so far, besides the champion.
    accepted
        Slices that may get worse, as ``name=value``, and the reason given.
    """
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
        metrics=[],
        best_champion=None,
        slices=Slices(tests=0, small=0, rows=[]),
        changed_decisions=None,
        behaviours=findings.behaviours,
        cost=findings.cost,
        permutation_importance=findings.permutation_importance,
        data=findings.data,
        changes=findings.changes,
        lock=findings.lock,
        notes=findings.notes,
        curves=None,
    )
    if not findings.incomparable and champion:
        report = _compare(report, labels, groups, champion, challenger, accepted or {})
        best = _best_champion(report, labels, champion, challenger, best_champions)
        best = best.model_copy(update={"unavailable": findings.unavailable})
        report = report.model_copy(update={"best_champion": best})
    return with_verdict(report)


def with_verdict(report: Judgement) -> Judgement:
    """Return the report with the verdict that follows from its numbers."""
    overall, may_merge, stops = verdict.decide(report)
    return report.model_copy(update={"verdict": overall, "may_merge": may_merge, "stops": stops})


def _compare(
    report: Judgement,
    labels: np.ndarray,
    groups: Groups,
    champion: ScoredModel,
    challenger: ScoredModel,
    accepted: Mapping[str, str],
) -> Judgement:
    models, rule = (champion.predictions, challenger.predictions), report.rule
    return report.model_copy(
        update={
            "metrics": compare.metric_table(labels, *models, rule, report.holdout.uses),
            "slices": slice_table(labels, *models, groups, rule, accepted),
            "changed_decisions": compare.changed_decisions(labels, *models, groups),
            "curves": compare.curves(labels, *models, rule.bins),
        }
    )


def _best_champion(
    report: Judgement,
    labels: np.ndarray,
    champion: ScoredModel,
    challenger: ScoredModel,
    best_champions: Sequence[ScoredModel],
) -> BestChampion:
    """Return the comparison with the best champion so far: of several, the hardest to match."""
    rule, primary = report.rule, report.primary
    entries = [compare.against_best(labels, best, challenger, rule) for best in best_champions]
    if entries:
        return min(
            entries,
            key=lambda entry: verdict.oriented_interval(rule.primary, entry.difference).low,
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
            months=training["months"], rows=training["rows"], positives=training["positives"]
        ),
        origin=model.origin,
    )
