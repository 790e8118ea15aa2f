"""Simulated rows that depend on each other: intervals hold, and equal models are not *better*.

Seven cells of `bench/intervals.py`, with fewer runs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.dependent import LEVEL, Case, power_of, rate_of_levels, rates_of

from slipway.metrics.clusters import FEWEST
from slipway.metrics.registry import METRICS, Sample

RUNS = 300

# What chance adds to a rate: 3.3 standard errors, for 1 of 1,000 rates.
SLACK = 3.3

CELLS = [
    Case(FEWEST, 0.1, ordered=False),
    Case(60, 0.3, unequal=True, ordered=False),
    Case(FEWEST, 0.0),
    Case(60, 0.1, serial=0.3, unequal=True),
    Case(122, 0.3, serial=0.6),
    Case(122, 0.3, serial=0.3, periods=4),
    Case(200, 0.1, unequal=True),
]


@pytest.mark.parametrize("case", CELLS, ids=str)
def test_intervals_hold_the_truth_and_equal_models_are_not_called_better(case: Case) -> None:
    lowest = 0.91 if case.serial >= 0.5 else 0.93
    for metric, rates in rates_of(case, RUNS).items():
        assert rates.held >= lowest - slack(lowest), metric
        assert rates.better <= LEVEL + slack(2 * LEVEL) / 2, metric


@pytest.mark.parametrize("metric", METRICS)
def test_fifteen_days_are_inconclusive_and_name_how_many_are_needed(metric: str) -> None:
    found = Case(15, 0.1).draw(np.random.default_rng(0)).difference(metric)
    assert str(FEWEST) in found.insufficient_reason


def test_a_test_at_the_level_of_the_judge_rejects_no_more_often() -> None:
    level, runs = 0.0005, 10_000
    (rate,) = rate_of_levels(122, 0.3, skewed=False, levels=[level], runs=runs)
    assert rate <= level + SLACK * np.sqrt(level / 2 / runs)


def test_independent_rows_would_call_equal_models_better_far_too_often() -> None:
    case, random = Case(60, 0.3, rows=60), np.random.default_rng(0)
    called = 0
    for _ in range(RUNS):
        rows = case.draw(random)
        rows = replace(rows, sample=Sample.of(rows.sample.labels))
        found = rows.difference("log_loss")
        called += min(found.p_up, found.p_down) <= LEVEL
    assert called / RUNS / 2 > 4 * LEVEL


def test_a_true_difference_is_shown_as_often_as_the_number_needed_promises() -> None:
    needed, power = power_of(Case(60, 0.1, serial=0.3, gain=0.15), "log_loss", RUNS, RUNS)
    assert needed > FEWEST
    assert abs(power - 0.8) < 0.05 + slack(0.8)


def slack(share: float) -> float:
    return SLACK * float(np.sqrt(share * (1 - share) / RUNS))
