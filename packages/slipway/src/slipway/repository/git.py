"""The only module that starts git.

Git sets variables for hooks and for `git rebase --exec`: ``GIT_DIR``, ``GIT_INDEX_FILE``,
``GIT_WORK_TREE`` and others direct every nested git to the user's repository. Here a command works
on the folder that it is given, runs no hook, and does not write an index that it only reads.
Imports only the standard library: a job starts `slipway.github.placeholder` before packages are
installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from slipway.errors import SlipwayError

# Variables of the user's identity, of access to remotes (a partial clone fetches missing objects)
# and of the user's configuration. All others name a repository, or change the behaviour of git.
KEPT = re.compile(
    r"GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL)"
    r"|GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|TERMINAL_PROMPT|PROXY_COMMAND)"
    r"|GIT_(SSL|PROXY_SSL)_\w+"
    r"|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)"
)

FILES_OF_SETTINGS = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")
BOOLEAN = re.compile(r"true|yes|on|1|false|no|off|0|", re.IGNORECASE)

# The same for settings in GIT_CONFIG_COUNT: container jobs set safe.directory there.
KEPT_SETTINGS = ("safe.", "user.", "author.", "committer.", "credential.", "http.", "url.", "ssh.")

# Hooks are for the user's own tree: DVC's hook checks out data, in a tree without a cache.
SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "gc.auto": "0",  # no background process in a folder that will be removed
    "maintenance.auto": "false",
    "log.showSignature": "false",
    "submodule.recurse": "false",
}

TRUST = re.compile(r"git config --global --add safe\.directory .+")

LINES_OF_REASON = 5

# Of every temporary folder.
PREFIX = "slipway-"


class GitError(SlipwayError):
    """git refused; the message ends with its own reason.

    Attributes
    ----------
    reason
        Git's standard error, without advice; may be empty.
    """

    def __init__(self, what: str, do: str, reason: str) -> None:
        super().__init__(what, do)
        self.reason = reason


def git(root: Path, *arguments: str, given: bytes = b"") -> str:
    """Run git in a folder and return its output as UTF-8; other bytes become surrogates.

    Parameters
    ----------
    given
        Its standard input.

    Raises
    ------
    GitError
        It failed.
    SlipwayError
        git is not installed, or the folder does not exist.
    """
    return output(root, *arguments, given=given).decode("utf-8", "surrogateescape")


def names(root: Path, *arguments: str) -> list[str]:
    """Return the file names that git lists with ``-z``, as the file system has them."""
    return [os.fsdecode(name) for name in output(root, *arguments).split(b"\0") if name]


def output(root: Path, *arguments: str, given: bytes = b"") -> bytes:
    """Run git in a folder and return its output as bytes; raises as `git` does."""
    settings = [part for pair in SETTINGS.items() for part in ("-c", "=".join(pair))]
    try:
        done = subprocess.run(
            ["git", *settings, *arguments],
            cwd=root,
            env=clean(os.environ) | {"LC_ALL": "C"},
            input=given,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as missing:
        if missing.filename != "git":
            raise SlipwayError(f"{root}: no such folder", "check the path") from None
        raise SlipwayError("git is not installed", "install it, then try again") from None
    if done.returncode:
        raise _error(root, arguments, done.returncode, done.stderr)
    return done.stdout


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which git works on the folder where it is started."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith("GIT_") or KEPT.fullmatch(name)
    }
    for name in FILES_OF_SETTINGS:
        if name in kept and not _is_readable(kept[name]):
            kept[name] = os.devnull  # for git, a missing file
    if not BOOLEAN.fullmatch(kept.get("GIT_CONFIG_NOSYSTEM", "")):
        del kept["GIT_CONFIG_NOSYSTEM"]
    settings = [*_kept_settings(environment), *SETTINGS.items()]
    for number, (key, value) in enumerate(settings):
        kept |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    # Reading must not write: `git status` and `git diff` refresh the index when they may.
    return kept | {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_OPTIONAL_LOCKS": "0"}


def resolve(root: Path, revision: str) -> str:
    """Return the full hash of a commit.

    Raises
    ------
    SlipwayError
        It does not exist, or the folder is not a repository; with git's reason.
    """
    require_repository(root)
    command = ("rev-parse", "--verify", "--quiet", "--end-of-options")
    try:
        return git(root, *command, f"{revision}^{{commit}}").strip()
    except (GitError, ValueError):  # ValueError: a NUL in the name
        raise SlipwayError(
            f"git knows no commit `{shown(revision)}`",
            "check the name, or `git fetch`; a shallow clone needs `git fetch --unshallow`",
        ) from None


def require_repository(root: Path) -> None:
    """Refuse a folder that is not a repository, with git's reason and the fix."""
    try:
        git(root, "rev-parse", "--git-dir")
    except GitError as error:
        raise SlipwayError(f"{root.resolve()}: {error.reason}", error.do) from None


def read_file(root: Path, commit: str, name: str) -> str | None:
    """Return the text of a file in a commit; None if the commit or the file does not exist."""
    try:
        return git(root, "show", f"{commit}:{name}")
    except GitError:
        return None


@contextmanager
def worktree(root: Path, commit: str) -> Iterator[Path]:
    """Yield a temporary checkout of a commit."""
    _forget_leftovers(root)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        tree = Path(folder) / "tree"
        try:
            git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit)
            yield tree
        finally:
            _forget(root, tree)


def shown(name: str) -> str:
    r"""Return a name as text that can be printed and stored; bytes that are not UTF-8 as \xe9."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _forget(root: Path, tree: Path) -> None:
    with suppress(GitError):  # it was never registered
        git(root, "worktree", "remove", "--force", str(tree))


def _forget_leftovers(root: Path) -> None:
    """Unregister the trees of killed runs, whose folders do not exist any more."""
    for line in git(root, "worktree", "list", "--porcelain").splitlines():
        tree = Path(line.removeprefix("worktree "))
        ours = line.startswith("worktree ") and tree.parent.name.startswith(PREFIX)
        if ours and not tree.exists():
            _forget(root, tree)


@cache
def _is_readable(settings: str) -> bool:
    """Return whether git can read a settings file; else every command fails."""
    command = ["git", "config", "--file", settings, "--list"]
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    return not subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def _kept_settings(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    count = environment.get("GIT_CONFIG_COUNT", "")
    for number in range(int(count) if count.isascii() and count.isdigit() else 0):
        key = environment.get(f"GIT_CONFIG_KEY_{number}")
        value = environment.get(f"GIT_CONFIG_VALUE_{number}")
        if key is None or value is None:
            return
        if key.lower().startswith(KEPT_SETTINGS):
            yield key, value


def _error(root: Path, arguments: tuple[str, ...], code: int, stderr: bytes) -> GitError:
    text = stderr.decode("utf-8", "backslashreplace").strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    reason = "; ".join((marked or lines)[:LINES_OF_REASON]).removeprefix("fatal: ")
    command = shown(" ".join(["git", *arguments]))
    what = f"{root.resolve()}: `{command}` failed with exit code {code}"
    return GitError(f"{what}: {reason}" if reason else what, _advice(text), reason)


def _advice(text: str) -> str:
    if trust := TRUST.search(text):
        return f"if you trust that folder: `{trust.group().strip()}` (usual in container jobs)"
    if "not a git repository" in text:
        return "go to your clone"
    return "fix what git reports, then try again"
