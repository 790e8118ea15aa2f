"""Find the commit that a release is compared with: the last one that was released.

This is not always the parent commit. The model of a merge whose release was stopped stays on main:
the next merge would be compared with that model, and would pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.github.answers import WorkflowRun
from slipway.github.api import PAGE, Api
from slipway.github.find_pull_request import read_event
from slipway.repository.git import git
from slipway.serving.release import SHIPPED

RUNS = "actions/workflows/deploy.yml/runs"

# `run-name` of deploy.yml for a manual run: GitHub records only the head of the branch.
BY_HAND = re.compile(r"Release ([0-9a-f]{7,40}|newest)")


@dataclass(frozen=True)
class Base:
    """A commit to compare with, or an empty one; whether a run of deploy.yml has released it."""

    commit: str
    released: bool = False


def base_of_release(root: Path, commit: str, api: Api) -> Base:
    """Return the newest ancestor that a run of deploy.yml has released.

    If none was released, it is the commit of main before the first attempt: every commit since
    then was stopped. Without any earlier run, it is the commit of main before this push.
    """
    ancestors = set(git(root, "rev-list", commit).split()) - {commit}
    tried = [(found, end) for found, end in _runs(api, ancestors) if found in ancestors]
    for found, end in tried:
        if end == "success":
            return Base(found, released=True)
    if tried:
        return Base(first_parent(root, tried[-1][0]))
    before = read_event().before
    return Base(before if before in ancestors else first_parent(root, commit))


def first_parent(root: Path, commit: str) -> str:
    """Return the first parent of a commit, or '' if it has none."""
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{commit}^1").strip()
    except SlipwayError:
        return ""


def landed_since(root: Path, base: str, commit: str) -> list[str]:
    """Return main's commits after `base` that change files of the service, newest first."""
    span = f"{base}..{commit}" if base else commit
    return git(root, "rev-list", "--first-parent", span, "--", *SHIPPED).split()


def _runs(api: Api, ancestors: Set[str]) -> Iterator[tuple[str, str | None]]:
    """Yield the commit and the conclusion of each run, the newest first."""
    branch = read_event().repository.default_branch
    runs = [
        run
        for event in ("push", "workflow_dispatch")
        for run in _listed(api, branch=branch, event=event)
        if run.event == event
    ]
    for run in sorted(runs, key=lambda run: -run.id):
        if commit := _commit_of(run, ancestors):
            yield commit, run.conclusion


def _commit_of(run: WorkflowRun, ancestors: Set[str]) -> str:
    """Return the commit that a run was for; empty if it is not recorded."""
    if run.event == "push":
        return run.head_sha
    named = BY_HAND.fullmatch(run.display_title.strip())
    if named is None:
        return ""
    if named[1] == "newest":
        return run.head_sha
    return next((commit for commit in ancestors if commit.startswith(named[1])), "")


def _listed(api: Api, **query: str) -> Iterator[WorkflowRun]:
    page = 1
    while True:
        answer = api.get(RUNS, **query, per_page=PAGE, page=page)
        runs = WorkflowRun.each(answer, "workflow_runs")
        yield from runs
        if len(runs) < PAGE:
            return
        page += 1
