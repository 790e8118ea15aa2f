"""What main released before: the commit that a release is judged against.

Not simply the commit before it. A merge that was stopped leaves its model on main, and the next
merge would be compared with that model and pass; so does one whose run never came to its turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
from slipway.git import git
from slipway.github.api import PAGE, Api
from slipway.github.bind import read_event

RUNS = "actions/workflows/deploy.yml/runs"


@dataclass(frozen=True)
class Base:
    """A commit to be judged against, or none, and how it was found."""

    commit: str
    how: str


def base_of_release(root: Path, commit: str, api: Api) -> Base:
    """Return the newest ancestor that a run of deploy.yml has released.

    If none was, the commit that main was at before the first try: what lies between the two has
    been stopped, each time. Before the first run ever, what main was before this push.
    """
    ancestors = set(git(root, "rev-list", commit).split()) - {commit}
    tried = [entry for entry in _runs(api) if entry["head_sha"] in ancestors]
    for entry in tried:
        if entry["conclusion"] == "success":
            return Base(str(entry["head_sha"]), "the last release")
    if tried:
        return Base(first_parent(root, str(tried[-1]["head_sha"])), "before the first try")
    before = str(read_event().get("before", ""))
    return Base(before if before in ancestors else first_parent(root, commit), "before this")


def first_parent(root: Path, commit: str) -> str:
    """Return the commit that main was at before a merge, or '' if there was none."""
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{commit}^1").strip()
    except SlipwayError:
        return ""


def _runs(api: Api) -> Iterator[dict[str, Any]]:
    """Yield the runs for a push to main, the newest first; others name another commit."""
    branch = str(read_event()["repository"]["default_branch"])
    page = 1
    while True:
        answer = api.get(RUNS, branch=branch, event="push", per_page=PAGE, page=page)
        entries = answer["workflow_runs"]
        yield from entries
        if len(entries) < PAGE:
            return
        page += 1
