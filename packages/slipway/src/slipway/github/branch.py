"""Commit files to a branch of a workflow, on top of the default branch, without losing commits.

A commit has two parents: the commit of the default branch that the files were made from, and the
old head of the branch. Nothing is force-pushed, so earlier commits stay in the history: the
comparison counts from there how often a holdout was used.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from slipway.errors import Refused, SlipwayError
from slipway.github.api import Api
from slipway.github.lock import is_protected

FILE = "100644"

PART = 100  # files in one request

# Of a tree: path, mode, type, and content or name of a blob.
Entry = dict[str, str | None]

NOT_ALLOWED = (
    "the settings of this repository do not let workflows open pull requests",
    "allow it under Settings → Actions → General, or use a GitHub App (docs/watch.md)",
)


@dataclass(frozen=True)
class Branch:
    """A branch and its newest commit; the commit is empty if the branch does not exist."""

    name: str
    sha: str


def find_branch(api: Api, name: str) -> Branch:
    """Return a branch and its newest commit."""
    reference = api.find(f"git/ref/heads/{name}")
    return Branch(name, reference["object"]["sha"] if reference else "")


def people_on(api: Api, branch: Branch, base: str) -> list[str]:
    """Return the authors, except bots, of the commits that a branch has and `base` does not."""
    if not branch.sha:
        return []
    compared = api.get(f"compare/{base}...{branch.sha}")
    # A merge of the default branch, as a button of GitHub makes it, adds no work.
    own = [commit for commit in compared["commits"] if len(commit["parents"]) < 2]
    authors = [commit["author"] or {"login": "an unknown user"} for commit in own]
    people = (author["login"] for author in authors if author.get("type") != "Bot")
    return list(dict.fromkeys(people))


def put_files(
    api: Api,
    branch: Branch,
    base: str,
    files: Mapping[str, bytes | None],
    message: str,
    modes: Mapping[str, str] | None = None,
) -> str:
    """Commit files, on top of `base`, to a branch; return its newest commit.

    Parameters
    ----------
    files
        Contents by path; None removes a file.
    modes
        Of those that are no ordinary files.

    Raises
    ------
    Refused
        The branch is protected.
    """
    if is_protected(api, branch.name, api.itself()["default_branch"]):
        raise Refused(
            f"the branch {branch.name} is protected",
            "remove the rule: a workflow commits the files of its own pull request there",
        )
    tree = _make_tree(api, _tree_of(api, base), _entries(api, files, modes or {}))
    if branch.sha and _tree_of(api, branch.sha) == tree and _has(api, branch.sha, base):
        return branch.sha
    # The default branch comes first: compared with it, the commit changes only these files.
    # Compared with the old head it may change workflows, which the token of a job may not write.
    parents = list(dict.fromkeys(filter(None, (base, branch.sha))))
    made = api.post("git/commits", {"message": message, "tree": tree, "parents": parents})
    sha = str(made["sha"])
    if branch.sha:
        api.patch(f"git/refs/heads/{branch.name}", {"sha": sha, "force": False})
    else:
        api.post("git/refs", {"ref": f"refs/heads/{branch.name}", "sha": sha})
    return sha


def open_pull(api: Api, branch: Branch, title: str, body: str) -> str:
    """Open or update the pull request of a branch; return a message."""
    owner = api.repository.partition("/")[0]
    for pull in api.pages("pulls", state="open", head=f"{owner}:{branch.name}"):
        updated = api.patch(f"pulls/{pull['number']}", {"title": title, "body": body})
        return f"updated {updated['html_url']}"
    return create_pull(api, branch, title, body)


def create_pull(api: Api, branch: Branch, title: str, body: str) -> str:
    """Open a pull request into the default branch; return a message.

    Raises
    ------
    SlipwayError
        GitHub refuses, for example because workflows may not open pull requests.
    """
    content = {"title": title, "head": branch.name, "body": body}
    try:
        made = api.post("pulls", content | {"base": api.itself()["default_branch"]})
    except SlipwayError as error:
        if "not permitted to create" in str(error):
            raise SlipwayError(*NOT_ALLOWED) from None
        raise
    return f"opened {made['html_url']}"


def _make_tree(api: Api, base: str, entries: list[Entry]) -> str:
    """Return a tree with the entries changed; a request has a part of them."""
    for at in range(0, len(entries), PART):
        made = api.post("git/trees", {"base_tree": base, "tree": entries[at : at + PART]})
        base = str(made["sha"])
    return base


def _entries(api: Api, files: Mapping[str, bytes | None], modes: Mapping[str, str]) -> list[Entry]:
    return [
        {"path": name, "mode": modes.get(name, FILE), "type": "blob", **_content(api, content)}
        for name, content in sorted(files.items())
    ]


def _content(api: Api, content: bytes | None) -> Entry:
    """Return what a tree has of a file: text as it is, since each blob is a request."""
    if content is None:
        return {"sha": None}
    try:
        return {"content": content.decode("utf-8")}
    except UnicodeDecodeError:
        body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        return {"sha": str(api.post("git/blobs", body)["sha"])}


def _tree_of(api: Api, commit: str) -> str:
    return str(api.get(f"commits/{commit}")["commit"]["tree"]["sha"])


def _has(api: Api, branch: str, base: str) -> bool:
    """Return whether a branch has every commit of the base."""
    return not api.get(f"compare/{branch}...{base}")["commits"]
