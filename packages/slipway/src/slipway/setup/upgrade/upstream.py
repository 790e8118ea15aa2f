"""Upstream's commits, fetched to refs of their own, and the version that a fork was made from.

They are never merged into the history of the fork: `refs/slipway/` is not pushed, cloned or shown
by `git branch`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.repository.git import GitError, git, read_file
from slipway.repository.layout import MACHINE
from slipway.setup.upgrade.record import read_section

REFS = "refs/slipway"
TAGS, HEADS, HEAD = f"{REFS}/tags", f"{REFS}/heads", f"{REFS}/HEAD"

RELEASE = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
COMMIT = re.compile(r"[0-9a-f]{7,40}")

NUMBER = f"{MACHINE}/pyproject.toml"

UNKNOWN = "it is not known which version of the template this repository was made from"
FIND_IT = (
    'add its commit to pyproject.toml, under [tool.slipway]: template = "COMMIT" '
    "(`git log refs/slipway/HEAD` lists them); a shallow clone needs `git fetch --unshallow`"
)


@dataclass(frozen=True)
class Version:
    """A version of upstream.

    Attributes
    ----------
    commit
        Its full hash.
    number
        The version of the package, such as 0.3.0.
    tag
        Its release; empty if it is a branch or a commit.
    """

    commit: str
    number: str
    tag: str = ""

    @property
    def name(self) -> str:
        return self.tag or f"{self.number}-{self.commit[:7]}"


def fetch(root: Path, address: str) -> None:
    """Fetch all branches and tags of upstream.

    Raises
    ------
    SlipwayError
        It cannot be reached; with git's reason.
    """
    refs = [f"+HEAD:{HEAD}", f"+refs/heads/*:{HEADS}/*", f"+refs/tags/*:{TAGS}/*"]
    options = ("--quiet", "--no-tags", "--prune", "--no-write-fetch-head", "--end-of-options")
    try:
        git(root, "fetch", *options, address, *refs)
    except GitError as error:
        raise SlipwayError(
            f"upstream {address} cannot be fetched: {error.reason}",
            "check the network, your access, and `upstream` in pyproject.toml",
        ) from None


def find_version(root: Path, wanted: str) -> Version:
    """Return a version by its tag, number, branch or commit; by default the newest release.

    Raises
    ------
    SlipwayError
        Upstream has no such version, or it is older than the package's folder.
    """
    tags = {name.removeprefix(f"{TAGS}/"): name for name in _refs(root, TAGS)}
    releases = sorted((key, tag) for tag in tags if (key := _release(tag)))
    if not wanted:
        newest = releases[-1][1] if releases else ""
        return _version(root, tags.get(newest, HEAD), newest)
    for tag in (wanted, f"v{wanted}"):
        if tag in tags:
            return _version(root, tags[tag], tag)
    if f"{HEADS}/{wanted}" in _refs(root, HEADS):
        return _version(root, f"{HEADS}/{wanted}")
    if COMMIT.fullmatch(wanted) and is_upstream(root, wanted):
        return _version(root, wanted)
    known = ", ".join(tag for _, tag in releases[-5:]) or "none"
    raise SlipwayError(
        f"upstream has no version {wanted}",
        f"name a release (newest: {known}), a branch or a commit of upstream",
    )


def is_upstream(root: Path, commit: str) -> bool:
    """Return whether a commit is on a branch or tag of upstream."""
    try:
        return bool(git(root, "for-each-ref", "--count=1", f"--contains={commit}", REFS))
    except GitError:  # it does not exist
        return False


def is_ancestor(root: Path, older: str, newer: str) -> bool:
    """Return whether a commit is another one, or in its history."""
    return git(root, "rev-list", "--max-count=1", older, f"^{newer}") == ""


def find_base(root: Path, recorded: str, version: Version, wheel: str) -> str:
    """Return the commit of upstream that the files of a fork come from.

    It is, in this sequence: the recorded one, or a newer one that was merged since; the newest
    common commit; for a copy without a common history, the commit with the files of the copy's
    first commit, else the newest one with the copy's package; the release of the wheel.

    Raises
    ------
    SlipwayError
        It cannot be found.
    """
    common = _common(root, version.commit)
    if recorded:
        if not COMMIT.fullmatch(recorded) or not is_upstream(root, recorded):
            raise SlipwayError(
                f"pyproject.toml: upstream has no commit {recorded}, which `template` names",
                "name the commit of upstream that this repository was made from",
            )
        return common if common and is_ancestor(root, recorded, common) else recorded
    found = common or _same_files(root) or _same_package(root) or _release_of(root, wheel)
    if not found:
        raise SlipwayError(UNKNOWN, FIND_IT)
    return found


def _common(root: Path, commit: str) -> str:
    try:
        return git(root, "merge-base", "HEAD", commit).strip()
    except GitError:
        return ""


def _same_files(root: Path) -> str:
    """Return the newest commit with all files of a first commit of the fork, as a copy has."""
    trees = [line.split() for line in _history(root, "%T %H")]
    first = set(git(root, "log", "--max-parents=0", "--format=%T", "HEAD").split())
    return next((commit for tree, commit in trees if tree in first), "")


def _same_package(root: Path) -> str:
    """Return the newest commit with the fork's folder of the package."""
    commits = ["HEAD", *_history(root, "%H")]
    given = "".join(f"{commit}:{MACHINE}\n" for commit in commits).encode()
    own, *others = git(root, "cat-file", "--batch-check=%(objectname)", given=given).splitlines()
    if own.endswith(" missing"):
        return ""
    pairs = zip(commits[1:], others, strict=True)
    return next((commit for commit, tree in pairs if tree == own), "")


def _release_of(root: Path, wheel: str) -> str:
    found = re.search(r"slipway_ml-(\d+\.\d+\.\d+)", wheel)
    try:
        return find_version(root, found[1]).commit if found else ""
    except SlipwayError:
        return ""


def _history(root: Path, form: str) -> list[str]:
    return git(root, "log", f"--format={form}", f"--glob={REFS}/*").splitlines()


def _refs(root: Path, below: str) -> list[str]:
    return git(root, "for-each-ref", "--format=%(refname)", below).split()


def _release(tag: str) -> tuple[int, ...]:
    found = RELEASE.fullmatch(tag)
    return tuple(map(int, found.groups())) if found else ()


def _version(root: Path, revision: str, tag: str = "") -> Version:
    commit = git(root, "rev-parse", "--verify", f"{revision}^{{commit}}").strip()
    text = read_file(root, commit, NUMBER)
    if text is None:
        raise SlipwayError(
            f"{tag or commit[:7]} of upstream has no {NUMBER}", "name a newer version"
        )
    return Version(commit, str(read_section(text, "project")["version"]), tag)
