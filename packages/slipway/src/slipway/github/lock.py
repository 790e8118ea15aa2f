"""Commit a rebuilt lock to the branch of a pull request.

The rebuild runs the pull request's code in a job that may only read. This module runs in another
job, which may write: it runs trusted code, and reads the files of the first job as bytes.
"""

from __future__ import annotations

import re

from slipway.errors import Refused
from slipway.github import artifact
from slipway.github.answers import Pull
from slipway.github.api import Api
from slipway.github.branch import Branch, is_protected, put_files

NAME = "lock"

# Nothing else may be committed: no code, no parameter, no workflow.
MAY_COMMIT = re.compile(r"dvc\.lock|reports/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\.(json|csv)")

# The only line of the commit's message, by which the commit is known.
HEADLINE = "Rebuild dvc.lock and reports"

BY_HAND = f"""\
In a clone of the fork, on the branch of the pull request:

    make setup data
    .venv/bin/dvc repro
    git add dvc.lock reports
    git commit -m "{HEADLINE}"
    git push
"""


def head_to_rebuild(api: Api, number: int) -> Branch:
    """Return the branch of a pull request, with its newest commit, if a workflow may commit to it.

    Raises
    ------
    Refused
        It is closed, comes from a fork, or has a protected branch.
    """
    pull = Pull.of(api.get(f"pulls/{number}"))
    head, base = pull.head, pull.base
    if pull.state != "open":
        raise Refused(f"#{number} is {pull.state}", "reopen it, then run the workflow again")
    if head.repo is None or head.repo.id != base.repo.id:
        raise Refused(f"#{number} comes from a fork, to which workflows cannot commit", BY_HAND)
    if is_protected(api, head.ref, base.repo.default_branch):
        raise Refused(f"the branch of #{number} is protected", "make the change on another branch")
    return Branch(head.ref, head.sha)


def commit_lock(api: Api, number: int, sha: str, run: int) -> str:
    """Commit the rebuilt files of a run to a pull request; return the commit, or '' if unchanged.

    GitHub refuses if `sha` is no longer the head of the branch.

    Raises
    ------
    NotBelieved
        The run has other files than a lock and reports.
    Refused
        The pull request has changed, so that it may not be committed to.
    """
    files = artifact.unpack(
        artifact.download(api, run, NAME), lambda name: bool(MAY_COMMIT.fullmatch(name))
    )
    branch = head_to_rebuild(api, number)
    if branch.sha != sha:
        raise Refused(f"#{number} has a newer commit than {sha[:7]}", "run the workflow again")
    commit = put_files(api, branch, sha, files, HEADLINE)
    return "" if commit == sha else commit
