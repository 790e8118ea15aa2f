"""Committing a lock for somebody: only a lock and reports, and only to a branch of their own."""

from __future__ import annotations

import base64
import hashlib

import pytest
from tests.workflows.api import archive
from tests.workflows.conftest import FORK, NUMBER, RUN

from slipway.errors import Refused, SlipwayError
from slipway.github.artifact import NotBelieved
from slipway.github.lock import commit_lock, head_to_rebuild

SHA = "a" * 40

FILES = {"dvc.lock": "stages: {}\n", "reports/metrics.json": "{}\n", "reports/plots/roc.csv": "1\n"}


@pytest.fixture(autouse=True)
def in_a_job(github, monkeypatch):
    monkeypatch.setenv("GITHUB_GRAPHQL_URL", f"{github.url}/api/graphql")


def blob(text: str) -> str:
    return hashlib.sha1(f"blob {len(text)}\0{text}".encode()).hexdigest()


def test_the_branch_of_an_open_pull_request_of_this_repository_may_be_rebuilt(api, github):
    github.open_pull(NUMBER, SHA, branch="feature/more leaves")
    github.rules["feature/more leaves"] = ["non_fast_forward", "deletion"]

    assert head_to_rebuild(api, NUMBER) == SHA


def test_for_a_fork_it_says_what_the_author_must_run(api, github):
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


def test_what_differs_is_committed_on_top_of_the_commit_that_was_rebuilt(api, github):
    github.open_pull(NUMBER, SHA)
    github.trees[SHA] = {"dvc.lock": "0" * 40, "reports/metrics.json": blob("{}\n")}
    github.add_artifact(RUN, "lock", archive(FILES))

    commit_lock(api, NUMBER, SHA, RUN)

    [wanted] = github.commits
    assert wanted["expectedHeadOid"] == SHA
    assert wanted["fileChanges"] == {
        "additions": [
            {"path": name, "contents": base64.b64encode(FILES[name].encode()).decode()}
            for name in ("dvc.lock", "reports/plots/roc.csv")
        ]
    }


def test_nothing_is_committed_where_nothing_differs(api, github):
    github.open_pull(NUMBER, SHA)
    github.trees[SHA] = {name: blob(text) for name, text in FILES.items()}
    github.add_artifact(RUN, "lock", archive(FILES))

    assert commit_lock(api, NUMBER, SHA, RUN) == ""
    assert github.commits == []


def test_a_branch_that_moved_on_meanwhile_is_left_alone(api, github):
    github.open_pull(NUMBER, "b" * 40)
    github.add_artifact(RUN, "lock", archive(FILES))

    with pytest.raises(Refused, match="newer commit"):
        commit_lock(api, NUMBER, SHA, RUN)


def test_when_github_refuses_the_commit_it_is_said(api, github, monkeypatch):
    github.open_pull(NUMBER, SHA)
    github.add_artifact(RUN, "lock", archive(FILES))
    github.refuses = ("POST graphql",)

    with pytest.raises(SlipwayError, match="403"):
        commit_lock(api, NUMBER, SHA, RUN)


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
    assert github.commits == []
