"""The rule of the base commit, so that no change is judged by its own rule."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from slipway.comparison.report import LONGEST_TEXT, FairnessRule, Note, Rule
from slipway.dataset.dependence import Dependence
from slipway.dataset.periods import Span
from slipway.errors import SlipwayError
from slipway.project import SCHEMA, Columns
from slipway.repository.git import names, output
from slipway.settings import Evaluate, Fairness, Judge, Prepare, explain, with_new_names
from slipway.texts import decode, parse_yaml

DO = "correct it on the base branch; until then no change can be judged by it"


class Applied(NamedTuple):
    """The rule, which rows it takes to depend on each other, and what a reader must know."""

    rule: Rule
    dependence: Dependence
    notes: list[Note]


def rule_of(root: Path, commit: str) -> Rule:
    """Return the rule of a base commit.

    Settings that the commit does not have are the defaults, not those of this tree. It names no
    clusters if the commit has no schema.

    Raises
    ------
    SlipwayError
        The commit's rule cannot be read; the rule of the change must not replace it.
    """
    name = f"params.yaml of the base {commit[:12]}"
    sections = _sections(root, commit, name)
    dependence = _dependence_at(root, commit)
    try:
        judge = Judge.model_validate(with_new_names(_section(sections, "judge", name), "judge"))
    except ValidationError as error:
        raise SlipwayError(explain(f"{name}: judge", error), DO) from None
    try:
        evaluate = _section(sections, "evaluate", name)
        options = {key: evaluate[key] for key in ("bins", "precision") if key in evaluate}
        evaluated = Evaluate.model_validate(options)
    except ValidationError as error:
        raise SlipwayError(explain(f"{name}: evaluate", error), DO) from None
    try:
        origins = _section(sections, "prepare", name).get("origins", Prepare().origins)
        origins = Prepare.model_validate({"origins": origins}).origins
    except ValidationError as error:
        raise SlipwayError(explain(f"{name}: prepare", error), DO) from None
    rule = Rule(
        **judge.model_dump(exclude={"accept"}),
        bins=evaluated.bins,
        precision=evaluated.precision,
        origins=origins,
    )
    return _with_clusters(rule, dependence) if dependence else rule


def rule_for(root: Path, commit: str, columns: Columns, span: Span) -> Applied:
    """Return the rule of a base commit for some rows, those of a holdout of this length.

    The clusters are those of this tree if the commit has no schema, or names a column that the
    rows do not have.

    Raises
    ------
    SlipwayError
        As `rule_of`; or this tree's clusters are not valid.
    """
    rule, found = rule_of(root, commit), _dependence_at(root, commit)
    notes = []
    if found is None or not set(found.needed) <= set(columns):
        found = Dependence.declared()
        notes.append(Note(code="own clusters", about=commit[:12]))
    applied = found.within(columns, span)
    if found.columns and not applied.columns:
        notes.append(Note(code="snapshots", about=str(found.event_time)[:LONGEST_TEXT]))
    return Applied(_with_clusters(rule, applied), applied, notes)


def fairness_rule_of(root: Path, commit: str) -> FairnessRule:
    """Return the limits of a base commit for protected groups; none if it has no such section.

    Raises
    ------
    SlipwayError
        The commit's section cannot be read.
    """
    name = f"params.yaml of the base {commit[:12]}"
    section = _section(_sections(root, commit, name), "fairness", name)
    try:
        found = Fairness.model_validate(section)
    except ValidationError as error:
        raise SlipwayError(explain(f"{name}: fairness", error), DO) from None
    return FairnessRule(**found.model_dump())


def _with_clusters(rule: Rule, dependence: Dependence) -> Rule:
    clusters = {"clusters": list(dependence.names), "time_zone": dependence.time_zone}
    return rule.model_copy(update=clusters)


def _dependence_at(root: Path, commit: str) -> Dependence | None:
    is_there = names(root, "ls-tree", "-z", "--name-only", commit, "--", SCHEMA)
    source = output(root, "show", f"{commit}:{SCHEMA}") if is_there else b""
    try:
        return Dependence.of_source(source) if source else None
    except SlipwayError as error:
        raise SlipwayError(f"the base {commit[:12]}: {error}", DO) from None


def _sections(root: Path, commit: str, name: str) -> dict[str, object]:
    """Return the settings of a commit; empty if it has none."""
    if not names(root, "ls-tree", "-z", "--name-only", commit, "--", "params.yaml"):
        return {}
    try:
        found = parse_yaml(decode(output(root, "show", f"{commit}:params.yaml"), name), name)
    except SlipwayError as error:
        raise SlipwayError(str(error), DO) from None
    return found if isinstance(found, dict) else {}


def _section(sections: dict[str, object], key: str, name: str) -> dict[str, object]:
    section = sections.get(key, {})
    if not isinstance(section, dict):
        raise SlipwayError(f"{name}: `{key}` is not a section", DO)
    return section
