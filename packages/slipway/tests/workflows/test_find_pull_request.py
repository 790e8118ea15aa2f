"""A finished run belongs to exactly one open pull request, which GitHub names."""

from __future__ import annotations

import pytest
from tests.workflows.conftest import FORK, NUMBER, finished_run

from slipway.errors import SlipwayError
from slipway.github.api import Api
from slipway.github.find_pull_request import (
    Event,
    NoPullRequest,
    find_pull_request,
    run_of,
    still_at,
)

SHA = "a" * 40
OTHER = "b" * 40


def test_a_run_belongs_to_the_pull_request_with_its_head_repository_branch_and_commit(api, github):
    github.open_pull(NUMBER, SHA)

    assert find_pull_request(api, Event.of(finished_run(SHA))) == NUMBER


def test_a_run_of_a_fork_belongs_to_the_pull_request_of_that_fork(api, github):
    github.open_pull(NUMBER, SHA, fork=FORK)
    github.open_pull(8, SHA, fork=201)

    assert find_pull_request(api, Event.of(finished_run(SHA, fork=FORK))) == NUMBER


def test_the_right_one_is_found_among_hundreds(api, github):
    for number in range(1, 250):
        github.open_pull(number, OTHER)
    github.open_pull(250, SHA)

    assert find_pull_request(api, Event.of(finished_run(SHA))) == 250


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "closed"),
        ("head.sha", OTHER),
        ("head.ref", "another"),
        ("head.repo", None),
        ("head.repo.id", 300),
        ("base.ref", "release"),
        ("base.repo.id", 300),
    ],
)
def test_a_pull_request_that_differs_in_one_thing_is_not_its(api, github, name, value):
    github.open_pull(NUMBER, SHA)
    *path, last = name.split(".")
    place = github.pulls[NUMBER]
    for part in path:
        place = place[part]
    place[last] = value
    head = github.pulls[NUMBER]["head"]
    head["label"] = f"team:{head['ref']}"

    with pytest.raises(NoPullRequest, match="0 open pull requests"):
        find_pull_request(api, Event.of(finished_run(SHA)))


def test_two_candidates_are_none(api, github):
    github.open_pull(NUMBER, SHA)
    github.open_pull(8, SHA)

    with pytest.raises(NoPullRequest, match="2 open pull requests"):
        find_pull_request(api, Event.of(finished_run(SHA)))


def test_a_deleted_fork_has_no_pull_request(api):
    event = finished_run(SHA)
    event["workflow_run"]["head_repository"] = None

    with pytest.raises(NoPullRequest, match="the fork was deleted"):
        find_pull_request(api, Event.of(event))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", ".github/workflows/pull-request.yaml"),
        ("path", ".github/workflows/mine.yml"),
        ("event", "push"),
        ("conclusion", "cancelled"),
        ("conclusion", "action_required"),
    ],
)
def test_a_run_of_another_kind_is_none_of_ours(field, value):
    event = finished_run(SHA)
    event["workflow_run"][field] = value

    with pytest.raises(NoPullRequest):
        run_of(Event.of(event))


def test_the_branch_after_the_path_of_the_workflow_does_not_matter():
    event = finished_run(SHA)
    event["workflow_run"]["path"] += "@refs/heads/main"

    assert run_of(Event.of(event)).sha == SHA


def test_a_pull_request_that_moved_on_or_was_closed_is_left_alone(api, github):
    github.open_pull(NUMBER, SHA)
    assert still_at(api, NUMBER, SHA)

    github.pulls[NUMBER]["head"]["sha"] = OTHER
    assert not still_at(api, NUMBER, SHA)

    github.open_pull(NUMBER, SHA)
    github.pulls[NUMBER]["state"] = "closed"
    assert not still_at(api, NUMBER, SHA)


def test_without_an_answer_from_github_there_is_none(github, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", github.certificate)
    api = Api("https://localhost:1/api/v3", "team/flights", "token")

    with pytest.raises(SlipwayError, match="GitHub cannot be reached") as error:
        find_pull_request(api, Event.of(finished_run(SHA)))
    assert error.value.exit_code == 2
