"""The size of a move, and what chance does to it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2
from tests.monitoring.worlds import PAST, Variation, draw_counts, number, pushes

from slipway.monitoring.distances import measure
from slipway.reference.history import Overdispersion, overdispersion_of
from slipway.reference.profile import bin_numbers, number_profile, profile


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("cells", [2, 12, 40])
@pytest.mark.parametrize(("n", "m"), [(300, 2_000), (2_000, 2_000), (10_000, 2_000)])
def test_two_samples_of_one_thing_differ_as_in_a_two_sample_test(rng, cells, n, m):
    shares = 1 / np.arange(1, cells + 1)
    shares /= shares.sum()
    before = rng.multinomial(m, shares, 2_000).astype(float)
    now = rng.multinomial(n, shares, 2_000).astype(float)

    size = measure(now, before / m, np.full(2_000, m))

    p_values = chi2.sf(size.distance / size.chance, size.freedom)
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.05)
    assert np.mean(p_values < 0.001) < 0.006


def test_chance_alone_adds_nothing_to_the_size_of_a_move(rng):
    shares = np.full(40, 1 / 40)
    before, now = (rng.multinomial(n, shares, 500).astype(float) for n in (2_000, 400))

    assert measure(now, before / 2_000, np.full(500, 2_000)).psi.mean() < 0.02


def test_a_window_without_rows_is_no_distance_away():
    size = measure(np.zeros(4), np.full(4, 0.25), np.asarray(100.0))

    assert float(size.distance) == float(size.psi) == 0


@pytest.mark.parametrize(
    "shares", [np.array([1.0, 0.0]), np.array([0.0, 1.0])], ids=["one value", "no value"]
)
def test_a_column_that_never_varies_is_in_order_while_it_stays_so(shares):
    same = measure(shares * 500, shares, np.asarray(500.0))
    other = measure(shares[::-1] * 500, shares, np.asarray(500.0))

    assert float(same.distance) == float(same.psi) == 0
    assert other.psi > 1


def test_a_number_that_went_through_json_falls_into_the_bin_it_came_from():
    values = np.repeat(np.array([0.1, 55.94, 57.02, 101.7], "float32"), 100)
    reference = number_profile(profile(values))
    through_json = np.array([float(str(value)) for value in values])

    bins = bin_numbers(through_json, reference["edges"])

    assert np.bincount(bins, minlength=len(reference["counts"])).tolist() == reference["counts"]


def test_the_overdispersion_of_the_past_is_measured_without_what_chance_adds(rng):
    """A push by s sd moves the shares by s^2, in the units of the distance.

    Weeks of the traffic do not begin with the month, so a block of seven days has parts of two.
    """
    found = {
        spread: np.mean(
            [
                overdispersion_of(past_counts(rng, Variation(week=spread), rows), PAST).week
                for rows in (300, 3_000)
                for _ in range(6)
            ]
        )
        for spread in (0.0, 0.1, 0.3)
    }

    assert found[0.0] < 0.001
    assert found[0.1] == pytest.approx(0.01 * 2 / 3, rel=0.3)
    assert found[0.3] == pytest.approx(0.09 * 2 / 3, rel=0.3)


def test_the_autocorrelation_of_weeks_is_measured(rng):
    def mean(autocorrelation):
        variation = Variation(week=0.2, autocorrelation=autocorrelation)
        counts = (past_counts(rng, variation, 3_000) for _ in range(12))
        return np.mean([overdispersion_of(each, PAST).autocorrelation for each in counts])

    assert mean(0.0) < 0.4
    assert mean(0.6) > mean(0.0) + 0.1


def test_the_variance_of_the_mean_of_weeks_depends_on_their_autocorrelation():
    def variance(autocorrelation, weeks):
        known = Overdispersion(36, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, autocorrelation)
        return known.variance_of_mean(np.array(weeks))

    assert variance(0.0, [1.0, 4.0]).tolist() == [1.0, 0.25]
    assert variance(0.5, 2.0) == pytest.approx((1 + 0.5) / 2)


def test_overdispersion_has_the_keys_of_earlier_manifests():
    entry = {"weeks": 36, "week": 0.1, "week_seen": 0.2, "week_free": 1.5}
    entry |= {"day": 0.3, "day_seen": 0.4, "day_free": 2.5, "alike": 0.6, "most_missing": 0.7}

    known = Overdispersion.of(entry)

    assert known == Overdispersion(36, 0.1, 0.2, 1.5, 0.3, 0.4, 2.5, 0.6, 0.7)
    assert known.as_entry() == entry


def past_counts(rng, variation, rows):
    return draw_counts(rng, number(), rows, pushes(rng, variation, len(PAST)))
