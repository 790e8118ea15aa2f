"""No verdict of an older commit stays as if it were about the newest one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tests.workflows.api import REPOSITORY
from tests.workflows.conftest import NUMBER, RUN, finished_run

from slipway.github.find_pull_request import Event
from slipway.github.own_comment import WATERMARK, State, state_of
from slipway.github.placeholder import mark_outdated, report_failure

OLD, NEW = "a" * 40, "b" * 40

OUTSIDER = {"login": "outsider", "type": "User"}


@pytest.fixture(autouse=True)
def job(github, monkeypatch):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    monkeypatch.setenv("GITHUB_RUN_ID", "9")


def verdict(commit: str, run: int = 1, text: str = "### ✅ Better") -> str:
    state = State(commit, run, 1, "verdict")
    return f"{text}\n\n{state.line()}\n\n{WATERMARK.format(sha=commit)}"


def requested(head: str) -> dict[str, Any]:
    event = finished_run(head)
    event["action"] = "requested"
    event["workflow_run"]["conclusion"] = None
    return event


def comment(github) -> str:
    [*_, last] = github.comments[NUMBER]
    return str(last["body"])


class TestOutdated:
    def test_when_the_run_of_a_newer_commit_is_requested(self, api, github):
        github.open_pull(NUMBER, NEW)
        github.add_comment(NUMBER, verdict(OLD))

        mark_outdated(api, Event.of(requested(NEW)))

        assert "✅" not in comment(github)
        assert comment(github).startswith(f"### ⏳ Outdated: commit `{NEW[:7]}`")
        assert state_of(comment(github)) == State(NEW, RUN, 1, "waiting")

    def test_by_whichever_event_comes_first(self, api, github):
        for events in itertools.permutations([requested(NEW), finished_run(OLD, "cancelled")]):
            github.open_pull(NUMBER, NEW)
            github.comments[NUMBER] = []
            github.add_comment(NUMBER, verdict(OLD))
            for event in events:
                mark_outdated(api, Event.of(event))
                assert "✅" not in comment(github)

    def test_one_that_an_older_slipway_wrote(self, api, github):
        github.open_pull(NUMBER, NEW)
        github.add_comment(NUMBER, f"### ✅ Better\n\n{WATERMARK.format(sha=OLD)}")

        mark_outdated(api, Event.of(requested(NEW)))

        assert "✅" not in comment(github)

    def test_a_verdict_of_the_newest_commit_stays(self, api, github):
        github.open_pull(NUMBER, NEW)
        github.add_comment(NUMBER, verdict(NEW))

        for event in (requested(NEW), finished_run(OLD, "cancelled"), finished_run(NEW)):
            mark_outdated(api, Event.of(event))

        assert comment(github) == verdict(NEW)

    def test_a_commit_whose_checks_were_cancelled_does_not_wait_for_ever(self, api, github):
        github.open_pull(NUMBER, NEW)
        github.add_comment(NUMBER, verdict(OLD))
        mark_outdated(api, Event.of(requested(NEW)))
        mark_outdated(api, Event.of(finished_run(NEW, "cancelled")))

        assert comment(github).startswith(f"### ⛔ No verdict for commit `{NEW[:7]}`")

    @pytest.mark.parametrize("user", [OUTSIDER, {"login": "other[bot]", "type": "Bot"}])
    def test_a_comment_that_copies_the_mark_is_left_alone(self, api, github, user):
        github.open_pull(NUMBER, NEW)
        github.add_comment(NUMBER, verdict(OLD), user)

        mark_outdated(api, Event.of(requested(NEW)))

        assert comment(github) == verdict(OLD)

    def test_a_run_of_another_workflow_marks_nothing(self, api, github):
        github.open_pull(NUMBER, NEW)
        github.add_comment(NUMBER, verdict(OLD))
        event = requested(NEW)
        event["workflow_run"]["path"] = ".github/workflows/mine.yml"

        mark_outdated(api, Event.of(event))

        assert comment(github) == verdict(OLD)

    def test_without_a_comment_none_is_written(self, api, github):
        github.open_pull(NUMBER, NEW)
        mark_outdated(api, Event.of(requested(NEW)))

        assert github.comments[NUMBER] == []


class TestFailed:
    def test_a_job_that_failed_replaces_the_verdict(self, api, github):
        github.open_pull(NUMBER, NEW)
        github.add_comment(NUMBER, verdict(NEW))

        report_failure(api, Event.of(finished_run(NEW)))

        assert comment(github).startswith(f"### ⛔ No verdict: the report of commit `{NEW[:7]}`")
        assert len(github.comments[NUMBER]) == 1

    def test_it_is_reported_where_there_is_no_comment_yet(self, api, github):
        github.open_pull(NUMBER, NEW)
        report_failure(api, Event.of(finished_run(NEW)))

        assert comment(github).startswith("### ⛔ No verdict")

    def test_of_an_older_commit_nothing_is_reported(self, api, github):
        github.open_pull(NUMBER, NEW)
        github.add_comment(NUMBER, verdict(NEW))

        report_failure(api, Event.of(finished_run(OLD)))

        assert comment(github) == verdict(NEW)
