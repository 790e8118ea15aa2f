"""`slipway judge`: everything that a comparison reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast, get_args

import numpy as np
from pydantic import ValidationError

from slipway import project
from slipway.comparison import record
from slipway.comparison.baselines import (
    Champion,
    best_champions,
    find_champion,
    read_holdout,
    unreadable_records,
)
from slipway.comparison.changes import changes, data_changes
from slipway.comparison.compare import ScoredModel
from slipway.comparison.core import Findings, Protection, judge, with_verdict
from slipway.comparison.cost import costs, features_for, load_champion
from slipway.comparison.periods import ScoredPeriod, compared, few_periods, score_periods
from slipway.comparison.permutation_importance import losses_of, permutation_importance
from slipway.comparison.report import (
    Behaviour,
    Changes,
    Cost,
    CostCurve,
    DataChanges,
    Holdout,
    Importance,
    Judgement,
    LockStatus,
    Loss,
    Period,
    Rule,
)
from slipway.comparison.rule import fairness_rule_of, rule_for
from slipway.comparison.verdict import reliability
from slipway.dataset.dependence import Dependence
from slipway.dataset.labelled import LabelledRows
from slipway.dataset.origins import Origin
from slipway.dataset.split import Dataset
from slipway.dataset.tables import digest, take, write_json
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.metrics.sample import Sample
from slipway.progress import spinner
from slipway.repository.git import resolve
from slipway.repository.layout import MODEL_CODE
from slipway.repository.pointers import LOCK, check_conflicts, data_revision, read_stages
from slipway.settings import Params, explain, read_params
from slipway.training.computed import check_features
from slipway.training.decision_costs import cost_curve, decision_costs
from slipway.training.formats.choose import PARITY
from slipway.training.score import Model

if TYPE_CHECKING:
    from slipway.manifest import Manifest
    from slipway.project import Columns
    from slipway.settings import Evaluate

# Evenly spaced rows for the behaviours and the permutation importance: enough to estimate a
# share within a percent.
PROBED_ROWS = 5000

# Of the thresholds of a curve of costs, which has one for each percent.
COSTS_EVERY = 5

LOWEST = ("lowest_threshold", "lowest_from", "lowest_to")


def judge_change(root: Path, base: str, out: Path, lock: str, recorded: str = "") -> Judgement:
    """Judge this tree's model against that of a commit; write and return the report.

    Parameters
    ----------
    out
        The report. An earlier one is removed first.
    lock
        Result of `slipway verify-lock` for this tree, or ``not checked``.
    recorded
        sha256 of the model that ``dvc.lock`` names, if another one was rebuilt and is judged.

    Raises
    ------
    SlipwayError
        git does not know the commit, or the model in ``build/model`` is missing or was not
        made from the data and parameters of this tree.
    """
    remove_report(out)
    statuses = get_args(LockStatus)
    if lock not in statuses:
        raise SlipwayError(f"--lock {lock!r}: no such status", f"one of: {', '.join(statuses)}")
    check_conflicts(root)
    commit, params = resolve(root, base), read_params()
    model = Model.load(MODEL)
    check_fresh(model.manifest, params)
    try:
        report = _judge(root, commit, params, model, cast(LockStatus, lock), recorded)
    except ValidationError as error:
        raise SlipwayError(explain("the report", error), "shorten that name or text") from None
    report = record_judgement(report, root, commit)
    write_json(report.as_json(), out)
    return report


def remove_report(out: Path) -> None:
    """Remove the report of an earlier judgement, which may be about another model."""
    if out.is_file():  # no device, such as /dev/null
        out.unlink()


def _judge(
    root: Path, commit: str, params: Params, model: Model, lock: LockStatus, recorded: str
) -> Judgement:
    dataset = Dataset.open(params)
    holdout = read_holdout(dataset, model.manifest)
    params.judge.check_metrics(model.task.name)
    params.fairness.check_limits(model.task.name)
    protected = project.protected()
    protection = Protection(protected, fairness_rule_of(root, commit)) if protected else None
    rule, dependence, notes = rule_for(root, commit, holdout.rows.columns, dataset.span)
    features = project.features(holdout.rows.columns)
    check_features(model.manifest, features)
    challenger = ScoredModel(
        model.score_features(features),
        model.manifest,
        manifest_sha256=digest(MODEL / MANIFEST_FILE),
        recorded=recorded,
    )
    with ExitStack() as stack:
        with spinner("Scoring with the champion"):
            found = find_champion(root, commit, holdout, model.manifest)
            champion = stack.enter_context(found)
        scored, changed = champion.scored, changes(root, commit)
        data = data_changes(root, commit, scored.manifest, model.manifest) if scored else None
        rolling = _compares_procedures(dataset, dependence, data, changed, champion)
        origins = dataset.origins(rule.origins if rolling else 1)
        if rolling:
            notes = [*notes, *few_periods(dataset, rule.origins)]
        periods: list[ScoredPeriod] = []
        if len(origins) > 1:
            periods, more = score_periods(root, params, origins, holdout, champion, challenger)
            notes = [*notes, *more]
        used = [period.origin for period in periods] or dataset.origins(1)
        shown = _periods(root, used, periods, champion, model)
        keys = [(origin, part.keys_sha256) for origin, part in zip(used, shown, strict=False)]
        bests, unscored = best_champions(root, champion, model.manifest, holdout, keys)
        findings = Findings(
            holdout=_holdout(root, commit, champion, model, rule, shown),
            periods=shown,
            **_probe(model, champion, holdout.rows, rule, dependence),
            data=data,
            changes=changed,
            lock=lock,
            notes=[*notes, *unreadable_records(champion)],
            cost_curve=_cost_curve(challenger, holdout.rows, params.evaluate, dependence),
            incomparable=champion.incomparable,
            unavailable=unscored,
        )
    if periods and scored:
        scored = replace(scored, rolling=np.concatenate([part.champion for part in periods]))
        ours = np.concatenate([part.challenger for part in periods])
        challenger = replace(challenger, rolling=ours)
    return judge(
        compared(periods, holdout.rows, dependence),
        scored,
        challenger,
        rule,
        findings,
        best_champions=bests,
        accepted={entry.slice: entry.reason for entry in params.judge.accept},
        protection=protection,
    )


def _cost_curve(
    model: ScoredModel, rows: LabelledRows, settings: Evaluate, dependence: Dependence
) -> CostCurve | None:
    """Return the costs of a binary model by threshold; None if no costs are set."""
    if settings.costs is None or model.threshold is None or model.scores is None:
        return None
    labels = rows.labels.astype("float64")
    sample = Sample.of(labels, dependence.clusters(rows.columns))
    found = decision_costs(sample, model.scores, settings, model.task)
    now = cast("dict[str, float]", found["now"])
    curve = cost_curve(sample, model.scores, settings)[::COSTS_EVERY]
    points = [{name: float(value) for name, value in point.items()} for point in curve]
    return CostCurve.model_validate(
        {name: found[name] for name in ("threshold", *LOWEST)}
        | {
            "now": {"threshold": model.threshold, "cost": now["value"]}
            | {end: now[end] for end in ("low", "high")},
            "points": points,
        }
    )


class Probes(TypedDict):
    """What some rows of the holdout show of the challenger."""

    behaviours: list[Behaviour]
    cost: Cost
    permutation_importance: list[Importance]


def _probe(
    model: Model, champion: Champion, rows: LabelledRows, rule: Rule, dependence: Dependence
) -> Probes:
    at = _spread(len(rows.labels))
    probed = LabelledRows(take(rows.columns, at), rows.labels[at])
    features = project.features(probed.inputs())
    sample = Sample.of(probed.labels.astype("float64"), dependence.clusters(probed.columns))
    confidence = 1 - 2 * rule.alpha
    return Probes(
        behaviours=check_behaviours(model, probed.inputs()),
        cost=costs(champion.folder, MODEL, features, rule),
        permutation_importance=permutation_importance(
            model,
            features,
            sample,
            confidence,
            _losses_of_champion(champion, at, features, sample, confidence),
        ),
    )


def _losses_of_champion(
    champion: Champion, at: np.ndarray, features: Columns, sample: Sample, confidence: float
) -> dict[str, Loss] | None:
    """Return the importance of the champion's features; None if this code computes other ones."""
    model = load_champion(champion.folder, features)
    if model is None or champion.scored is None or champion.scored.scores is None:
        return None
    own = features_for(model, features)
    if not np.allclose(model.score_features(own), champion.scored.scores[at], rtol=PARITY):
        return None
    return losses_of(model, own, sample, confidence)


def _compares_procedures(
    dataset: Dataset,
    dependence: Dependence,
    data: DataChanges | None,
    changed: Changes,
    champion: Champion,
) -> bool:
    """Return whether procedures are compared at several origins; else only the models are.

    If the data alone differ, both procedures are the same. Without clusters, the same customer
    may be in each period, as in monthly snapshots; not in each fold.
    """
    same_procedure = data is not None and not data.same and not changed.procedure
    has_apart = bool(dependence.columns) or dataset.table.is_random
    return not champion.incomparable and not same_procedure and has_apart


def check_fresh(manifest: Manifest, params: Params) -> None:
    """Refuse a model that was made from other data or parameters than this tree has.

    Raises
    ------
    SlipwayError
        Names what differs.
    """
    stale = []
    if manifest["data"]["md5"] != data_revision():
        stale.append("data")
    if manifest["train"]["params"] != params.train:
        stale.append("parameters")
    if stale:
        raise SlipwayError(
            f"{MODEL}: made from other {' and '.join(stale)} than this tree has",
            "rebuild it with `dvc repro`",
        )


def changed_code(root: Path) -> list[str]:
    """Return the files of src/ that have changed since dvc.lock recorded the model.

    Folders are left out: which of their files DVC ignores is for DVC to find.
    """
    stage = read_stages(root / LOCK).get("train")
    recorded = {
        each.path: each.md5
        for each in (stage.deps if stage else ())
        if each.md5 and not each.md5.endswith(".dir")
    }
    inside = [path for path in recorded if Path(path).is_relative_to(MODEL_CODE)]
    return [path for path in inside if _differs(root / path, recorded[path])]


def _differs(path: Path, md5: str) -> bool:
    return not path.is_file() or digest(path, "md5") != md5


def check_behaviours(model: Model, inputs: project.Columns) -> list[Behaviour]:
    """Return, for each behaviour, in which share of the rows it holds, and if that is enough."""
    checked = []
    for name, description, holds, at_least in project.behaviours(inputs, model.score):
        share = float(holds.mean())
        checked.append(
            Behaviour(
                name=name,
                description=description,
                rows=len(holds),
                share=share,
                at_least=at_least,
                holds=share >= at_least,
            )
        )
    return checked


def record_judgement(report: Judgement, root: Path, commit: str) -> Judgement:
    """Save the records of this judgement; return the report, with each record that was changed."""
    champion = report.champion
    if report.incomparable or champion is None or champion.model == report.challenger.model:
        return report
    base = record.records_of(root, commit)
    differing = [
        name
        for each in record.make_records(report, commit)
        for name in record.save_record(each, root, base)
    ]
    tampered = sorted({*report.holdout.tampered, *differing})
    holdout = report.holdout.model_copy(update={"tampered": tampered})
    return with_verdict(report.model_copy(update={"holdout": holdout}))


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, PROBED_ROWS)).astype(int))


def _periods(
    root: Path,
    origins: Sequence[Origin],
    scored: Sequence[ScoredPeriod],
    champion: Champion,
    model: Model,
) -> list[Period]:
    """Return the periods of the comparison, the last of which is the holdout."""
    if champion.incomparable or champion.scored is None:
        return []
    names, part = record.known_names(root), model.manifest["holdout"]
    # A model that is judged against itself does not use the rows.
    own = int(champion.scored.sha256 == model.sha256)
    facts = [
        (
            period.rows.keys_sha256,
            len(period.rows.labels),
            champion.scored.task.counts(period.rows.labels).get("positives", 0),
        )
        for period in scored
    ] or [(part["keys_sha256"], part["rows"], part.get("positives", 0))]
    return [
        Period(
            learned=origin.learned_periods,
            months=origin.scored_periods,
            keys_sha256=keys,
            rows=rows,
            positives=positives,
            uses=record.uses(names, keys, model.sha256) - own,
        )
        for origin, (keys, rows, positives) in zip(origins, facts, strict=True)
    ]


def _holdout(
    root: Path,
    commit: str,
    champion: Champion,
    model: Model,
    rule: Rule,
    periods: Sequence[Period],
) -> Holdout:
    """Return which rows the holdout has, and how often the most used period was used."""
    part, scored = model.manifest["holdout"], champion.scored
    uses = max(
        (period.uses for period in periods),
        default=record.uses(record.known_names(root), part["keys_sha256"], model.sha256) - 1,
    )
    return Holdout(
        keys_sha256=part["keys_sha256"],
        rows=part["rows"],
        months=part["months"],
        first=part["first"],
        last=part["last"],
        positives=part.get("positives", 0),
        moved=scored is not None
        and scored.manifest["holdout"]["keys_sha256"] != part["keys_sha256"],
        uses=uses,
        tampered=record.changed_records(root, commit),
        reliability=reliability(rule, uses),
    )
