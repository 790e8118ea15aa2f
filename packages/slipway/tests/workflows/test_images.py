"""images.yml: a pull request for the newest digest of each pinned image's tag."""

from __future__ import annotations

import uuid

import pytest
from tests.image.test_digests import push
from tests.services.repository import commit, edit_params
from tests.workflows.api import ID

from slipway.repository.worktrees import run

WORKFLOW = ("--workflows", ".github/workflows/images.yml")

DISPATCH = {
    "inputs": {},
    "repository": {"id": ID, "default_branch": "main"},
    "ref": "refs/heads/main",
}


@pytest.fixture
def pinned(origin, registry):
    """A repository whose base image is pinned, and a function that moves its tag."""
    name = f"team/{uuid.uuid4().hex}"
    old = push(registry, name, "slim", b"old")
    image = f"{registry}/{name}:slim@{old}"
    edit_params(origin, deploy={"base_image": image, "proxy_image": image})
    commit(origin, "Pin the images")
    return lambda content: push(registry, name, "slim", content)


@pytest.fixture
def press(act, github):
    github.watched.origin = act.origin
    github.watched.settings["repository"] = {"default_branch": "main"}
    return lambda: act.run("workflow_dispatch", DISPATCH, *WORKFLOW)


def test_a_newer_digest_is_proposed_once_and_nothing_else_is_changed(pinned, press, github, origin):
    outcome = press()
    assert outcome.jobs == {"Update": "success"}, outcome.text
    assert github.pulls == {}

    for content in (b"new", b"newer"):
        new = pinned(content)
        outcome = press()

        assert outcome.jobs == {"Update": "success"}, outcome.text
        [pull] = github.pulls.values()
        assert new in pull["body"]
        assert run(["git", "show", "slipway/images:params.yaml"], origin).count(new) == 2
        changed = run(["git", "diff", "--name-only", "main", "slipway/images"], origin)
        assert changed.split() == ["params.yaml"]
