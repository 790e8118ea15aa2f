"""Update a stale lock: when a workflow does it by itself, and how a person does it.

update-lock.yml follows the runs of pull-request.yml if the repository has a GitHub App, whose
commits start checks. Its first job decides here, with code of the default branch. The report of the
run is untrusted data: at most it starts a rebuild that the author of the branch can also start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from slipway.comparison.report import Judgement
from slipway.errors import Refused, SlipwayError
from slipway.github.answers import Commit, Comparison
from slipway.github.api import Api
from slipway.github.artifact import NoReport, NotBelieved
from slipway.github.find_pull_request import Event, NoPullRequest, find_pull_request, run_of
from slipway.github.lock import HEADLINE, head_to_rebuild
from slipway.github.run_report import checked_report
from slipway.repository.pointers import LOCK

# A lock names a few dozen files.
MOST_BYTES = 4_000_000


class NoUpdate(SlipwayError):
    """The lock is not updated by itself; this is not an error."""


def head_to_update(api: Api, event: Event, base: str) -> tuple[int, str]:
    """Return the pull request of a finished run, and its commit, if its lock is to be updated.

    Parameters
    ----------
    event
        Of type `workflow_run`.
    base
        The newest commit of the default branch.

    Raises
    ------
    NoUpdate
        An update is not possible, not needed, or would not make the checks pass.
    """
    try:
        run = run_of(event)
        number = find_pull_request(api, event)
        head = head_to_rebuild(api, number)
        report = checked_report(api, run.number)
    except (NoPullRequest, Refused, NoReport, NotBelieved) as reason:
        raise NoUpdate(str(reason)) from None
    if head.sha != run.sha:
        raise NoUpdate(f"#{number} has a newer commit than {run.sha[:7]}")
    _require_stale_lock(report)
    _require_other_commit(api, head.sha)
    _require_same_lock_of_base(api, head.sha, base)
    return number, head.sha


def update_step(page: str, number: int, *, app: bool) -> str:
    """Return, as Markdown, how the lock of a pull request of the same repository is updated.

    Parameters
    ----------
    page
        Address of the repository.
    app
        Whether it has a GitHub App, with which the workflow starts by itself.
    """
    # Also in HTML, where the text of a link is one word.
    workflow = f"Update lock ([open]({page}/actions/workflows/update-lock.yml))"
    if app:
        return (
            f"**Nothing to do:** {workflow} commits the rebuilt dvc.lock to this branch, and "
            "the checks run again. If it does not, its run shows the reason."
        )
    return (
        f"**What remains:** {workflow} → **Run workflow** → `{number}`. It commits the "
        "rebuilt dvc.lock to this branch, whose checks then wait for **Approve and run** below."
    )


def update_step_of_job(event: Event) -> str:
    """Return `update_step` for the pull request of this job; empty for a fork or another event."""
    pull = event.pull_request
    if pull is None or pull.head.repo is None or pull.head.repo.id != event.repository.id:
        return ""
    return update_step(page_of_repository(), pull.number, app=has_app())


def page_of_repository() -> str:
    """Return the address of the repository of this job."""
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    return f"{server}/{os.environ['GITHUB_REPOSITORY']}"


def has_app() -> bool:
    """Return whether this step was given the identifier of a GitHub App."""
    return bool(os.environ.get("SLIPWAY_APP_ID"))


def _require_stale_lock(report: Judgement | Mapping[str, object]) -> None:
    if not isinstance(report, Judgement):
        raise NoUpdate("the run has made no model")
    if report.lock != "stale":
        raise NoUpdate(f"dvc.lock is {report.lock}, not stale")
    if not report.waits_for_lock:
        others = ", ".join(stop.code for stop in report.stops if stop.code != "lock")
        raise NoUpdate(f"with another dvc.lock the change would not be merged either: {others}")


def _require_other_commit(api: Api, sha: str) -> None:
    """Refuse an update of an update, whatever its author: it would be repeated without end."""
    message = Commit.of(api.get(f"commits/{sha}")).commit.message
    if message.partition("\n")[0].strip() == HEADLINE:
        raise NoUpdate(f"{sha[:7]} is such an update already")


def _require_same_lock_of_base(api: Api, sha: str, base: str) -> None:
    """Refuse a lock that would conflict with that of the default branch.

    The checks run on the merge of both, the rebuild on the branch alone.
    """
    fork_point = Comparison.of(api.get(f"compare/{base}...{sha}")).merge_base_commit.sha
    if fork_point == base:
        return
    before, now = (api.file(LOCK.as_posix(), commit, MOST_BYTES) for commit in (fork_point, base))
    if before != now:
        raise NoUpdate("the default branch has another dvc.lock: update the branch first")
