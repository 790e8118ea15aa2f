"""Open the pull request of an upgrade; it is never merged here.

No code of the new version runs: its files are merged as text, and committed by GitHub's API. The
checks of the pull request run it, without a secret.
"""

from __future__ import annotations

from pathlib import Path

from slipway.errors import Refused, SlipwayError
from slipway.github.answers import Pull
from slipway.github.api import Api
from slipway.github.branch import find_branch, open_pull, people_on, put_files
from slipway.setup.upgrade.merge import Kind
from slipway.setup.upgrade.run import Request, Upgrade, plan_upgrade

BRANCH = "slipway/upgrade"

WORKFLOWS = ".github/workflows/"

# A pull request holds 65,536 characters.
LONGEST = 28_000

WRITTEN = (Kind.ADDED, Kind.UPDATED, Kind.MERGED, Kind.REMOVED)


def propose_upgrade(api: Api, root: Path, commit: str, run_url: str, app: str) -> str:
    """Open or update the pull request of the newest release; return a message.

    Parameters
    ----------
    commit
        The commit of the default branch that is checked out in `root`.
    app
        Name of the GitHub App whose token is used; empty: the token of the job.

    Raises
    ------
    Refused
        Files have conflicts, which only a person can resolve.
    SlipwayError
        Upstream or GitHub cannot be reached, the token may not change workflows, or a person has
        committed to the branch.
    """
    upgrade = plan_upgrade(root, Request())
    if upgrade.up_to_date:
        return upgrade.up_to_date
    title = f"Upgrade slipway to {upgrade.version.name}"
    if closed := _closed(api, title):
        return f"#{closed} proposed {upgrade.version.name} and was closed"
    _require_possible(upgrade, app)
    branch = find_branch(api, BRANCH)
    if people := people_on(api, branch, commit):
        raise SlipwayError(
            f"{', '.join(people)} committed to {BRANCH}, which would be overwritten",
            "merge or close its pull request and delete the branch, then start the run again",
        )
    written = [change for change in upgrade.changes if change.kind in WRITTEN]
    files = {each.path: each.result.content if each.result else None for each in written}
    modes = {each.path: each.result.mode for each in written if each.result}
    put_files(api, branch, commit, files, f"{title}\n\n{run_url}\n", modes)
    return open_pull(api, branch, title, _body(upgrade, run_url))


def _require_possible(upgrade: Upgrade, app: str) -> None:
    here = "run `slipway upgrade` in a clone, and push its branch"
    if upgrade.conflicts:
        raise Refused(f"files with conflicts: {', '.join(upgrade.conflicts)}", here)
    workflows = [change.path for change in upgrade.changes if change.path.startswith(WORKFLOWS)]
    if workflows and not app:
        raise SlipwayError(
            f"the token of a job may not change workflows: {', '.join(workflows)}",
            f"use a GitHub App with the permission *Workflows* (docs/upgrade.md), or {here}",
        )


def _closed(api: Api, title: str) -> int:
    """Return the pull request of this version that a person has closed."""
    owner = api.repository.partition("/")[0]
    for pull in map(Pull.of, api.pages("pulls", state="closed", head=f"{owner}:{BRANCH}")):
        if pull.title == title and not pull.merged_at:
            return pull.number
    return 0


def _body(upgrade: Upgrade, run_url: str) -> str:
    news = upgrade.news[:LONGEST].replace("````", "")
    versions = f"From {upgrade.old} to {upgrade.version.name}"
    parts = [
        f"{versions}, by `slipway upgrade` (docs/upgrade.md). It is never merged automatically.",
        "If a stage is stale, run the workflow *Update lock*, or `dvc repro`.",
    ]
    if upgrade.needs_lock:
        parts.append("The requirements differ from upstream's: run `make lock` on this branch.")
    if upgrade.invalid:
        parts.append(
            f"Not valid, and not changed by the upgrade:\n\n````text\n{upgrade.invalid}\n````"
        )
    parts.append(f"````text\n{news}\n````" if news else "")
    return "\n\n".join([*filter(None, parts), f"Made by [this run]({run_url})."])
