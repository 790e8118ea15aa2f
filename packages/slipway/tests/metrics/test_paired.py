"""Two models: the paired tests equal their definitions, and have their nominal error rates."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binomtest
from tests.metrics import independent
from tests.metrics.models import LABELS, OTHER, SCORES, TIED, two_models, wins

from slipway.metrics import paired, stats


@pytest.mark.parametrize(("first", "second"), [(SCORES, OTHER), (TIED, OTHER.round(1))])
def test_paired_auc_is_delongs_over_all_pairs(first: np.ndarray, second: np.ndarray) -> None:
    table = wins(LABELS, second) - wins(LABELS, first)
    m, n = table.shape
    se = (table.mean(1).var(ddof=1) / m + table.mean(0).var(ddof=1) / n) ** 0.5
    found = independent.auc(LABELS, first, second)
    assert found.value == pytest.approx(table.mean(), abs=1e-12)
    assert found.se == pytest.approx(se, rel=1e-9)
    assert found.p_up == pytest.approx(1 - NormalDist().cdf(table.mean() / se), rel=1e-6)
    assert found.p_up + found.p_down == pytest.approx(1)


@pytest.mark.parametrize(
    "compare", [independent.auc, independent.calibration_error], ids=["auc", "calibration"]
)
def test_swapping_the_models_turns_the_difference_round(compare: object) -> None:
    there = compare(LABELS, SCORES, OTHER)  # type: ignore[operator]
    back = compare(LABELS, OTHER, SCORES)  # type: ignore[operator]
    assert back.value == pytest.approx(-there.value)
    assert back.se == pytest.approx(there.se, rel=0.1)  # calibration is drawn at random


def test_a_model_does_not_differ_from_itself() -> None:
    decided = SCORES > 0.4
    found = [
        independent.auc(LABELS, SCORES, SCORES),
        independent.mean(SCORES, SCORES),
        independent.calibration_error(LABELS, SCORES, SCORES),
        independent.precision(LABELS, decided, decided),
        independent.recall(LABELS, decided, decided),
    ]
    for same in found:
        assert (same.value, same.se, same.low, same.high) == (0, 0, 0, 0)
        assert (same.p_up, same.p_down) == (1, 1)


def test_a_perfect_model_against_its_opposite_is_certain_not_undefined() -> None:
    labels = np.repeat([0.0, 1.0], 60)
    found = independent.auc(labels, -labels, labels)
    assert (found.value, found.se) == (1, 0)
    assert (found.p_up, found.p_down) == (0, 1)


def test_few_rows_of_a_class_are_insufficient() -> None:
    labels = np.repeat([0.0, 1.0], [500, 49])
    scores = np.random.default_rng(0).random((2, 549))
    assert "fewer than 50" in independent.auc(labels, *scores).insufficient_reason
    assert "fewer than 2" in independent.auc(labels * 0, *scores).insufficient_reason
    assert independent.auc(np.repeat([0.0, 1.0], [499, 50]), *scores).insufficient_reason == ""
    no_row = np.zeros(549, bool)
    assert independent.precision(labels, no_row, no_row).insufficient_reason


def test_precision_has_the_error_of_a_bootstrap_of_rows() -> None:
    random = np.random.default_rng(3)
    labels, first, second = two_models(random, 5000, gap=0.1)
    found = independent.precision(labels, first > 1, second > 1)
    drawn = []
    for _ in range(400):
        rows = random.integers(0, 5000, 5000)
        here = labels[rows]
        drawn.append(here[second[rows] > 1].mean() - here[first[rows] > 1].mean())
    assert found.se == pytest.approx(np.std(drawn), rel=0.12)
    assert found.value == pytest.approx(labels[second > 1].mean() - labels[first > 1].mean())


@pytest.mark.parametrize(("a", "b"), [(0, 0), (5, 5), (2, 11), (30, 15), (300, 260)])
def test_mcnemar_is_the_exact_binomial_test(a: int, b: int) -> None:
    expected = binomtest(a, a + b).pvalue if a + b else 1.0
    assert paired.mcnemar(a, b) == pytest.approx(min(1.0, expected))


def test_holm_of_a_worked_example() -> None:
    # 4 x 0.005, 3 x 0.01, 2 x 0.02, then never less than the one before.
    assert paired.holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert paired.holm([]) == []


def test_no_true_difference_is_found_as_often_as_alpha() -> None:
    random = np.random.default_rng(7)
    found = [independent.auc(*two_models(random, 1000)) for _ in range(2000)]
    assert np.mean([test.p_up < 0.05 for test in found]) == pytest.approx(0.05, abs=0.015)
    assert np.mean([test.p_down < 0.05 for test in found]) == pytest.approx(0.05, abs=0.015)


def test_power_is_what_the_formula_for_rows_promises() -> None:
    random = np.random.default_rng(8)
    gap = 0.10
    wide = two_models(random, 200_000, gap)
    effect = -independent.auc(*wide).value
    pilot = independent.auc(*two_models(random, 4000, gap))
    rows = paired.rows_to_see(effect, pilot.se, 4000, alpha=0.05, power=0.8)
    seen = [independent.auc(*two_models(random, rows, gap)).p_down < 0.05 for _ in range(600)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.06)


def test_alike_models_are_distinguished_where_their_own_intervals_overlap() -> None:
    labels, first, second = two_models(np.random.default_rng(9), 20_000, gap=0.03, alike=0.99)
    alone = [stats.auc(labels, scores) for scores in (first, second)]
    assert alone[0].low < alone[1].high
    assert independent.auc(labels, first, second).p_down < 0.001
