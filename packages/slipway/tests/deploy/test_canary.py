"""A canary under traffic: no bad candidate goes live, and no caller waits for it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.deploy.conftest import MakePlace, Place, commit_of, wait_for
from tests.services.candidates import API, BAD, SOUND
from tests.services.engine import BuildVariant, ServiceImage
from tests.services.load import Tally

from slipway.release.outcome import Outcome
from slipway.repository.layout import MACHINE_CODE

CANARY: dict[str, Any] = {
    "share": 0.3,
    "seconds": 10,
    "min_requests": 100,
    "max_error_share": 0.01,
    "max_latency_ratio": 4,
    "max_latency_ms": 250,
    "max_score_psi": 0.25,
}
QUIET = {"share": 0.1, "seconds": 1, "min_requests": 20}
# `make bench BENCH=canary` shows 2 s; here other tests run at the same time.
LONGEST_WAIT = 4.0
SECONDS_TO_END = 2.0


@pytest.fixture(scope="module")
def place(make_place: MakePlace) -> Place:
    """A place where the first release runs, and whose proxy knows the canary's settings."""
    place = make_place(canary=CANARY)
    outcome = place.deploy()
    assert outcome.ok, outcome.to_text()
    return place


@pytest.fixture(scope="module")
def candidate(service_image: ServiceImage, build_variant: BuildVariant) -> Any:
    source = (service_image.tree / MACHINE_CODE / API).read_text("utf-8")

    def build(name: str) -> str:
        added = (BAD | SOUND)[name]
        return build_variant({f"/app/{API}": source + added}, commit=commit_of(name))

    return build


def check_waits(tally: Tally, outcome: Outcome, ended: float) -> None:
    """Check that no caller waited long in the canary.

    On a machine that others load, callers wait for the live version too: as long before.
    """
    (canary,) = [step for step in outcome.steps if step.name == "canary"]
    begun = ended - canary.seconds - SECONDS_TO_END
    assert tally.wait(since=begun) < max(LONGEST_WAIT, 2 * tally.wait(until=begun))


# One that gives no answer, an error, a refusal and a wrong answer, and one whose process ends.
# `make bench BENCH=canary` tries every candidate of BAD ten times.
@pytest.mark.parametrize("name", ["hangs", "fails", "refuses", "answers reversed", "crashes"])
def test_no_bad_candidate_goes_live_and_no_caller_waits_for_it(
    place: Place, first: str, candidate: Any, name: str
) -> None:
    image = candidate(name)
    with place.traffic(rate=150) as tally:
        outcome = place.deploy(image)
        ended = time.monotonic()
    assert outcome.exit_code == 1, outcome.to_text()
    assert [step.name for step in outcome.steps if not step.ok] == ["canary"]
    # A 4xx is an answer, which the proxy passes on; what fails is asked again.
    assert tally.statuses().keys() <= {200, 422 if name == "refuses" else 200}
    check_waits(tally, outcome, ended)
    assert place.live() == first
    assert place.container("green").inspect() is None
    assert place.events()[-1] == f"undone {commit_of(name)[:7]}"
    assert outcome.message.partition(": ")[2].partition(". ")[0] in place.status_text()
    assert "Last output of the candidate" in outcome.to_markdown()
    logged = place.logged()
    assert tally.ids() <= logged.keys()
    assert {logged[answer] for answer in tally.ids()} <= {first, commit_of(name)}
    if name == "fails":
        assert "errors:" in outcome.message
        assert "a fault that only traffic finds" in outcome.to_markdown()


def test_too_little_traffic_is_inconclusive_and_the_release_goes_back(
    place: Place, first: str, second: str
) -> None:
    place.edit(canary=CANARY | QUIET | {"on_inconclusive": "back"})
    outcome = place.deploy(second)
    assert outcome.exit_code == 2
    assert "inconclusive" in outcome.message
    assert "on_inconclusive" in outcome.do
    assert place.live() == first


def test_an_inconclusive_canary_goes_on_until_its_limit(
    place: Place, first: str, second: str
) -> None:
    place.edit(canary=CANARY | QUIET | {"max_seconds": 3})
    outcome = place.deploy(second)
    assert outcome.exit_code == 2
    (canary,) = [step for step in outcome.steps if step.name == "canary"]
    assert 3 <= canary.seconds < 6
    assert place.live() == first


@pytest.mark.parametrize("name", ["sound, another model"])
def test_no_sound_candidate_is_stopped_and_its_canary_ends_when_there_was_enough_traffic(
    place: Place, first: str, candidate: Any, name: str
) -> None:
    place.edit(canary=CANARY | {"seconds": 1, "min_requests": 300, "max_seconds": 60})
    image = candidate(name)
    with place.traffic(rate=150) as tally:
        outcome = place.deploy(image)
        ended = time.monotonic()
    assert outcome.ok, outcome.to_text()
    (canary,) = [step for step in outcome.steps if step.name == "canary"]
    assert 1 < canary.seconds < 50
    assert not tally.failed(), tally.failed()[:3]
    check_waits(tally, outcome, ended)
    assert place.live() == commit_of(name)
    assert place.status()["standby"]["commit"] == first


def test_the_standby_answers_while_the_live_version_is_down(place: Place) -> None:
    """The test before has left both."""
    live = place.container(place.status()["live"]["slot"])
    with place.traffic(rate=100) as tally:
        live.remove()
        before = len(tally.answers)
        wait_for(lambda: len(tally.answers) > before + 300, "answers of the standby")
    assert len(tally.failed()) <= 5, tally.failed()[:3]  # what was in its hands
    assert tally.wait() < LONGEST_WAIT
    assert not place.is_healthy()
    assert "standby" in place.status_text()


def test_a_live_version_that_does_not_answer_is_not_healthy(
    make_place: MakePlace, candidate: Any
) -> None:
    place = make_place()
    assert place.deploy(candidate("hangs")).ok  # the first has nothing to be compared with
    found = place.typed_status()  # asked once: it waits for an answer
    assert found.live is not None
    assert found.live.traffic == 1
    assert found.exit_code == 1
    assert "/predict" in found.to_text()
