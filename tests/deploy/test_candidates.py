"""Candidates that fail in every way: each is taken back, and no caller notices."""

from __future__ import annotations

import re

import pytest
from tests.deploy.conftest import SETTINGS, Faulty, Place, commit_of

# What a candidate does, the step that stops it, and what the reason says.
FAULTS = {
    "crashes at start": ("start", "it ended with exit code"),
    "never ready": ("start", "/readyz says 503"),
    "other answers": ("prove", "differ by more than 1e-9"),
    "leaks memory": ("prove", "memory"),
    "500 under traffic": ("canary", "errors:"),
    "slow under traffic": ("canary", "latency:"),
    "dies under traffic": ("canary", "it (ended with|stopped answering|does not answer)|errors:"),
}

# What has to be waited for: an answer that says no, and enough slow ones.
PATIENCE = {
    "never ready": {"start_seconds": 15},
    "slow under traffic": {"canary": SETTINGS["canary"] | {"seconds": 10}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_candidate_is_taken_back_and_nobody_notices(
    place: Place, first: str, faulty: Faulty, fault: str
) -> None:
    image = faulty(fault)
    step, reason = FAULTS[fault]
    place.edit(**PATIENCE.get(fault, {}))
    with place.traffic() as tally:
        outcome = place.deploy(image)
    place.edit()
    assert outcome.exit_code == 1, outcome.to_text()
    assert re.search(reason, outcome.words)
    assert [it.name for it in outcome.steps if not it.ok] == [step]
    assert not tally.failed(), tally.failed()[:3]
    logged = place.logged()
    assert tally.ids() <= logged.keys()
    allowed = {first} if step != "canary" else {first, commit_of(fault)}
    assert {logged[name] for name in tally.ids()} <= allowed
    assert place.live() == first
    assert place.container("green").about() is None
    assert place.events()[-1] == f"undone {commit_of(fault)[:7]}"
    assert re.search(reason, place.told())
    assert "Its last words" in outcome.to_markdown()
