"""Traffic through a deploy, a rollback and candidates that fail: no request does."""

from __future__ import annotations

import json
import re

import pytest
from tests.deploy.conftest import Faulty, MakePlace, Place, commit_of
from tests.services.load import Tally

from slipway.docker import docker

# What a candidate does, the step that stops it, and the reason. What else a smoke test finds:
# tests/smoke_test; what only traffic shows: test_canary.py.
FAULTS = {
    "crashes at start": ("start", "it ended with exit code"),
    "never ready": ("start", "/readyz answers 503"),
    "other answers": ("smoke-test", "differ by more than"),
}
SETTINGS_FOR = {"never ready": {"start_seconds": 8}}


@pytest.fixture(scope="module")
def place(make_place: MakePlace) -> Place:
    """A place of its own, to which the first release is deployed."""
    place = make_place()
    outcome = place.deploy()
    assert outcome.ok, outcome.to_text()
    return place


def steps_of(place: Place) -> list[str]:
    """The names of the steps in the output."""
    names = [line.split()[1] for line in place.logged_lines if line[:1] in "✓✗"]
    place.logged_lines.clear()
    return names


def container_id(place: Place, slot: str) -> str:
    return docker("container", "inspect", "--format", "{{.Id}}", place.container(slot).name)


def check(tally: Tally, place: Place, tested: set[str]) -> None:
    """No request failed; each answer is in the log, from a version that passed its smoke test."""
    assert not tally.failed(), tally.failed()[:3]
    assert len(tally.answers) > 100
    logged = place.logged()
    missing = tally.ids() - logged.keys()
    assert not missing
    assert {logged[name] for name in tally.ids()} == tested


def test_the_first_release_takes_all_traffic_right_after_its_smoke_test(
    place: Place, first: str
) -> None:
    assert steps_of(place) == [
        "engine",
        "recover",
        "image",
        "start",
        "smoke-test",
        "switch",
        "keep",
    ]
    assert place.live() == first
    assert place.status()["standby"] is None
    assert place.events() == [f"deployed {first[:7]}"]


def test_a_deploy_fails_no_request_and_keeps_the_old_version_as_standby(
    place: Place, first: str, second: str
) -> None:
    with place.traffic(rate=100) as tally:
        outcome = place.deploy(second)
    assert outcome.ok, outcome.to_text()
    check(tally, place, {first, commit_of("second")})
    gates = ["start", "smoke-test", "shadow", "canary"]
    assert steps_of(place) == ["engine", "recover", "image", *gates, "switch", "drain", "keep"]
    assert place.live() == commit_of("second")
    assert place.status()["standby"]["commit"] == first
    assert place.status()["standby"]["health"] == "healthy"


def test_deploying_what_runs_is_reported_and_changes_nothing(place: Place, second: str) -> None:
    before = place.status()["history"]
    outcome = place.deploy(second)
    assert outcome.exit_code == 0
    assert "runs already" in outcome.message
    assert place.status()["history"] == before


def test_a_rollback_fails_no_request_and_starts_nothing(place: Place, first: str) -> None:
    running = container_id(place, "blue")
    with place.traffic(rate=100) as tally:
        outcome = place.rollback()
    assert outcome.ok, outcome.to_text()
    check(tally, place, {first, commit_of("second")})
    assert place.live() == first
    assert place.status()["standby"]["commit"] == commit_of("second")
    assert container_id(place, "blue") == running
    assert place.events()[-1] == f"rolled back {first[:7]}"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_candidate_is_taken_back_and_no_caller_notices(
    place: Place, first: str, faulty: Faulty, fault: str
) -> None:
    image = faulty(fault)
    step, reason = FAULTS[fault]
    place.edit(**SETTINGS_FOR.get(fault, {}))
    with place.traffic() as tally:
        outcome = place.deploy(image)
    place.edit()
    assert outcome.exit_code == 1, outcome.to_text()
    assert re.search(reason, outcome.message)
    assert [it.name for it in outcome.steps if not it.ok] == [step]
    check(tally, place, {first})
    assert place.live() == first
    assert place.container("green").inspect() is None
    assert place.events()[-1] == f"undone {commit_of(fault)[:7]}"
    assert re.search(reason, place.status_text())
    assert "Last output of the candidate" in outcome.to_markdown()


def test_a_rollback_names_a_release_of_the_history(place: Place, first: str) -> None:
    """Its container is gone, since candidates were in its slot."""
    second = commit_of("second")
    with place.traffic(rate=100) as tally:
        outcome = place.rollback(second[:7])
    assert outcome.ok, outcome.to_text()
    check(tally, place, {first, second})
    assert place.live() == second


@pytest.mark.parametrize("name", ["unknown", "0" * 40, commit_of("never ready")[:7]])
def test_a_rollback_to_what_never_ran_names_what_did(place: Place, first: str, name: str) -> None:
    outcome = place.rollback(name)
    assert outcome.exit_code == 2
    assert first[:7] in outcome.do
    assert place.live() == commit_of("second")


def test_the_page_gets_the_releases_that_ran(place: Place, first: str) -> None:
    found = json.loads((place.tree / "build/releases.json").read_text("utf-8"))
    assert [it["event"] for it in found] == ["deployed", "deployed", "rolled back", "rolled back"]
    assert found[0]["commit"] == first
    assert found[0]["metrics"]["auc"]["value"] > 0.5


def test_stopping_leaves_the_log_and_the_history(place: Place, first: str, second: str) -> None:
    outcome = place.stop()
    assert outcome.ok
    assert place.container("proxy").inspect() is None
    assert not place.is_healthy()
    assert place.deploy().ok
    assert place.live() == first
    assert f"rolled back {commit_of('second')[:7]}" in place.events()
    assert set(place.logged().values()) >= {first, commit_of("second")}
