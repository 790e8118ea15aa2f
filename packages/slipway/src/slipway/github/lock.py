"""Commit a rebuilt lock to the branch of a pull request.

The rebuild runs the pull request's code in a job that may only read. This module runs in another
job, which may write: it runs trusted code, and reads the files of the first job as bytes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from typing import Any

from slipway.errors import Refused
from slipway.github import artifact
from slipway.github.api import Api

NAME = "lock"

# Nothing else may be committed: no code, no parameter, no workflow.
MAY_COMMIT = re.compile(r"dvc\.lock|reports/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\.(json|csv)")

# With a rule of these types, people cannot push to the branch either.
PROTECTING = {"merge_queue", "pull_request", "required_status_checks", "update"}

BY_HAND = """\
In a clone of the fork, on the branch of the pull request:

    make setup data
    .venv/bin/dvc repro
    git add dvc.lock reports
    git commit -m "Rebuild dvc.lock and reports"
    git push
"""

COMMIT = """\
mutation($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}
"""


def head_to_rebuild(api: Api, number: int) -> str:
    """Return the newest commit of a pull request whose lock a workflow may commit.

    Raises
    ------
    Refused
        It is closed, comes from a fork, or has a protected branch.
    """
    pull = api.get(f"pulls/{number}")
    head, base = pull["head"], pull["base"]
    if pull["state"] != "open":
        raise Refused(f"#{number} is {pull['state']}", "reopen it, then run the workflow again")
    if not head["repo"] or head["repo"]["id"] != base["repo"]["id"]:
        raise Refused(f"#{number} comes from a fork, to which workflows cannot commit", BY_HAND)
    if is_protected(api, head["ref"], base["repo"]["default_branch"]):
        raise Refused(f"the branch of #{number} is protected", "make the change on another branch")
    return str(head["sha"])


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
    if head_to_rebuild(api, number) != sha:
        raise Refused(f"#{number} has a newer commit than {sha[:7]}", "run the workflow again")
    changed = _changed(api, sha, files)
    if not changed:
        return ""
    pull = api.get(f"pulls/{number}")
    done = api.graphql(
        os.environ["GITHUB_GRAPHQL_URL"],
        COMMIT,
        {
            "input": {
                "branch": {
                    "repositoryNameWithOwner": api.repository,
                    "branchName": pull["head"]["ref"],
                },
                "expectedHeadOid": sha,
                "message": {"headline": "Rebuild dvc.lock and reports"},
                "fileChanges": {
                    "additions": [
                        {"path": name, "contents": base64.b64encode(content).decode()}
                        for name, content in sorted(changed.items())
                    ]
                },
            }
        },
    )
    return str(done["createCommitOnBranch"]["commit"]["oid"])


def is_protected(api: Api, branch: str, default: str) -> bool:
    """Return whether a branch is protected from direct pushes; the default branch always is."""
    from urllib.parse import quote

    name = quote(branch, safe="")
    rules = {rule["type"] for rule in api.get(f"rules/branches/{name}")}
    settings = api.find(f"branches/{name}") or {"protected": False}
    return bool(branch == default or settings["protected"] or rules & PROTECTING)


def _changed(api: Api, sha: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files that differ from those of the commit."""
    tree: list[dict[str, Any]] = api.get(f"git/trees/{sha}", recursive=1)["tree"]
    committed = {entry["path"]: entry["sha"] for entry in tree if entry["type"] == "blob"}
    return {name: text for name, text in files.items() if committed.get(name) != _blob(text)}


def _blob(content: bytes) -> str:
    """Return the object name of a file's content in git."""
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
