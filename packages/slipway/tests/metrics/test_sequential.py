"""Confidence sequences: their rate of errors over all looks, their power, and their first look."""

from __future__ import annotations

import numpy as np
import pytest
from tests.metrics import daily_looks
from tests.metrics.daily_looks import LEVEL

from slipway.metrics import influence, sequential
from slipway.metrics.clusters import Way
from slipway.metrics.sequential import FEWEST, Boundary

RUNS = 1000


def losses(days: int, gain: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Way]:
    """Two models' losses on days of 20 rows each."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 20)
    first = random.random(len(day))
    moved = 0.1 * random.standard_normal(days)[day] + 0.1 * random.standard_normal(len(day))
    return first, first - gain + moved, Way.of(day, ordered=True)


def compared(first: np.ndarray, second: np.ndarray, days: Way):
    return sequential.difference(influence.mean(first), influence.mean(second), days, LEVEL)


def test_an_equal_challenger_is_rarely_called_better_or_worse_at_any_of_90_looks():
    series = daily_looks.normal_days(RUNS, np.random.default_rng(1), correlation=0.3)

    called = daily_looks.signs(series).any(axis=1)
    called_by_one_look = daily_looks.signs(series, daily_looks.one_look).any(axis=1)

    assert called.mean() <= 0.05
    assert called_by_one_look.mean() > 0.2


def test_twice_the_difference_of_one_look_at_30_days_is_found_in_most_runs_before():
    series = daily_looks.normal_days(RUNS, np.random.default_rng(2))

    found = daily_looks.signs(series.plus(2 * series.detectable))[:, :29]

    assert (found == 1).any(axis=1).mean() > 0.5
    assert not (found == -1).any()


@pytest.mark.parametrize("days", [14, 30, 90])
def test_the_boundary_is_that_of_the_paper(days):
    sigma = 0.7
    rho = np.sqrt((-2 * np.log(0.05) + np.log(-2 * np.log(0.05)) + 1) / (30 * sigma**2))
    v = days * sigma**2 * rho**2 + 1
    width = np.sqrt(2 * v / (days**2 * rho**2) * np.log(np.sqrt(v) / 0.05))

    assert Boundary.at(days, 0.05).z * sigma / np.sqrt(days) == pytest.approx(width)


def test_p_values_and_the_interval_agree():
    first, second, days = losses(40)
    edge = compared(first, second, days).high

    inside = compared(first, second - edge * (1 - 1e-6), days)
    outside = compared(first, second - edge * (1 + 1e-6), days)

    assert inside.p_down > 0.025 > outside.p_down
    assert inside.high > 0 > outside.high
    assert outside.p_up == 1


def test_standard_errors_are_not_below_those_of_independent_days_and_grow_with_correlation():
    random = np.random.default_rng(3)
    alike = daily_looks.normal_days(400, random, 0.6).sums
    alone = daily_looks.normal_days(400, random).sums

    errors = [
        sequential.standard_errors(sums - sums.mean(1, keepdims=True)) for sums in (alone, alike)
    ]

    assert (errors[0] >= np.sqrt(90) * alone.std(1, ddof=1) - 1e-9).all()
    assert np.median(errors[1]) > 1.5 * np.median(errors[0])


def test_too_few_days_have_no_interval_and_name_the_number_that_is_needed():
    few, enough = (compared(*losses(days, gain=1)) for days in (FEWEST - 1, FEWEST))

    assert f"{FEWEST} are needed" in few.insufficient_reason
    assert few.value == pytest.approx(enough.value, abs=0.2)
    assert (few.p_up, few.p_down) == (1, 1)
    assert not enough.insufficient_reason
    assert enough.p_down < 0.025


def test_a_model_compared_with_itself_has_a_difference_of_exactly_0():
    first, _, days = losses(30)

    same = compared(first, first, days)

    assert (same.low, same.value, same.high) == (0, 0, 0)
    assert (same.p_up, same.p_down) == (1, 1)


def test_a_metric_that_does_not_exist_has_no_difference():
    labels, days = np.zeros(600), Way.of(np.repeat(np.arange(30), 20), ordered=True)
    auc = influence.auc(labels, np.arange(600.0))

    found = sequential.difference(auc, auc, days, LEVEL)

    assert found.first is None
    assert found.insufficient_reason


def test_the_days_needed_are_those_at_which_the_interval_is_as_wide_as_the_effect():
    needed = sequential.clusters_needed(0.02, se=0.01, clusters=20, confidence=LEVEL)

    def width(days: int) -> float:
        return sequential.reach(days, LEVEL) * 0.01 * np.sqrt(20 / days)

    assert needed is not None
    assert width(needed) <= 0.02 < width(needed - 1)
    assert sequential.clusters_needed(1e-6, 0.01, 20, LEVEL) is None
