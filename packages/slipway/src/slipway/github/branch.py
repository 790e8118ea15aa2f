"""Commit files to a branch through the API, without losing commits.

A commit has one or two parents: the commit that the files were made from, and the old head of the
branch if it is another one. Nothing is force-pushed, so earlier commits stay in the history: the
comparison counts from there how often a holdout was used.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from slipway.errors import Refused, SlipwayError
from slipway.github.answers import Account, Answer, Commit, Comparison, GitObject, Pull, Rule, Tree
from slipway.github.api import Api

FILE = "100644"

PART = 100  # files in one request

# Of a tree: path, mode, type, and content or name of a blob.
Entry = dict[str, str | None]

# With a rule of these types, people cannot push to the branch either.
PROTECTING = {"merge_queue", "pull_request", "required_status_checks", "update"}

NOT_ALLOWED = (
    "the settings of this repository do not let workflows open pull requests",
    "allow it under Settings → Actions → General, or use a GitHub App (docs/github-settings.md)",
)


@dataclass(frozen=True)
class Branch:
    """A branch and its newest commit; the commit is empty if the branch does not exist."""

    name: str
    sha: str


class Reference(Answer):
    """A reference of git."""

    object: GitObject


class Protection(Answer):
    """Whether a branch has a protection of the kind before rulesets."""

    protected: bool


def find_branch(api: Api, name: str) -> Branch:
    """Return a branch and its newest commit."""
    reference = api.find(f"git/ref/heads/{name}")
    return Branch(name, Reference.of(reference).object.sha if reference else "")


def people_on(api: Api, branch: Branch, base: str) -> list[str]:
    """Return the authors, except bots, of the commits that a branch has and `base` does not."""
    if not branch.sha:
        return []
    compared = Comparison.of(api.get(f"compare/{base}...{branch.sha}"))
    # A merge of the default branch, as a button of GitHub makes it, adds no work.
    own = [commit for commit in compared.commits if len(commit.parents) < 2]
    authors = [commit.author or Account() for commit in own]
    people = (author.login or "an unknown user" for author in authors if author.type != "Bot")
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

    Nothing is committed if the branch contains `base` and has these files already. GitHub refuses
    if the branch has got a commit since.

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
    if is_protected(api, branch.name, api.itself().default_branch):
        raise Refused(
            f"the branch {branch.name} is protected",
            "remove the rule: a workflow commits the files of its own pull request there",
        )
    tree = _tree_with(api, base, files, modes or {})
    if branch.sha and _tree_of(api, branch.sha) == tree and _has(api, branch.sha, base):
        return branch.sha
    # The default branch comes first: compared with it, the commit changes only these files.
    # Compared with the old head it may change workflows, which the token of a job may not write.
    parents = list(dict.fromkeys(filter(None, (base, branch.sha))))
    made = api.post("git/commits", {"message": message, "tree": tree, "parents": parents})
    sha = GitObject.of(made).sha
    if branch.sha:
        api.patch(f"git/refs/heads/{quote(branch.name)}", {"sha": sha, "force": False})
    else:
        api.post("git/refs", {"ref": f"refs/heads/{branch.name}", "sha": sha})
    return sha


def is_protected(api: Api, branch: str, default: str) -> bool:
    """Return whether a branch is protected from direct pushes; the default branch always is."""
    name = quote(branch, safe="")
    rules = {rule.type for rule in Rule.each(api.get(f"rules/branches/{name}"))}
    found = api.find(f"branches/{name}")
    protected = found is not None and Protection.of(found).protected
    return branch == default or protected or bool(rules & PROTECTING)


def open_pull(api: Api, branch: Branch, title: str, body: str) -> str:
    """Open or update the pull request of a branch; return a message."""
    owner = api.repository.partition("/")[0]
    for pull in api.pages("pulls", state="open", head=f"{owner}:{branch.name}"):
        return update_pull(api, Pull.of(pull).number, title, body)
    return create_pull(api, branch, title, body)


def update_pull(api: Api, number: int, title: str, body: str) -> str:
    """Change title and text of a pull request; return a message."""
    updated = api.patch(f"pulls/{number}", {"title": title, "body": body})
    return f"updated {Pull.of(updated).html_url}"


def create_pull(api: Api, branch: Branch, title: str, body: str) -> str:
    """Open a pull request into the default branch; return a message.

    Raises
    ------
    SlipwayError
        GitHub refuses, for example because workflows may not open pull requests.
    """
    content = {"title": title, "head": branch.name, "body": body}
    try:
        made = api.post("pulls", content | {"base": api.itself().default_branch})
    except SlipwayError as error:
        if "not permitted to create" in str(error):
            raise SlipwayError(*NOT_ALLOWED) from None
        raise
    return f"opened {Pull.of(made).html_url}"


def _tree_with(
    api: Api, commit: str, files: Mapping[str, bytes | None], modes: Mapping[str, str]
) -> str:
    """Return the tree of a commit with these files; only those that differ are uploaded."""
    tree = _tree_of(api, commit)
    listed = Tree.of(api.get(f"git/trees/{tree}", recursive=1)).tree
    committed = {each.path: (each.mode, each.sha) for each in listed}
    entries: list[Entry] = []
    for name, content in sorted(files.items()):
        mode = modes.get(name, FILE)
        wanted = None if content is None else (mode, _name_of(content))
        if committed.get(name) != wanted:
            entries.append({"path": name, "mode": mode, "type": "blob", **_content(api, content)})
    for at in range(0, len(entries), PART):
        made = api.post("git/trees", {"base_tree": tree, "tree": entries[at : at + PART]})
        tree = GitObject.of(made).sha
    return tree


def _name_of(content: bytes) -> str:
    """Return the object name of a file's content in git."""
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _content(api: Api, content: bytes | None) -> Entry:
    """Return what a tree has of a file: text as it is, since each blob is a request."""
    if content is None:
        return {"sha": None}
    try:
        return {"content": content.decode("utf-8")}
    except UnicodeDecodeError:
        body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        return {"sha": GitObject.of(api.post("git/blobs", body)).sha}


def _tree_of(api: Api, commit: str) -> str:
    return Commit.of(api.get(f"commits/{commit}")).commit.tree.sha


def _has(api: Api, branch: str, base: str) -> bool:
    """Return whether a branch has every commit of the base."""
    return not Comparison.of(api.get(f"compare/{branch}...{base}")).commits
