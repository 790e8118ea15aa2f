"""A stale lock is updated without a click, if that alone keeps a change of this repository back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.cases import BETTER, CHAMPION, UNSURE, WORSE, judged
from tests.services.repository import commit
from tests.workflows.api import ID, REPOSITORY, archive
from tests.workflows.conftest import FORK, NUMBER, RUN, finished_run, pull_request

from slipway.errors import SlipwayError
from slipway.github.branch import Branch, put_files
from slipway.github.find_pull_request import Event
from slipway.github.lock import HEADLINE
from slipway.github.update_lock import NoUpdate, head_to_update, update_step_of_job
from slipway.repository.worktrees import run
from slipway.reproduction.rebuild import Stopped

PAGE = f"https://github.com/{REPOSITORY}/actions/workflows/update-lock.yml"


@pytest.fixture
def base(repository: Path) -> str:
    """The newest commit of main, whose lock belongs to its inputs."""
    (repository / "dvc.lock").write_text("stages: {}\n", "utf-8")
    return commit(repository, "Lock a model")


@pytest.fixture
def head(github, repository: Path, base: str) -> str:
    """The commit of GitHub's editor in an open pull request: another parameter, the same lock."""
    return change(github, repository, "Update params.yaml")


@pytest.fixture
def decide(api, base: str, head: str) -> Callable[..., tuple[int, str]]:
    def decide(fork: int = ID, **of_run: Any) -> tuple[int, str]:
        finished = finished_run(head, "failure", fork)
        finished["workflow_run"] |= of_run
        return head_to_update(api, Event.of(finished), base)

    return decide


@pytest.fixture
def stale(github) -> None:
    """The report of the run: a better model, and the lock of another one."""
    github.add_report(RUN, judged(BETTER, lock="stale"))


def change(github, repository: Path, message: str) -> str:
    run(["git", "checkout", "-q", "-B", "change"], repository)
    with (repository / "params.yaml").open("a", encoding="utf-8") as file:
        file.write("more: 1\n")
    sha = commit(repository, message)
    run(["git", "checkout", "-q", "main"], repository)
    github.open_pull(NUMBER, sha)
    return sha


@pytest.mark.parametrize(
    "report",
    [
        judged(BETTER, lock="stale"),
        judged(CHAMPION, lock="stale"),
        judged(UNSURE, lock="stale", rule={"on_inconclusive": "go"}),
    ],
)
def test_a_model_that_waits_for_its_lock_alone_is_rebuilt(decide, github, head, report):
    github.add_report(RUN, report)

    assert decide() == (NUMBER, head)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (judged(BETTER, lock="identical"), "identical"),
        (judged(BETTER, lock="different"), "different"),
        (judged(WORSE, lock="stale"), "worse"),
        (judged(UNSURE, lock="stale"), "inconclusive"),
        (judged(BETTER, lock="stale", rule={"max_row_ms": 0.001}), "cost"),
        ({"changed": True, "stopped": vars(Stopped("train", 1, []))}, "no model"),
    ],
)
def test_an_update_that_would_not_make_the_checks_pass_is_left_out(decide, github, report, reason):
    github.add_report(RUN, report)

    with pytest.raises(NoUpdate, match=reason):
        decide()


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(None, id="no-report"),
        pytest.param({"../report.json": "{}"}, id="another-file"),
        pytest.param({"report.json": "{"}, id="not-json"),
        pytest.param({"report.json": '{"lock": "stale", "may_merge": false}'}, id="not-a-report"),
        pytest.param(
            {"report.json": json.dumps(judged(WORSE, lock="stale") | {"stops": []})},
            id="contradiction",
        ),
        pytest.param({"report.json": '{"version": 99}'}, id="later-version"),
    ],
)
def test_a_report_that_is_not_believed_starts_nothing(decide, github, files):
    if files is not None:
        github.add_artifact(RUN, "report", archive(files))

    with pytest.raises(NoUpdate):
        decide()


def test_a_fork_is_left_alone(decide, github, head, stale):
    github.open_pull(NUMBER, head, fork=FORK)

    with pytest.raises(NoUpdate, match="fork"):
        decide(FORK)


@pytest.mark.parametrize(
    "of_run",
    [
        {"path": ".github/workflows/mine.yml"},
        {"event": "push"},
        {"conclusion": "cancelled"},
        {"head_sha": "b" * 40},
        {"head_repository": None},
    ],
    ids=lambda of_run: next(iter(of_run)),
)
def test_a_run_that_is_not_of_the_newest_commit_starts_nothing(decide, stale, of_run):
    with pytest.raises(NoUpdate):
        decide(**of_run)


def test_a_closed_pull_request_is_left_alone(decide, github, stale):
    github.pulls[NUMBER]["state"] = "closed"

    with pytest.raises(NoUpdate):
        decide()


def test_a_protected_branch_is_left_alone(decide, github, stale):
    github.rules["change"] = ["pull_request"]

    with pytest.raises(NoUpdate, match="protected"):
        decide()


def test_an_update_is_not_followed_by_another_one(api, decide, github, repository, head, stale):
    files = {"dvc.lock": b"stages: {a: 1}\n"}
    updated = put_files(api, Branch("change", head), head, files, HEADLINE)
    github.open_pull(NUMBER, updated)
    with pytest.raises(NoUpdate, match="update already"):
        decide(head_sha=updated)

    later = change(github, repository, f"Undo it\n\n{HEADLINE}")
    assert decide(head_sha=later) == (NUMBER, later)


@pytest.mark.parametrize(("file", "conflicts"), [("dvc.lock", True), ("README.md", False)])
def test_a_branch_whose_new_lock_would_conflict_with_that_of_main_is_left_alone(
    api, repository, head, stale, file, conflicts
):
    (repository / file).write_text("stages: {b: 1}\n", "utf-8")
    newer = commit(repository, "Merge another change")
    event = Event.of(finished_run(head, "failure"))

    if conflicts:
        with pytest.raises(NoUpdate, match="update the branch first"):
            head_to_update(api, event, newer)
    else:
        assert head_to_update(api, event, newer) == (NUMBER, head)


def test_a_refusal_by_github_is_an_error_and_no_decision(decide, github, stale):
    github.refuses = ("GET commits",)

    with pytest.raises(SlipwayError, match="403") as error:
        decide()
    assert not isinstance(error.value, NoUpdate)


class TestTheStep:
    """The step that remains, as the summary of the run shows it."""

    @pytest.fixture(autouse=True)
    def job(self, monkeypatch):
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        monkeypatch.setenv("SLIPWAY_APP_ID", "")

    def test_without_an_app_it_is_one_button_and_a_number(self):
        step = update_step_of_job(Event.of(pull_request("a" * 40)))

        assert PAGE in step
        assert f"`{NUMBER}`" in step

    def test_with_an_app_there_is_none(self, monkeypatch):
        monkeypatch.setenv("SLIPWAY_APP_ID", "Iv1")

        step = update_step_of_job(Event.of(pull_request("a" * 40)))

        assert step.startswith("**Nothing to do")
        assert PAGE in step

    def test_a_fork_and_the_merge_queue_have_no_button(self):
        assert update_step_of_job(Event.of(pull_request("a" * 40, FORK))) == ""
        queued = {"merge_group": {}, "repository": {"id": 1, "default_branch": "main"}}
        assert update_step_of_job(Event.of(queued)) == ""
