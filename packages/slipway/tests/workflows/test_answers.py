"""An answer of GitHub is read only if each field that is used has its type."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.workflows.conftest import finished_run

from slipway.errors import SlipwayError
from slipway.github.answers import Comment, Pull, Tree, WorkflowRun
from slipway.github.find_pull_request import read_event

ENTRY = {"path": "a", "mode": "100644", "sha": "b", "type": "blob"}


def test_other_fields_are_ignored_and_null_is_nothing():
    found = Comment.of({"id": 1, "html_url": "u", "user": None, "reactions": {"+1": 2}})

    assert found == Comment(1, "u")


def test_a_list_is_the_answer_or_has_a_key_in_it():
    assert [one.id for one in Comment.each([{"id": 1, "html_url": "u"}])] == [1]
    assert WorkflowRun.each({"workflow_runs": []}, "workflow_runs") == []


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ([], "Tree is list"),
        ({}, "Tree.tree is missing"),
        ({"tree": {}}, "Tree.tree is dict"),
        ({"tree": [ENTRY, ENTRY | {"sha": None}]}, "Tree.tree[1].sha is NoneType, expected str"),
        ({"tree": [ENTRY | {"path": 1}]}, "Tree.tree[0].path is int, expected str"),
        ({"tree": [], "truncated": "no"}, "Tree.truncated is str, expected bool"),
    ],
)
def test_the_first_field_of_another_type_is_named(answer, place):
    with pytest.raises(SlipwayError) as error:
        Tree.of(answer)
    assert place in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("answer", [{"message": "moved"}, {"workflow_runs": None}, "moved"])
def test_an_answer_without_its_list_is_an_error(answer):
    with pytest.raises(SlipwayError, match="expected list"):
        WorkflowRun.each(answer, "workflow_runs")


def test_a_number_is_not_true():
    with pytest.raises(SlipwayError, match=r"Pull\.number is bool, expected int"):
        Pull.of({"number": True})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "1; rm"),
        ("head_sha", None),
        ("path", {}),
        ("run_attempt", 1.5),
        ("head_branch", ["main"]),
        ("head_repository", {"id": "100", "owner": {"login": "team"}}),
        ("head_repository", {"id": 100}),
        ("head_repository", "team/flights"),
    ],
)
def test_an_event_with_a_field_of_another_type_ends_with_one_sentence(
    tmp_path, monkeypatch, field, value
):
    event: dict[str, Any] = finished_run("a" * 40)
    event["workflow_run"][field] = value
    (tmp_path / "event.json").write_text(json.dumps(event), "utf-8")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))

    with pytest.raises(SlipwayError, match=rf"Event\.workflow_run\.{field}") as error:
        read_event()
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
