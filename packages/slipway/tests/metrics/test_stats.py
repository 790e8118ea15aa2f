"""One model: values equal to the definitions, intervals equal to independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from tests.metrics import independent
from tests.metrics.models import LABELS, SCORES, TIED, wins

from slipway.metrics import stats
from slipway.metrics.calibration import rate_curve
from slipway.metrics.sample import Sample


@pytest.mark.parametrize("scores", [SCORES, TIED, SCORES > 0.4], ids=["smooth", "tied", "yes-no"])
def test_auc_and_its_error_equal_those_of_all_pairs(scores: np.ndarray) -> None:
    table = wins(LABELS, scores)
    m, n = table.shape
    variance = table.mean(1).var(ddof=1) / m + table.mean(0).var(ddof=1) / n
    found = stats.auc(LABELS, scores, 0.95)
    assert found.value == pytest.approx(table.mean(), abs=1e-12)
    assert found.value == pytest.approx(roc_auc_score(LABELS, scores), abs=1e-12)
    assert found.high - found.value == pytest.approx(1.959964 * variance**0.5, rel=1e-6)
    assert found.value - found.low == pytest.approx(1.959964 * variance**0.5, rel=1e-6)


def test_auc_of_a_known_table() -> None:
    # Three of the four pairs are in order.
    found = stats.auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert found.value == 0.75


def test_auc_without_both_classes_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="both classes"):
        stats.auc(np.ones(5), np.arange(5.0))


def test_auc_of_a_single_positive_claims_nothing() -> None:
    found = stats.auc(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]))
    assert (found.low, found.high) == (0, 1)


def test_auc_interval_has_its_nominal_coverage() -> None:
    random = np.random.default_rng(5)
    truth = 0.7602499389  # of two normals one standard deviation apart: Phi(1 / sqrt 2)
    labels = np.repeat([0, 1], [300, 100])
    held = 0
    for _ in range(1000):
        found = stats.auc(labels, random.standard_normal(400) + labels, 0.90)
        held += found.low <= truth <= found.high
    assert 0.87 <= held / 1000 <= 0.93


def test_losses_equal_scikit_learn() -> None:
    assert stats.log_losses(LABELS, SCORES).mean() == pytest.approx(log_loss(LABELS, SCORES))
    assert stats.brier(LABELS, SCORES).mean() == pytest.approx(brier_score_loss(LABELS, SCORES))


def test_a_certain_and_wrong_probability_costs_much_but_not_everything() -> None:
    losses = stats.log_losses(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert np.isfinite(losses).all()
    assert losses.min() > 30


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (10, 100, 0.05523, 0.17437),
        (0, 20, 0.0, 0.16113),
        (20, 20, 0.83887, 1.0),
        (81, 263, 0.25527, 0.36617),
    ],
)
def test_wilson_equals_published_values(successes: int, n: int, low: float, high: float) -> None:
    # Newcombe (1998), table I, method 3, and R's binom.confint(method = "wilson").
    found = independent.wilson(successes, n, 0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_may_be_anything() -> None:
    assert independent.wilson(0, 0) == stats.Estimate(0.0, 0.0, 1.0)


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_count() -> None:
    order = np.argsort(SCORES)
    parts = np.array_split(order, 4)
    gaps = [abs((LABELS[part] - SCORES[part]).sum()) for part in parts]
    found = independent.calibration_estimate(LABELS, SCORES, bins=4)
    assert found.value == pytest.approx(sum(gaps) / 400, abs=1e-9)
    assert found.low <= found.value <= found.high


def test_calibration_interval_is_that_of_a_bootstrap_of_rows() -> None:
    random = np.random.default_rng(1)
    scores = random.beta(2, 5, 20_000)
    labels = (random.random(20_000) < 0.8 * scores).astype("float64")
    drawn = []
    for _ in range(200):
        rows = random.integers(0, 20_000, 20_000)
        drawn.append(independent.calibration_estimate(labels[rows], scores[rows]).value)
    found = independent.calibration_estimate(labels, scores, confidence=0.95)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.15)


def test_calibration_is_the_same_each_time() -> None:
    assert independent.calibration_estimate(
        LABELS, TIED, seed=3
    ) == independent.calibration_estimate(LABELS, TIED, seed=3)


def test_a_constant_model_has_one_bin() -> None:
    constant = np.full(400, 0.5)
    curve = rate_curve(Sample.of(LABELS), LABELS, constant, 10)
    assert len(curve) == 1
    assert curve[0]["rows"] == 400
    assert independent.calibration_estimate(LABELS, constant).value == pytest.approx(
        abs(LABELS.mean() - 0.5)
    )


def test_calibration_curve_covers_every_row_once() -> None:
    curve = rate_curve(Sample.of(LABELS), LABELS, TIED, 10)
    assert sum(row["rows"] for row in curve) == 400
    assert sum(row["rows"] * row["label_rate"] for row in curve) == pytest.approx(LABELS.sum())
    assert all(row["low"] <= row["label_rate"] <= row["high"] for row in curve)
