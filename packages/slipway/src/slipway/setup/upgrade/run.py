"""`slipway upgrade`: plan it in memory, write it to a branch, lock, set up and check.

After the files are written, this process runs the code of the old version while its files are
those of the new one: nothing may be imported from then on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request as Asked
from urllib.request import urlopen

from slipway.errors import Refused, SlipwayError
from slipway.numbers import counted
from slipway.progress import spinner
from slipway.repository.git import GitError, git, names, read_file, require_repository
from slipway.repository.layout import MACHINE
from slipway.repository.worktrees import environment
from slipway.setup.upgrade import params, upstream
from slipway.setup.upgrade.changelog import news
from slipway.setup.upgrade.changes import Trees, make_changes
from slipway.setup.upgrade.merge import Change, Kind, Tree, write
from slipway.setup.upgrade.record import FILE, SOURCE, WHEEL, Record, read_record
from slipway.setup.upgrade.upstream import Version

CHANGELOG = f"{MACHINE}/CHANGELOG.md"

BRANCHES = "upgrade/"

LOCKED = ("*.lock", "machine.yaml")

SECONDS = 30


@dataclass(frozen=True)
class Request:
    """What the user asks for; empty: as recorded, and the newest release.

    Attributes
    ----------
    version
        A release, a branch or a commit of upstream.
    upstream
        Its address.
    wheel
        Address of the released package of that version.
    """

    version: str = ""
    upstream: str = ""
    wheel: str = ""


@dataclass(frozen=True)
class Upgrade:
    """What would be done.

    Attributes
    ----------
    old
        Name of the version that the fork has.
    news
        What the changelog has about the versions in between.
    invalid
        Why the running version refuses params.yaml; empty if it does not.
    up_to_date
        Why there is nothing to do; empty if there is.
    """

    old: str
    version: Version
    news: str = ""
    changes: tuple[Change, ...] = ()
    needs_lock: bool = False
    invalid: str = ""
    up_to_date: str = ""

    @property
    def branch(self) -> str:
        return f"{BRANCHES}{self.version.name}"

    @property
    def conflicts(self) -> list[str]:
        return [change.path for change in self.changes if change.kind is Kind.CONFLICT]


def plan_upgrade(root: Path, request: Request) -> Upgrade:
    """Fetch upstream and merge in memory; write nothing but refs of upstream.

    Raises
    ------
    SlipwayError
        This is not a fork of the template, upstream cannot be reached, a version is not known, or
        the version is older than what the fork has.
    """
    project = _require_fork(root)
    record = read_record(project)
    address = request.upstream or record.upstream or _remote(root)
    if not address:
        raise SlipwayError(
            "the address of upstream is not known",
            'add it to pyproject.toml, under [tool.slipway]: upstream = "https://…"; or --upstream',
        )
    with spinner("Fetching upstream"):
        upstream.fetch(root, address)
    version = upstream.find_version(root, request.version)
    old_wheel = _wheel(project)
    base = upstream.find_base(root, record.template, version, old_wheel)
    if version.commit == base or upstream.is_ancestor(root, version.commit, base):
        return _nothing_to_do(root, base, version, request.version)
    wheel = _new_wheel(old_wheel, version, request.wheel)
    with spinner("Merging"):
        trees = Trees(*(Tree(root, commit) for commit in (base, "HEAD", version.commit)))
        changes = make_changes(root, trees, Record(address, version.commit), version.name, wheel)
    texts = (read_file(root, commit, CHANGELOG) or "" for commit in (base, version.commit))
    files = tuple(changes.files)
    invalid = _invalid_params(root, files)
    return Upgrade(_name(root, base), version, news(*texts), files, changes.needs_lock, invalid)


def _invalid_params(root: Path, changes: Sequence[Change]) -> str:
    made = {change.path: change.result for change in changes}.get(params.NAME)
    text = made.content.decode("utf-8", "surrogateescape") if made else None
    text = text or read_file(root, "HEAD", params.NAME)
    return params.invalid_here(text) if text else ""


def _require_fork(root: Path) -> str:
    """Return pyproject.toml, which a fork of the template has in its root.

    Raises
    ------
    SlipwayError
        This is another repository, or a folder below its root.
    """
    require_repository(root)
    if git(root, "rev-parse", "--show-prefix").strip():
        raise SlipwayError("this is a folder of a repository", "go to its root")
    project = read_file(root, "HEAD", FILE)
    if project is None or "slipway" not in project:
        raise SlipwayError(
            f"this repository is not a fork of the template: {FILE} does not use slipway",
            "go to the root of a fork, whose files are committed",
        )
    return project


def _remote(root: Path) -> str:
    """Return the address of the remote `upstream`, as many forks have it."""
    try:
        return git(root, "remote", "get-url", "upstream").strip()
    except GitError:
        return ""


def _nothing_to_do(root: Path, base: str, version: Version, wanted: str) -> Upgrade:
    old = _name(root, base)
    if version.commit == base:
        done = Upgrade(old, version, up_to_date=f"already at {version.name}")
        if _current_branch(root) == done.branch:
            steps = "if the upgrade was interrupted: `make lock`, `make setup`, `make check`"
            return replace(done, up_to_date=f"{done.up_to_date}; {steps}")
        return done
    if wanted:
        raise SlipwayError(
            f"{version.name} is older than {old}, which this repository has",
            "name a newer version; to go back, revert the merge of the upgrade",
        )
    return Upgrade(old, version, up_to_date=f"already at {old}, newer than {version.name}")


def _name(root: Path, commit: str) -> str:
    tags = git(root, "for-each-ref", "--format=%(refname:lstrip=3)", f"--points-at={commit}",
               upstream.TAGS).split()  # fmt: skip
    return tags[0] if tags else commit[:7]


def _wheel(project: str) -> str:
    line = SOURCE.search(project)
    found = WHEEL.search(line[0]) if line else None
    return found[1].partition("#")[0] if found else ""


def _new_wheel(old: str, version: Version, given: str) -> str:
    """Return the address of the released package, for a fork that uses one.

    Raises
    ------
    SlipwayError
        There is no package of that version, or the fork uses the folder.
    """
    if not old:
        if given:
            raise SlipwayError(
                f"--wheel {given}: this repository uses the folder {MACHINE}",
                "leave the option out, or see docs/upgrade.md for how to use a release",
            )
        return ""
    number = old.rpartition("/slipway_ml-")[2].partition("-")[0]
    wheel = given or old.replace(number, version.number)
    if not given and not version.tag:
        raise SlipwayError(
            f"{version.name} is not a release, and this repository uses the released package {old}",
            "name a release; or build its package, and add --wheel URL",
        )
    if not _exists(wheel):
        raise SlipwayError(
            f"the package of {version.name} is not at {wheel}",
            "name a version that has one, or its address: --wheel URL",
        )
    return wheel


def _exists(url: str) -> bool:
    try:
        with urlopen(Asked(url, method="HEAD"), timeout=SECONDS):  # noqa: S310 - the user's own
            return True
    except HTTPError:
        return False
    except (URLError, OSError, ValueError) as error:
        raise SlipwayError(f"{url} cannot be reached: {error}", "check the address") from None


def write_upgrade(root: Path, upgrade: Upgrade) -> None:
    """Write the changes to a new branch, and commit them if there is no conflict.

    Raises
    ------
    SlipwayError
        Nothing was written: files are not committed, HEAD is detached, the branch exists.
    Refused
        Files have conflicts, which are left to the user, uncommitted.
    """
    require_clean(root)
    before = _current_branch(root)
    # An interrupted run has made the branch and written nothing: it is continued.
    is_continued = before == upgrade.branch
    _require_free(root, upgrade, is_continued=is_continued)
    if not is_continued:
        git(root, "switch", "--quiet", "--create", upgrade.branch)
    write(root, upgrade.changes)
    if upgrade.conflicts:
        lock = "make lock, " if upgrade.needs_lock else ""
        raise Refused(
            f"{_count(upgrade.conflicts)} with conflicts: {', '.join(upgrade.conflicts)}",
            f"nothing is committed yet. Edit these files, `git add` them, `git commit`; then {lock}"
            f"make setup, make check. To undo: git switch --force "
            f"{'YOUR-BRANCH' if is_continued else before} && git branch -D {upgrade.branch}",
        )
    git(root, "commit", "--quiet", "--message", f"Upgrade slipway to {upgrade.version.name}")


def require_clean(root: Path) -> None:
    """Refuse to write where work could be lost.

    Raises
    ------
    SlipwayError
        Names the files that are not committed, or that no branch is checked out.
    """
    require_repository(root)
    changed = names(root, "status", "--porcelain", "-z", "--untracked-files=all")
    branch = _current_branch(root)
    if changed:
        shown = ", ".join(line[3:] for line in changed[:5])
        raise SlipwayError(
            f"not committed: {shown}" + (" and more" if len(changed) > 5 else ""),
            f"resolve the conflicts of this upgrade and commit it. If it was interrupted, undo it: "
            f"`git switch --force YOUR-BRANCH`, `git branch -D {branch}`, and run it again"
            if branch.startswith(BRANCHES)
            else "commit or remove these changes: an upgrade is a commit of its own",
        )
    if not branch:
        raise SlipwayError("HEAD is detached", "`git switch` to a branch")


def _current_branch(root: Path) -> str:
    """Return the branch that is checked out; empty if HEAD is detached."""
    return git(root, "branch", "--show-current").strip()


def _require_free(root: Path, upgrade: Upgrade, *, is_continued: bool) -> None:
    """Refuse to replace another branch, or files that git ignores."""
    if not is_continued and git(root, "for-each-ref", f"refs/heads/{upgrade.branch}"):
        raise SlipwayError(
            f"the branch {upgrade.branch} exists",
            f"`git switch {upgrade.branch}` and run it again; or remove it: "
            f"`git branch -D {upgrade.branch}`",
        )
    added = (change.path for change in upgrade.changes if change.kind is Kind.ADDED)
    if ignored := [path for path in added if (root / path).is_file()]:
        raise SlipwayError(
            f"not tracked, and would be replaced: {', '.join(ignored[:5])}", "move these files away"
        )


def check(root: Path, upgrade: Upgrade) -> None:
    """Compile the locks if needed and commit them, set up and check; show the output.

    Raises
    ------
    Refused
        A target of make fails, or the new version refuses params.yaml; the merge is committed.
    """
    if upgrade.needs_lock:
        _make(root, "lock")
        git(root, "add", "--update", "--", *LOCKED)
        if git(root, "diff", "--cached", "--name-only"):
            git(root, "commit", "--quiet", "--message", "Lock the packages")
    _make(root, "setup")
    if invalid := params.invalid_when_installed(root):
        raise Refused(
            f"{upgrade.version.name} refuses the settings of this repository: {invalid}",
            "the upgrade is committed; correct the file, commit it, and run `make check`",
        )
    _make(root, "check")


def _make(root: Path, target: str) -> None:
    sys.stdout.write(f"make {target}\n")
    sys.stdout.flush()
    done = subprocess.run(["make", target], cwd=root, env=environment(root), check=False)
    if done.returncode:
        raise Refused(
            f"`make {target}` failed, after the upgrade was committed",
            f"fix what it reports, commit, and run `make {target}` again",
        )


def _count(paths: Sequence[str]) -> str:
    return counted(len(paths), "file")
