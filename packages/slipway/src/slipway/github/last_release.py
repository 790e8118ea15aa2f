"""Find the commit that a release is compared with: the last one that was released.

This is not always the parent commit. The model of a merge whose release was stopped stays on main:
the next merge would be compared with that model, and would pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
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
    before = str(read_event().get("before", ""))
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


def _runs(api: Api, ancestors: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield the commit and the conclusion of each run, the newest first."""
    branch = str(read_event()["repository"]["default_branch"])
    entries = [
        entry
        for event in ("push", "workflow_dispatch")
        for entry in _listed(api, branch=branch, event=event)
        if entry["event"] == event
    ]
    for entry in sorted(entries, key=lambda entry: -int(entry["id"])):
        if commit := _commit_of(entry, ancestors):
            yield commit, str(entry["conclusion"])


def _commit_of(entry: Mapping[str, Any], ancestors: Set[str]) -> str:
    """Return the commit that a run was for; empty if it is not recorded."""
    head = str(entry["head_sha"])
    if entry["event"] == "push":
        return head
    named = BY_HAND.fullmatch(str(entry["display_title"]).strip())
    if named is None:
        return ""
    if named[1] == "newest":
        return head
    return next((commit for commit in ancestors if commit.startswith(named[1])), "")


def _listed(api: Api, **query: str) -> Iterator[dict[str, Any]]:
    page = 1
    while True:
        entries = api.get(RUNS, **query, per_page=PAGE, page=page)["workflow_runs"]
        yield from entries
        if len(entries) < PAGE:
            return
        page += 1
