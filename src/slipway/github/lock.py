"""Commit a rebuilt lock to the branch of a pull request.

The rebuild runs the pull request's code, so it runs in a job that may only read. This is the
job that may write: it runs trusted code, and takes the files from the other as mere bytes.
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

# A rule of these kinds means that people do not push to the branch either.
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
    """Return the newest commit of a pull request whose lock may be committed for its author.

    Raises
    ------
    Refused
        It is closed, it comes from a fork, or its branch is protected; says what to do.
    """
    pull = api.get(f"pulls/{number}")
    head, base = pull["head"], pull["base"]
    if pull["state"] != "open":
        raise Refused(f"#{number} is {pull['state']}", "reopen it, then press the button again")
    if not head["repo"] or head["repo"]["id"] != base["repo"]["id"]:
        raise Refused(f"#{number} comes from a fork, where nobody else can commit", BY_HAND)
    if is_protected(api, head["ref"], base["repo"]["default_branch"]):
        raise Refused(
            f"the branch of #{number} is protected", "make the change on a branch of its own"
        )
    return str(head["sha"])


def commit_lock(api: Api, number: int, sha: str, run: int) -> str:
    """Commit what a run rebuilt to the branch of a pull request; return the new commit, or ''.

    GitHub refuses if the branch has moved on from `sha`.

    Raises
    ------
    NotBelieved
        The run left other files than a lock and reports.
    Refused
        The pull request may no longer be committed to.
    """
    files = artifact.unpack(
        artifact.download(api, run, NAME), lambda name: bool(MAY_COMMIT.fullmatch(name))
    )
    if head_to_rebuild(api, number) != sha:
        raise Refused(f"#{number} has a newer commit than {sha[:7]}", "press the button again")
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
    """Return whether people do not push to a branch directly; `default` is one of those."""
    from urllib.parse import quote

    name = quote(branch, safe="")
    rules = {rule["type"] for rule in api.get(f"rules/branches/{name}")}
    known = api.find(f"branches/{name}") or {"protected": False}
    return bool(branch == default or known["protected"] or rules & PROTECTING)


def _changed(api: Api, sha: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files that the commit does not have as they are."""
    tree: list[dict[str, Any]] = api.get(f"git/trees/{sha}", recursive=1)["tree"]
    known = {entry["path"]: entry["sha"] for entry in tree if entry["type"] == "blob"}
    return {name: text for name, text in files.items() if known.get(name) != _blob(text)}


def _blob(content: bytes) -> str:
    """Return the name that git gives to a file's content."""
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
