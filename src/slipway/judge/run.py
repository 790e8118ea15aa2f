"""From a base commit to a report: everything that the judge reads and writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from slipway import contract
from slipway.errors import SlipwayError
from slipway.git import names, output, resolve
from slipway.judge import record
from slipway.judge.changes import changes, data_changes
from slipway.judge.compare import Side
from slipway.judge.core import Findings, conclude, judge
from slipway.judge.cost import costs
from slipway.judge.leaning import leaning
from slipway.judge.opponents import Champion, find_champion, read_holdout
from slipway.judge.slices import groups_of
from slipway.judge.verdict import LOCKS, reliability
from slipway.pointers import check_conflicts, data_revision
from slipway.progress import busy
from slipway.score import MANIFEST_FILE, MODEL, Model
from slipway.settings import Judge, Params, explain, read_params
from slipway.tables import digest, take, write_json
from slipway.texts import decode, parse_yaml

# Rows that the behaviours and the features' weights are tried on: evenly spaced, enough
# to see a share within a percent.
PROBED_ROWS = 5000

BASE_RULE = "correct it on the base branch; until then no change can be judged by it"


def judge_change(root: Path, base: str, out: Path, lock: str, recorded: str = "") -> dict[str, Any]:
    """Judge this tree's model against that of a commit; write and return the report.

    Parameters
    ----------
    lock
        What `slipway lock` said of this tree, or ``not checked``.
    recorded
        sha256 of the model that ``dvc.lock`` names, where another one was rebuilt and is judged.

    Raises
    ------
    SlipwayError
        There is nothing to judge: git does not know the commit, or the model in
        ``build/model`` is missing or was not made from what this tree says.
    """
    if lock not in LOCKS:
        raise SlipwayError(f"--lock {lock!r}: no such status", f"one of: {', '.join(LOCKS)}")
    check_conflicts(root)
    commit, params = resolve(root, base), read_params()
    model = Model.load(MODEL)
    check_fresh(model.manifest, params)
    holdout = read_holdout(params, model.manifest)
    challenger = Side(
        model.score(holdout.rows),
        model.manifest,
        manifest_sha256=digest(MODEL / MANIFEST_FILE),
        recorded=recorded,
    )
    with busy("Asking the champion"), find_champion(root, commit, holdout, model.manifest) as found:
        rule, rule_note = rule_of(root, commit, params)
        probed = take(holdout.rows, _spread(len(holdout.labels)))
        features = contract.features({name: probed[name] for name in contract.inputs()})
        past = _past(root, commit, found, model)
        findings = Findings(
            holdout=past | {"reliability": reliability(rule, past["uses"])},
            behaviours=try_behaviours(model, probed),
            cost=costs(found.folder, MODEL, features, rule),
            leans_on=leaning(model, features, holdout.labels[_spread(len(holdout.labels))]),
            data=data_changes(root, commit, found.side.manifest, model.manifest)
            if found.side
            else None,
            changes=changes(root, commit),
            lock=lock,
            notes=[note for note in (rule_note,) if note],
            incomparable=found.incomparable,
            anchor_lost=found.anchor_lost,
        )
    accepted = {entry.slice: entry.reason for entry in params.judge.accept}
    report = judge(
        holdout.labels,
        groups_of(holdout.rows),
        found.side,
        challenger,
        rule,
        findings,
        bests=found.bests,
        accepted=accepted,
    )
    report = remember(report, root, commit)
    write_json(report, out)
    return report


def check_fresh(manifest: Mapping[str, Any], params: Params) -> None:
    """Refuse a model that was made from other data or parameters than this tree has.

    Raises
    ------
    SlipwayError
        Says what differs.
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


def rule_of(
    root: Path, commit: str, params: Params
) -> tuple[dict[str, Any], dict[str, str] | None]:
    """Return the rule to judge by: the base commit's own, so that no change judges itself.

    What that commit does not set yet is taken from this tree, and a note says so.

    Raises
    ------
    SlipwayError
        The commit has a rule that cannot be read: the one of the change must not replace it.
    """
    own = params.judge.model_dump()
    name = f"params.yaml of the base {commit[:12]}"
    section = _rule_section(root, commit, name)
    try:
        rule = Judge.model_validate(_completed(section, own))
    except ValidationError as error:
        raise SlipwayError(explain(f"{name}: judge", error), BASE_RULE) from None
    complete = set(_flat(own)) <= set(_flat(section))
    note = None if complete else {"code": "own rule", "about": commit}
    return rule.model_dump(exclude={"accept"}) | {"bins": params.evaluate.bins}, note


def _rule_section(root: Path, commit: str, name: str) -> dict[str, Any]:
    """Return the section `judge` of a commit as it is written; empty if there is none."""
    if not names(root, "ls-tree", "-z", "--name-only", commit, "--", "params.yaml"):
        return {}
    try:
        found = parse_yaml(decode(output(root, "show", f"{commit}:params.yaml"), name), name)
    except SlipwayError as error:
        raise SlipwayError(str(error), BASE_RULE) from None
    section = found.get("judge", {}) if isinstance(found, dict) else found
    if not isinstance(section, dict):
        raise SlipwayError(f"{name}: `judge` is not a section", BASE_RULE)
    return section


def _completed(section: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section with what it lacks taken from another, in sections of it too."""
    both = {**own, **section}
    for name, value in own.items():
        if isinstance(value, dict) and isinstance(section.get(name), dict):
            both[name] = _completed(section[name], value)
    return both


def _flat(section: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in section.items():
        yield f"{above}{name}"
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")


def try_behaviours(model: Model, rows: contract.Columns) -> list[dict[str, Any]]:
    """Return, for each behaviour, in what share of the rows it holds, and whether that will do."""
    inputs = {name: rows[name] for name in contract.inputs()}
    found = []
    for name, says, holds, at_least in contract.behaviours(inputs, model.score):
        share = float(holds.mean())
        found.append(
            {
                "name": name,
                "says": says,
                "rows": len(holds),
                "share": share,
                "at_least": at_least,
                "holds": share >= at_least,
            }
        )
    return found


def remember(report: dict[str, Any], root: Path, commit: str) -> dict[str, Any]:
    """Keep the record of this judgement; return the report, with what it found amiss."""
    if report["incomparable"] or report["champion"]["model"] == report["challenger"]["model"]:
        return report
    amiss = record.keep(record.make_record(report, commit), root)
    tampered = sorted({*report["holdout"]["tampered"], *amiss})
    return conclude(report | {"holdout": report["holdout"] | {"tampered": tampered}})


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, PROBED_ROWS)).astype(int))


def _past(root: Path, commit: str, found: Champion, model: Model) -> dict[str, Any]:
    known = model.manifest["holdout"]
    same_model = found.side is not None and found.side.sha256 == model.sha256
    uses = record.uses(record.known_names(root), known["keys_sha256"], model.sha256)
    fields = ("keys_sha256", "rows", "positives", "months", "first", "last")
    return {
        **{field: known[field] for field in fields},
        "moved": found.side is not None
        and found.side.manifest["holdout"]["keys_sha256"] != known["keys_sha256"],
        # A model that is judged against itself asks the holdout nothing.
        "uses": uses - 1 if same_model or found.incomparable else uses,
        "tampered": record.changed_records(root, commit),
    }
