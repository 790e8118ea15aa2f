"""git works on the folder that it is given, whatever git itself has put into the environment."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.comparison.champion import tree_of
from slipway.errors import SlipwayError
from slipway.repository.git import clean, git, names, read_file, resolve, shown
from slipway.repository.worktrees import copy_of_worktree

SOURCE = Path(__file__).parents[2] / "src/slipway"

CONTENT = "what the commit has\n"

# What git documents as deciding what it works on, what it runs, or what it writes.
VARIABLES = re.findall(
    r"\w+",
    """
GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_NAMESPACE
GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CEILING_DIRECTORIES GIT_PREFIX GIT_TEMPLATE_DIR
GIT_DEFAULT_HASH GIT_EXEC_PATH GIT_INTERNAL_SUPER_PREFIX GIT_SHALLOW_FILE GIT_GRAFT_FILE
GIT_CONFIG GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_CONFIG_NOSYSTEM
GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT
GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 GIT_ATTR_SOURCE GIT_ATTR_NOSYSTEM GIT_EXTERNAL_DIFF
GIT_DIFF_OPTS GIT_PAGER GIT_EDITOR GIT_TRACE GIT_TRACE2 GIT_TRACE_SETUP
GIT_QUARANTINE_PATH GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS GIT_ICASE_PATHSPECS
GIT_OPTIONAL_LOCKS GIT_REPLACE_REF_BASE GIT_NO_REPLACE_OBJECTS GIT_ALLOW_PROTOCOL
GIT_SSH_COMMAND GIT_ASKPASS GIT_AUTHOR_DATE GIT_COMMITTER_NAME GIT_COMMITTER_DATE
GIT_DISCOVERY_ACROSS_FILESYSTEM GIT_IMPLICIT_WORK_TREE
""",
)

PLACES = (
    "{repo}",
    "{repo}/.git",
    "{repo}/.git/index",
    "{other}",
    "{other}/.git",
    "{other}/none",
    "{settings}",
)

VALUES = st.one_of(
    st.sampled_from(PLACES),
    st.sampled_from(("", "0", "1", "true", "999", "'core.bare'='true'", "core.worktree", "sh")),
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), max_size=12),
)

HOSTILE = st.dictionaries(
    st.one_of(st.sampled_from(VARIABLES), st.from_regex(r"GIT_[A-Z_]{1,12}", fullmatch=True)),
    VALUES,
    min_size=1,
    max_size=5,
)

# The user's own settings: kept, and unable to name a repository.
SETTINGS = """\
[core]
    bare = true
    worktree = {other}
    hooksPath = {other}/hooks
    fsmonitor = {other}/hooks/post-checkout
[init]
    templateDir = {other}/template
[status]
    showUntrackedFiles = no
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository, another one, and a hook that leaves a mark wherever it runs."""
    folder = tmp_path_factory.mktemp("git")
    for name in ("repo", "other"):
        root = folder / name
        (root / ".dvc").mkdir(parents=True)
        (root / "file").write_text(CONTENT if name == "repo" else "another\n", "utf-8")
        (root / "link").symlink_to("file")
        (root / ".dvc/config").write_text("", "utf-8")
        (root / ".gitignore").write_text("/.dvc/cache\n", "utf-8")
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        for command in (("init", "-q", "-b", "main"), ("add", "-A"), (*who, "commit", "-qm", name)):
            subprocess.run(["git", *command], cwd=root, env=clean(os.environ), check=True)
    for place in ("repo/.git/hooks", "other/hooks", "other/template/hooks"):
        hook = folder / place / "post-checkout"
        hook.parent.mkdir(parents=True, exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch '{folder}/ran'\nexit 1\n", "utf-8")
        hook.chmod(0o755)
    (folder / "settings").write_text(SETTINGS.format(other=folder / "other"), "utf-8")
    return folder


@contextmanager
def surroundings(world: Path, variables: dict[str, str]) -> Iterator[None]:
    """Put variables into the environment of this process for a moment."""
    named = {name: str(world / name) for name in ("repo", "other", "settings")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            if value in PLACES:
                value = value.format(**named)
            patch.setenv(name, value)
        yield


def snapshot(folder: Path) -> dict[str, str]:
    """Return every file of a folder, by name, with its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


@settings(max_examples=15, deadline=None)
@given(variables=HOSTILE)
def test_no_variable_of_git_reaches_another_repository(world: Path, variables: dict[str, str]):
    repo = world / "repo"
    before = snapshot(world)
    with surroundings(world, variables):
        with copy_of_worktree(repo) as copy:
            assert (copy / "file").read_text("utf-8") == CONTENT
            assert (copy / "link").readlink() == Path("file")
            assert "file" in names(copy, "ls-files", "-z")
            assert git(copy, "config", "core.bare").strip() == "false"
        with tree_of(repo, "main") as tree:
            assert (tree / "file").read_text("utf-8") == CONTENT
            assert git(tree, "log", "-1", "--format=%s").strip() == "repo"
            assert not git(tree, "status", "--porcelain", "--untracked-files=no")
        assert read_file(repo, "main", "file") == CONTENT
        assert len(git(repo, "worktree", "list").splitlines()) == 1
    assert (
        snapshot(world) == before
    )  # neither repository, nor its index and settings; and no hook has run


@pytest.mark.parametrize("fails", ["while it is used", "before it is there"])
def test_a_worktree_does_not_stay_registered(world, fails):
    repo, commit = world / "repo", "main" if fails == "while it is used" else "nowhere"
    with pytest.raises((SlipwayError, ZeroDivisionError)), tree_of(repo, commit):
        raise ZeroDivisionError
    assert len(git(repo, "worktree", "list").splitlines()) == 1


def test_the_tree_of_a_run_that_was_killed_is_forgotten_by_the_next(world):
    repo = world / "repo"
    with tree_of(repo, "main") as tree:
        shutil.copytree(tree, world / "saved", symlinks=True)
        shutil.rmtree(tree)
        (world / "saved").rename(tree.parent / "moved")
        with tree_of(repo, "main"):
            assert str(tree) not in git(repo, "worktree", "list", "--porcelain").splitlines()
    assert len(git(repo, "worktree", "list").splitlines()) == 1


def test_the_identity_of_the_user_and_settings_that_give_access_are_kept():
    given_ = {
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_SSH_COMMAND": "ssh -i key",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_CONFIG_KEY_1": "core.worktree",
        "GIT_CONFIG_VALUE_1": "/elsewhere",
        "HOME": "ada",
    }
    kept = clean(given_)
    assert {name: kept[name] for name in given_ if name != "GIT_CONFIG_COUNT"}.items() >= {
        ("GIT_AUTHOR_NAME", "Ada"),
        ("GIT_COMMITTER_EMAIL", "ada@example.org"),
        ("GIT_SSH_COMMAND", "ssh -i key"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("HOME", "ada"),
    }
    assert "core.worktree" not in kept.values()


def test_a_name_that_is_not_utf8_is_listed_copied_and_printable(world, tmp_path):
    root = tmp_path / "repo"
    shutil.copytree(world / "repo", root, symlinks=True)
    raw = os.fsdecode(b"caf\xe9.md")
    (root / raw).write_text("x", "utf-8")
    git(root, "add", "-A")

    assert raw in names(root, "ls-files", "-z")
    assert shown(raw) == r"caf\xe9.md"
    with copy_of_worktree(root) as copy:
        assert (copy / raw).read_text("utf-8") == "x"
        assert raw in names(copy, "ls-files", "-z")


@pytest.mark.parametrize(
    ("make", "reason", "advice"),
    [
        ("owned by another user", "dubious ownership", "safe.directory"),
        ("no repository", "not a git repository", "clone"),
        ("no folder", "no such folder", "path"),
    ],
)
def test_the_reason_of_git_is_reported_with_what_ends_it(world, tmp_path, make, reason, advice):
    root = tmp_path / "root"
    if make == "owned by another user":
        if os.getuid():
            pytest.skip("needs root, to give a folder another owner")
        shutil.copytree(world / "repo", root, symlinks=True)
        subprocess.run(["chown", "-R", "12345:12345", root], check=True)
    elif make == "no repository":
        root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        patch.delenv("SUDO_UID", raising=False)
        patch.setenv("LANG", "de_DE.UTF-8")
        with pytest.raises(SlipwayError, match=reason) as error:
            resolve(root, "main")
    assert advice in error.value.do
    assert error.value.exit_code == 2


def test_only_one_module_starts_git():
    starting = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.List | ast.Tuple)
        and node.elts
        and isinstance(node.elts[0], ast.Constant)
        and node.elts[0].value == "git"
    }
    assert starting == {"repository/git.py"}
