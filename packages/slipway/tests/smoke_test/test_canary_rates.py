"""How often a canary stops a sound version, and how often it lets a bad one pass."""

from __future__ import annotations

import pytest
from tests.smoke_test.simulated import LIMITS, MIXED, Traffic, Version, psi, runs_stopped

# `make bench BENCH=canary` simulates a thousand of each.
RUNS = 100
LITTLE, MUCH = Traffic(100, 0.1), Traffic(200, 0.5)


@pytest.mark.parametrize("traffic", [LITTLE, MUCH])
@pytest.mark.parametrize(
    "version",
    [Version(), Version(refused=0.3), Version(errors=0.005, refused=0.05)],
    ids=["clean", "a third is refused", "some errors"],
)
def test_a_version_that_does_as_the_old_one_is_almost_never_stopped(version, traffic):
    assert runs_stopped(version, version, traffic, RUNS) <= RUNS * 0.02


@pytest.mark.parametrize("traffic", [LITTLE, MUCH])
@pytest.mark.parametrize(
    "bad",
    [
        Version(errors=1.0),
        Version(errors=0.2),
        Version(refused=1.0),
        Version(refused=0.4),
        Version(seconds=0.5),
        Version(seconds=0.080),
        Version(a=8.0, b=2.0),
        Version(a=5000.0, b=5000.0),
    ],
    ids=lambda it: str(it).removeprefix("Version"),
)
def test_a_bad_version_is_always_stopped(bad, traffic):
    assert runs_stopped(Version(refused=0.02), bad, traffic, RUNS // 10) == RUNS // 10


@pytest.mark.parametrize("traffic", [LITTLE, MUCH])
def test_a_version_that_fails_as_often_as_the_old_one_is_almost_never_stopped(traffic):
    """More often than the limit allows, by a cause that both share; over the time as shipped."""
    failing, minute = Version(errors=0.05), LIMITS.model_copy(update={"seconds": 60})
    assert runs_stopped(failing, failing, traffic, RUNS // 10, limits=minute) == 0


def test_a_candidate_that_refuses_what_the_old_version_refuses_too_is_sound():
    """A caller that sends nonsense sends it to both."""
    nonsense = Version(refused=0.98)
    assert runs_stopped(nonsense, nonsense, MUCH, RUNS) <= RUNS * 0.02


BATCHES = [Traffic(100, 0.1, rows, alike=0.9) for rows in ((20,), (200,), MIXED)]


@pytest.mark.parametrize("traffic", BATCHES, ids=["20 rows", "200 rows", "mixed"])
def test_requests_with_many_similar_rows_stop_at_most_one_sound_version_in_a_hundred(traffic):
    sound = Version()
    assert runs_stopped(sound, sound, traffic, RUNS) <= RUNS * 0.01
    assert runs_stopped(sound, sound, traffic, RUNS // 5, by_row=True) >= RUNS // 5 * 0.5


@pytest.mark.parametrize("traffic", BATCHES, ids=["20 rows", "200 rows", "mixed"])
def test_another_model_is_stopped_whatever_the_size_of_requests(traffic):
    """With 100 requests: a PSI of twice the limit mostly, one within the limit never."""
    other, close = Version(a=3.2), Version(a=2.4)
    assert 0.5 < psi(Version(), other) < 0.55
    assert runs_stopped(Version(), other, traffic, RUNS // 5) >= RUNS // 5 * 0.75
    assert runs_stopped(Version(), close, traffic, RUNS // 5) == 0
