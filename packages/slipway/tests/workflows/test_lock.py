"""Committing a lock for a contributor: only a lock and reports, only to their own branch."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.services.repository import commit
from tests.workflows.api import archive
from tests.workflows.conftest import FORK, NUMBER, RUN

from slipway.errors import Refused, SlipwayError
from slipway.github.artifact import NotBelieved
from slipway.github.branch import Branch
from slipway.github.lock import commit_lock, head_to_rebuild
from slipway.repository.worktrees import run

SHA = "a" * 40

FILES = {"dvc.lock": "stages: {}\n", "reports/metrics.json": "{}\n", "reports/plots/roc.csv": "1\n"}


# Legal in git, and special in an address.
BRANCH = "feature/50%#1"


@pytest.fixture
def head(github, repository: Path) -> str:
    """The newest commit of a pull request whose lock is an old one."""
    run(["git", "checkout", "-q", "-b", BRANCH], repository)
    (repository / "reports").mkdir()
    (repository / "dvc.lock").write_text("old", "utf-8")
    (repository / "reports/metrics.json").write_text("{}\n", "utf-8")
    sha = commit(repository, "Change a parameter")
    run(["git", "checkout", "-q", "main"], repository)
    github.open_pull(NUMBER, sha, branch=BRANCH)
    return sha


def tip(repository: Path) -> str:
    return run(["git", "rev-parse", BRANCH], repository).strip()


def test_the_branch_of_an_open_pull_request_of_this_repository_may_be_rebuilt(api, github):
    github.open_pull(NUMBER, SHA, branch="feature/more leaves")
    github.rules["feature/more leaves"] = ["non_fast_forward", "deletion"]

    assert head_to_rebuild(api, NUMBER) == Branch("feature/more leaves", SHA)


def test_for_a_fork_it_names_what_the_author_must_run(api, github):
    github.open_pull(NUMBER, SHA, fork=FORK)

    with pytest.raises(Refused, match="comes from a fork") as refused:
        head_to_rebuild(api, NUMBER)
    assert "dvc repro" in refused.value.do
    assert "git add dvc.lock reports" in refused.value.do


def test_a_closed_one_is_refused(api, github):
    github.open_pull(NUMBER, SHA)
    github.pulls[NUMBER]["state"] = "closed"

    with pytest.raises(Refused, match="closed"):
        head_to_rebuild(api, NUMBER)


def test_a_protected_branch_is_refused(api, github):
    github.open_pull(NUMBER, SHA)
    github.protected.add("change")

    with pytest.raises(Refused, match="protected"):
        head_to_rebuild(api, NUMBER)


@pytest.mark.parametrize("rule", ["pull_request", "update", "required_status_checks"])
def test_a_branch_under_a_rule_that_keeps_people_from_pushing_is_refused(api, github, rule):
    github.open_pull(NUMBER, SHA)
    github.rules["change"] = [rule]

    with pytest.raises(Refused, match="protected"):
        head_to_rebuild(api, NUMBER)


def test_the_default_branch_is_refused_even_without_any_rule(api, github):
    github.open_pull(NUMBER, SHA, branch="main")

    with pytest.raises(Refused, match="protected"):
        head_to_rebuild(api, NUMBER)


def test_what_differs_is_committed_on_top_of_the_commit_that_was_rebuilt(
    api, github, repository, head
):
    github.add_artifact(RUN, "lock", archive(FILES))

    made = commit_lock(api, NUMBER, head, RUN)

    assert tip(repository) == made
    assert run(["git", "rev-parse", f"{made}^@"], repository).split() == [head]
    changed = run(["git", "diff", "--name-only", head, made], repository).split()
    assert changed == ["dvc.lock", "reports/plots/roc.csv"]
    for name, text in FILES.items():
        assert run(["git", "show", f"{made}:{name}"], repository) == text


def test_nothing_is_committed_where_nothing_differs(api, github, repository, head):
    github.add_artifact(RUN, "lock", archive({"reports/metrics.json": "{}\n"}))

    assert commit_lock(api, NUMBER, head, RUN) == ""
    assert tip(repository) == head


def test_a_branch_that_moved_on_meanwhile_is_left_alone(api, github):
    github.open_pull(NUMBER, "b" * 40)
    github.add_artifact(RUN, "lock", archive(FILES))

    with pytest.raises(Refused, match="newer commit"):
        commit_lock(api, NUMBER, SHA, RUN)


def test_a_commit_that_is_pushed_at_the_last_moment_is_not_lost(api, github, repository, head):
    """GitHub still shows the old commit of the pull request."""
    github.add_artifact(RUN, "lock", archive(FILES))
    run(["git", "checkout", "-q", BRANCH], repository)
    (repository / "code.py").write_text("A = 1\n", "utf-8")
    newer = commit(repository, "Push meanwhile")

    with pytest.raises(SlipwayError, match="fast forward"):
        commit_lock(api, NUMBER, head, RUN)
    assert tip(repository) == newer


def test_a_commit_that_github_refuses_is_reported(api, github, repository, head):
    github.add_artifact(RUN, "lock", archive(FILES))
    github.refuses = ("PATCH git/refs",)

    with pytest.raises(SlipwayError, match="403"):
        commit_lock(api, NUMBER, head, RUN)
    assert tip(repository) == head


@pytest.mark.parametrize(
    "name",
    [
        *("params.yaml", "src/model/features.py", ".github/workflows/deploy.yml", "data.dvc"),
        *("reports/../params.yaml", "reports//x.json", "/dvc.lock", "./dvc.lock", "dvc.lock\n"),
        *("reports/notes.md", "reports/.hidden.json", "reports/a b.json", "reports"),
    ],
)
def test_any_other_file_spoils_the_whole(api, github, name):
    github.open_pull(NUMBER, SHA)
    github.add_artifact(RUN, "lock", archive(FILES | {name: "x"}))

    with pytest.raises(NotBelieved):
        commit_lock(api, NUMBER, SHA, RUN)
    assert not [call for call in github.calls if call.startswith(("POST", "PATCH"))]
