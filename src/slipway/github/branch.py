"""Put files on a branch of our own, on top of the default branch, without losing anybody's work.

A commit has two parents: what the branch was, and the commit of the default branch that the files
were made from. Nothing is ever forced, so what was on the branch stays in its history; the judge
counts the looks at a holdout from there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.errors import Refused, SlipwayError
from slipway.github.api import Api
from slipway.github.lock import is_protected

FILE = "100644"

NOT_ALLOWED = (
    "GitHub does not let workflows open pull requests here",
    "docs/watch.md: allow it under Settings → Actions → General, or use a GitHub App",
)


@dataclass(frozen=True)
class Branch:
    """A branch by its name, and its newest commit; empty where there is no such branch."""

    name: str
    sha: str


def find_branch(api: Api, name: str) -> Branch:
    """Return the branch as it is."""
    found = api.find(f"git/ref/heads/{name}")
    return Branch(name, found["object"]["sha"] if found else "")


def people_on(api: Api, branch: Branch, base: str) -> list[str]:
    """Return who, besides bots, has committed to a branch what `base` does not have."""
    if not branch.sha:
        return []
    compared = api.get(f"compare/{base}...{branch.sha}")
    # A merge of the default branch, which one button of GitHub makes, is nobody's work.
    own = [commit for commit in compared["commits"] if len(commit["parents"]) < 2]
    authors = [commit["author"] or {"login": "somebody"} for commit in own]
    people = (author["login"] for author in authors if author.get("type") != "Bot")
    return list(dict.fromkeys(people))


def put_files(api: Api, branch: Branch, base: str, files: Mapping[str, bytes], message: str) -> str:
    """Commit files, on top of `base`, to a branch; return its newest commit.

    Raises
    ------
    Refused
        The branch is protected.
    """
    if is_protected(api, branch.name, api.itself()["default_branch"]):
        raise Refused(
            f"the branch {branch.name} is protected",
            "take the rule off it: a workflow puts the files of its own pull request there",
        )
    tree = api.post("git/trees", {"base_tree": _tree_of(api, base), "tree": _entries(api, files)})
    if branch.sha and _tree_of(api, branch.sha) == tree["sha"] and _has(api, branch.sha, base):
        return branch.sha
    # The default branch first: against it the commit changes these files and no other. Against the
    # old branch it may bring workflows along, which a job's token may not write.
    parents = list(dict.fromkeys(filter(None, (base, branch.sha))))
    made = api.post("git/commits", {"message": message, "tree": tree["sha"], "parents": parents})
    sha = str(made["sha"])
    if branch.sha:
        api.patch(f"git/refs/heads/{branch.name}", {"sha": sha, "force": False})
    else:
        api.post("git/refs", {"ref": f"refs/heads/{branch.name}", "sha": sha})
    return sha


def open_pull(api: Api, branch: Branch, title: str, body: str) -> str:
    """Open the pull request of a branch, or bring the open one up to date; return what was done."""
    owner = api.repository.partition("/")[0]
    for pull in api.pages("pulls", state="open", head=f"{owner}:{branch.name}"):
        updated = api.patch(f"pulls/{pull['number']}", {"title": title, "body": body})
        return f"updated {updated['html_url']}"
    return create_pull(api, branch, title, body)


def create_pull(api: Api, branch: Branch, title: str, body: str) -> str:
    """Open a pull request into the default branch; return what was done.

    Raises
    ------
    SlipwayError
        GitHub refuses, or its settings do not let workflows open one.
    """
    content = {"title": title, "head": branch.name, "body": body}
    try:
        made = api.post("pulls", content | {"base": api.itself()["default_branch"]})
    except SlipwayError as error:
        if "not permitted to create" in str(error):
            raise SlipwayError(*NOT_ALLOWED) from None
        raise
    return f"opened {made['html_url']}"


def _entries(api: Api, files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    return [
        {"path": name, "mode": FILE, "type": "blob", "sha": _blob(api, content)}
        for name, content in sorted(files.items())
    ]


def _blob(api: Api, content: bytes) -> str:
    body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
    return str(api.post("git/blobs", body)["sha"])


def _tree_of(api: Api, commit: str) -> str:
    return str(api.get(f"commits/{commit}")["commit"]["tree"]["sha"])


def _has(api: Api, branch: str, base: str) -> bool:
    """Return whether a branch has everything that the base has."""
    return not api.get(f"compare/{branch}...{base}")["commits"]
