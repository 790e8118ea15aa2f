"""`slipway judge`: everything that a comparison reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from pydantic import ValidationError

from slipway import project
from slipway.comparison import record
from slipway.comparison.baselines import Champion, find_champion, read_holdout
from slipway.comparison.changes import changes, data_changes
from slipway.comparison.compare import ScoredModel
from slipway.comparison.core import Findings, judge, with_verdict
from slipway.comparison.cost import costs
from slipway.comparison.permutation_importance import permutation_importance
from slipway.comparison.report import Behaviour, Holdout, Judgement, LockStatus, Rule
from slipway.comparison.slices import groups_of
from slipway.comparison.verdict import reliability
from slipway.dataset.split import LabelledRows
from slipway.dataset.tables import digest, take, write_json
from slipway.errors import SlipwayError
from slipway.progress import spinner
from slipway.repository.git import names, output, resolve
from slipway.repository.pointers import check_conflicts, data_revision
from slipway.settings import Judge, Params, explain, read_params, with_new_names
from slipway.texts import decode, parse_yaml
from slipway.training.score import MANIFEST_FILE, MODEL, Model

# Evenly spaced rows for the behaviours and the permutation importance: enough to estimate a
# share within a percent.
PROBED_ROWS = 5000

BASE_RULE = "correct it on the base branch; until then no change can be judged by it"


def judge_change(root: Path, base: str, out: Path, lock: str, recorded: str = "") -> Judgement:
    """Judge this tree's model against that of a commit; write and return the report.

    Parameters
    ----------
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


def _judge(
    root: Path, commit: str, params: Params, model: Model, lock: LockStatus, recorded: str
) -> Judgement:
    holdout = read_holdout(params, model.manifest)
    rows = holdout.rows
    challenger = ScoredModel(
        model.score(rows.columns),
        model.manifest,
        manifest_sha256=digest(MODEL / MANIFEST_FILE),
        recorded=recorded,
    )
    with (
        spinner("Scoring with the champion"),
        find_champion(root, commit, holdout, model.manifest) as champion,
    ):
        rule = rule_of(root, commit, params)
        sample = _spread(len(rows.labels))
        probed = LabelledRows(take(rows.columns, sample), rows.labels[sample])
        features = project.features(probed.inputs())
        scored = champion.scored
        findings = Findings(
            holdout=_holdout(root, commit, champion, model, rule),
            behaviours=check_behaviours(model, probed.inputs()),
            cost=costs(champion.folder, MODEL, features, rule),
            permutation_importance=permutation_importance(model, features, probed.labels),
            data=data_changes(root, commit, scored.manifest, model.manifest) if scored else None,
            changes=changes(root, commit),
            lock=lock,
            incomparable=champion.incomparable,
            unavailable=champion.unscored,
        )
    return judge(
        rows.labels,
        groups_of(rows.columns),
        champion.scored,
        challenger,
        rule,
        findings,
        best_champions=champion.best_champions,
        accepted={entry.slice: entry.reason for entry in params.judge.accept},
    )


def check_fresh(manifest: Mapping[str, Any], params: Params) -> None:
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


def rule_of(root: Path, commit: str, params: Params) -> Rule:
    """Return the rule of the base commit, so that no change is judged by its own rule.

    Settings that the commit does not have are the defaults, not those of this tree; only the bins
    of the calibration error are.

    Raises
    ------
    SlipwayError
        The commit's rule cannot be read; the rule of the change must not replace it.
    """
    name = f"params.yaml of the base {commit[:12]}"
    try:
        judge = Judge.model_validate(_rule_section(root, commit, name))
    except ValidationError as error:
        raise SlipwayError(explain(f"{name}: judge", error), BASE_RULE) from None
    return Rule(**judge.model_dump(exclude={"accept"}), bins=params.evaluate.bins)


def _rule_section(root: Path, commit: str, name: str) -> dict[str, Any]:
    """Return the section `judge` of a commit, with today's names; empty if there is none."""
    if not names(root, "ls-tree", "-z", "--name-only", commit, "--", "params.yaml"):
        return {}
    try:
        found = parse_yaml(decode(output(root, "show", f"{commit}:params.yaml"), name), name)
    except SlipwayError as error:
        raise SlipwayError(str(error), BASE_RULE) from None
    section = found.get("judge", {}) if isinstance(found, dict) else found
    if not isinstance(section, dict):
        raise SlipwayError(f"{name}: `judge` is not a section", BASE_RULE)
    return with_new_names(section, "judge")


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
    """Save the record of this judgement; return the report, with each record that was changed."""
    champion = report.champion
    if report.incomparable or champion is None or champion.model == report.challenger.model:
        return report
    differing = record.save_record(record.make_record(report, commit), root)
    tampered = sorted({*report.holdout.tampered, *differing})
    holdout = report.holdout.model_copy(update={"tampered": tampered})
    return with_verdict(report.model_copy(update={"holdout": holdout}))


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, PROBED_ROWS)).astype(int))


def _holdout(root: Path, commit: str, champion: Champion, model: Model, rule: Rule) -> Holdout:
    """Return which rows the holdout has, and how often it was used."""
    part, scored = model.manifest["holdout"], champion.scored
    same_model = scored is not None and scored.sha256 == model.sha256
    judged = record.uses(record.known_names(root), part["keys_sha256"], model.sha256)
    # A model that is judged against itself does not use the holdout.
    uses = judged - 1 if same_model or champion.incomparable else judged
    fields = ("keys_sha256", "rows", "positives", "months", "first", "last")
    return Holdout(
        **{field: part[field] for field in fields},
        moved=scored is not None
        and scored.manifest["holdout"]["keys_sha256"] != part["keys_sha256"],
        uses=uses,
        tampered=record.changed_records(root, commit),
        reliability=reliability(rule, uses),
    )
