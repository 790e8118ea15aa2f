"""200 requests a second through a deploy, a rollback and an automatic rollback: none fails."""

from __future__ import annotations

import pytest
from tests.deploy.conftest import Faulty, Place, commit_of
from tests.services.load import Tally


def steps_of(place: Place) -> list[str]:
    """What was said, by the names of the steps."""
    said = [line.split()[1] for line in place.said if line[:1] in "✓✗"]
    place.said.clear()
    return said


def check(tally: Tally, place: Place, proven: set[str]) -> None:
    """No request failed, and each answer is in the log, from a version that passed its proof."""
    assert not tally.failed(), tally.failed()[:3]
    assert len(tally.answers) > 100
    logged = place.logged()
    missing = tally.ids() - logged.keys()
    assert not missing
    assert {logged[name] for name in tally.ids()} == proven


def test_the_first_release_takes_all_traffic_straight_after_its_proof(
    place: Place, first: str
) -> None:
    assert steps_of(place) == ["engine", "recover", "image", "start", "prove", "switch", "keep"]
    assert place.live() == first
    assert place.status()["standby"] is None
    assert place.events() == [f"deployed {first[:7]}"]


def test_a_deploy_fails_no_request_and_keeps_the_old_version_as_standby(
    place: Place, first: str, second: str
) -> None:
    with place.traffic(rate=200) as tally:
        outcome = place.deploy(second)
    assert outcome.ok, outcome.to_text()
    check(tally, place, {first, commit_of("second")})
    gates = ["start", "prove", "shadow", "canary"]
    assert steps_of(place) == ["engine", "recover", "image", *gates, "switch", "drain", "keep"]
    assert place.live() == commit_of("second")
    assert place.status()["standby"]["commit"] == first
    assert place.status()["standby"]["health"] == "healthy"


def test_deploying_what_runs_says_so_and_changes_nothing(place: Place, second: str) -> None:
    before = place.status()["history"]
    outcome = place.deploy(second)
    assert outcome.exit_code == 0
    assert "runs already" in outcome.words
    assert place.status()["history"] == before


def test_a_rollback_fails_no_request_and_starts_nothing(place: Place, first: str) -> None:
    running = place.container("blue").about()
    with place.traffic(rate=200) as tally:
        outcome = place.rollback()
    assert outcome.ok, outcome.to_text()
    check(tally, place, {first, commit_of("second")})
    assert place.live() == first
    assert place.status()["standby"]["commit"] == commit_of("second")
    now = place.container("blue").about()
    assert running
    assert now
    assert now["Id"] == running["Id"]
    assert place.events()[-1] == f"rolled back {first[:7]}"


def test_a_release_that_fails_under_traffic_goes_back_and_fails_no_request(
    place: Place, first: str, faulty: Faulty
) -> None:
    with place.traffic(rate=200) as tally:
        outcome = place.deploy(faulty("500 under traffic"))
    assert outcome.exit_code == 1
    assert "errors:" in outcome.words
    check(tally, place, {first})
    assert place.live() == first
    assert any("a fault that only traffic finds" in section for section in outcome.details)


def test_a_rollback_names_a_release_of_the_history(place: Place, first: str) -> None:
    second = commit_of("second")
    with place.traffic(rate=200) as tally:
        outcome = place.rollback(second[:7])
    assert outcome.ok, outcome.to_text()
    check(tally, place, {first, second})
    assert place.live() == second


@pytest.mark.parametrize("name", ["nobody", "0" * 40, commit_of("500 under traffic")[:7]])
def test_a_rollback_to_what_never_ran_is_told_what_did(place: Place, first: str, name: str) -> None:
    outcome = place.rollback(name)
    assert outcome.exit_code == 2
    assert first[:7] in outcome.do
    assert place.live() == commit_of("second")


def test_the_page_gets_the_releases_that_ran(place: Place, first: str) -> None:
    import json

    found = json.loads((place.tree / "build/releases.json").read_text("utf-8"))
    assert [it["event"] for it in found] == ["deployed", "deployed", "rolled back", "rolled back"]
    assert found[0]["commit"] == first
    assert found[0]["metrics"]["auc"]["value"] > 0.5


def test_stopping_leaves_the_log_and_the_history(place: Place, first: str, second: str) -> None:
    outcome = place.stop()
    assert outcome.ok
    assert place.container("proxy").about() is None
    assert not place.well()
    assert place.deploy().ok
    assert place.live() == first
    assert f"rolled back {commit_of('second')[:7]}" in place.events()
    assert set(place.logged().values()) >= {first, commit_of("second")}
