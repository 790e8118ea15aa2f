"""Late labels of classes, numbers, quantiles: as few false alarms as set, and shifts are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitoring.labelled_tasks import (
    HOLDOUT,
    NUMBERS,
    WEEKS,
    Draw,
    first_alarm,
    monitor_of,
    of_classes,
    of_numbers,
    of_quantiles,
)

from slipway.errors import SlipwayError
from slipway.monitoring.label_monitors import RegressionMonitor

YEARS = 12

# One false alarm in ten months leaves 30% of the years without any.
ALLOWED = 0.7


@pytest.mark.parametrize(
    ("draw", "rest"), [(of_classes, 0.3), (of_numbers, 0.1), (of_quantiles, 0.1)]
)
def test_years_without_a_change_have_few_alarms_although_days_differ(
    draw: Draw, rest: float
) -> None:
    alarms = sum(first_alarm(draw, seed, 1_000, rest) <= WEEKS for seed in range(YEARS))
    assert alarms <= ALLOWED * YEARS


@pytest.mark.parametrize(
    ("draw", "change"), [(of_classes, 0.2), (of_numbers, 0.3), (of_quantiles, 0.3)]
)
def test_a_change_is_found_within_weeks(draw: Draw, change: float) -> None:
    assert max(first_alarm(draw, seed, 1_000, 0.0, change, weeks=4) for seed in range(5)) <= 2


def test_without_the_days_of_the_holdout_such_days_would_alarm() -> None:
    """The twin: it is the day effects that keep the rate."""
    random = np.random.default_rng(1)
    holdout = of_numbers(random, HOLDOUT, 30, 0.3, 0.0)
    week = of_numbers(random, 10_000, 7, 0.3, 0.0)
    with_days = RegressionMonitor.of(NUMBERS, holdout.labels, holdout.scores, holdout.days)
    without = RegressionMonitor.of(NUMBERS, holdout.labels, holdout.scores, None)
    assert without.shifts(week)["bias"].sd < with_days.shifts(week)["bias"].sd / 3


def test_an_error_beyond_the_quantile_of_the_holdout_counts_as_that() -> None:
    random = np.random.default_rng(2)
    monitor = monitor_of(of_numbers, random, 0.0)
    week = of_numbers(random, 1_000, 7, 0.0, 0.0)
    labels = week.labels.copy()
    labels[0] = 1e12
    shift, extreme = monitor.shifts(week), monitor.shifts(replace(week, labels=labels))
    assert abs(extreme["error"].value - shift["error"].value) < shift["error"].sd


def test_a_holdout_without_a_wrong_decision_is_no_reference() -> None:
    random = np.random.default_rng(3)
    part = of_classes(random, 100, 7, 0.0, 0.0)
    right = part.scores.argmax(axis=1).astype("float64")
    with pytest.raises(SlipwayError, match="every decision is right"):
        monitor_of(lambda *_: replace(part, labels=right), random, 0.0)
