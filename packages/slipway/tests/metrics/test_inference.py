"""Influence functions: rows of their own give today's tests, and clusters Obuchowski's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from tests.metrics import independent

from slipway.metrics import calibration, inference, influence, paired, stats
from slipway.metrics.clusters import FEWEST, Clusters, Spread, Way, spread_of
from slipway.metrics.influence import Influence
from slipway.metrics.paired import Difference
from slipway.metrics.registry import METRICS, ByInfluence, Predictions

ROWS = 5_000

INDEPENDENT = Clusters()

Scores = tuple[np.ndarray, np.ndarray, np.ndarray]


def measured(metric: str, labels: np.ndarray, scores: np.ndarray) -> Influence:
    measure = METRICS[metric].measure
    assert isinstance(measure, ByInfluence)
    return measure.influence(labels, Predictions.at(scores, 0.5))


def scored(share: float = 0.3, digits: int = 15, kind: str = "float64") -> Scores:
    random = np.random.default_rng(8)
    labels = (random.random(ROWS) < share).astype(kind)
    base = 0.35 + 0.15 * labels + 0.2 * random.standard_normal(ROWS)
    first, second = (
        np.clip(base + 0.05 * random.standard_normal(ROWS), 0.01, 0.99).round(digits).astype(kind)
        for _ in range(2)
    )
    return labels, first, second


CASES = {
    "half": scored(0.5),
    "few positives": scored(0.03),
    "ties": scored(digits=1),
    "float32": scored(kind="float32"),
}

TODAY: dict[str, Callable[..., Difference]] = {
    "auc": independent.auc,
    "log_loss": lambda y, a, b: independent.mean(stats.log_losses(y, a), stats.log_losses(y, b)),
    "brier": lambda y, a, b: independent.mean(stats.brier(y, a), stats.brier(y, b)),
    "precision": lambda y, a, b: independent.precision(y, a >= 0.5, b >= 0.5),
    "recall": lambda y, a, b: independent.recall(y, a >= 0.5, b >= 0.5),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("metric", TODAY)
@pytest.mark.parametrize("swapped", [False, True], ids=["", "swapped"])
def test_rows_of_their_own_give_todays_paired_test(metric: str, case: str, swapped: bool) -> None:
    labels, first, second = CASES[case]
    if swapped:
        first, second = second, first
    # Today's means of float32 are rounded to float32; ranks are not.
    exact = 1e-9 if first.dtype == "float64" or metric in {"auc", "recall"} else 1e-6
    before, after = (measured(metric, labels, scores) for scores in (first, second))
    today = TODAY[metric](labels, first, second)
    found = inference.difference(before, after, INDEPENDENT, 0.95)
    assert found.first == pytest.approx(today.first, rel=exact)
    assert found.value == pytest.approx(today.value, rel=exact, abs=exact)
    assert found.se == pytest.approx(today.se, rel=exact)
    assert found.high - found.low == pytest.approx(today.high - today.low, rel=1e-3)
    assert found.p_up == pytest.approx(today.p_up, abs=1e-3)
    assert found.insufficient_reason == today.insufficient_reason


@pytest.mark.parametrize("case", CASES)
def test_rows_of_their_own_give_todays_intervals_of_a_value(case: str) -> None:
    labels, scores, _ = CASES[case]
    hits, decided = scores >= 0.5, int((scores >= 0.5).sum())
    share = int((hits & (labels == 1)).sum())
    today = {
        "auc": stats.auc(labels, scores),
        "log_loss": independent.mean_estimate(stats.log_losses(labels, scores)),
        "brier": independent.mean_estimate(stats.brier(labels, scores)),
        "precision": independent.wilson(share, decided),
    }
    for metric, expected in today.items():
        model = measured(metric, labels, scores)
        assert model.value is not None
        spread = spread_of(model.pull, INDEPENDENT)
        if metric == "precision":
            found = inference.share_interval(model.value, spread, model.support, 0.95)
        else:
            found = inference.interval(model.value, spread, 0.95, (0, np.inf))
        assert found.value == pytest.approx(expected.value, rel=1e-7)
        assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=1e-3)


def test_a_way_of_single_rows_is_the_same_as_none() -> None:
    labels, first, second = CASES["half"]
    one_each = Clusters((Way.of(np.random.default_rng(0).permutation(ROWS)),))
    pull = influence.auc(labels, second).pull - influence.auc(labels, first).pull
    assert spread_of(pull, one_each) == spread_of(pull, INDEPENDENT)
    models = [binned(labels, scores) for scores in (first, second)]
    alone = calibration.spread_of_errors(models, INDEPENDENT)
    assert calibration.spread_of_errors(models, one_each) == alone


@pytest.mark.parametrize("case", ["half", "few positives", "float32"])
def test_the_calibration_error_of_single_rows_has_todays_bootstrap_error(case: str) -> None:
    labels, first, second = CASES[case]
    today = independent.calibration_error(labels, first, second)
    models = [binned(labels, scores) for scores in (first, second)]
    spread = calibration.spread_of_errors(models, INDEPENDENT)
    assert models[1].error - models[0].error == pytest.approx(today.value, abs=1e-7)
    assert spread.se == pytest.approx(today.se, rel=1e-6)
    pairs = Clusters((Way.of(np.arange(ROWS) // 2),))  # nearly single rows: the other method
    assert calibration.spread_of_errors(models, pairs).se == pytest.approx(today.se, rel=0.12)


def test_auc_of_clusters_has_obuchowskis_variance() -> None:
    # Four patients, each with two diseased and two healthy regions, and their ratings.
    diseased = np.array([[4, 5], [3, 3], [2, 5], [5, 4]])
    healthy = np.array([[1, 4], [2, 3], [1, 1], [4, 2]])
    value, variance = obuchowski(diseased, healthy)
    labels = np.repeat([1, 0], [8, 8])
    ratings = np.concatenate([diseased.ravel(), healthy.ravel()])
    patients = Clusters((Way.of(np.tile(np.repeat(np.arange(4), 2), 2)),))
    found = influence.auc(labels, ratings)
    spread = spread_of(found.pull, patients)
    assert found.value == pytest.approx(value)
    # The pull also has the factor of a class of 8 rows.
    assert spread.se**2 == pytest.approx(variance * 8 / 7, rel=1e-12)
    assert spread.dof == pytest.approx(3)


@pytest.mark.parametrize("share", [0.3, 0.005], ids=["three in ten", "rare positives"])
def test_average_precision_of_clusters_has_the_error_of_their_bootstrap(share: float) -> None:
    random = np.random.default_rng(3)
    codes = np.repeat(np.arange(60), 300)
    latent = random.standard_normal(60)[codes] * 0.5 + random.standard_normal(len(codes))
    labels = (latent > np.quantile(latent, 1 - share)).astype("float64")
    scores = [np.round(latent + random.standard_normal(len(codes)), 1) for _ in range(2)]
    first, second = (influence.average_precision(labels, each) for each in scores)
    days = Clusters((Way.of(codes),))
    drawn = np.array(
        [
            [average_precision_score(labels, each, sample_weight=weights) for each in scores]
            for _ in range(300)
            for weights in [np.bincount(random.integers(0, 60, 60), minlength=60)[codes]]
        ]
    )
    # 300 draws have an error of 4 %, and the influence function is a linear approximation.
    assert spread_of(first.pull, days).se == pytest.approx(drawn[:, 0].std(), rel=0.15)
    difference = spread_of(second.pull - first.pull, days).se
    assert difference == pytest.approx((drawn[:, 1] - drawn[:, 0]).std(), rel=0.15)


def obuchowski(diseased: np.ndarray, healthy: np.ndarray) -> tuple[float, float]:
    """Return the AUC and its variance by the formulas of Obuchowski (1997).

    var = S10 / m + S01 / n + 2 S11 / (m n) with S10 = I / ((I - 1) m) Σ (V10 of i - m_i A)²,
    S01 likewise, and S11 = I / (I - 1) Σ (V10 of i - m_i A)(V01 of i - n_i A), of clusters i.
    """
    above = diseased[:, :, None, None] > healthy
    won = above + 0.5 * (diseased[:, :, None, None] == healthy)
    value, clusters, m, n = won.mean(), len(diseased), diseased.size, healthy.size
    v10 = (won.mean((2, 3)) - value).sum(1)
    v01 = (won.mean((0, 1)) - value).sum(1)
    factor = clusters / (clusters - 1)
    s10, s01, s11 = factor / m * v10 @ v10, factor / n * v01 @ v01, factor * v10 @ v01
    return float(value), float(s10 / m + s01 / n + 2 * s11 / (m * n))


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "in time"])
@pytest.mark.parametrize("metric", TODAY)
def test_a_model_does_not_differ_from_itself(metric: str, ordered: bool) -> None:
    labels, scores, _ = CASES["half"]
    model = measured(metric, labels, scores)
    days = Clusters((Way.of(np.arange(ROWS) // 100, ordered=ordered),))
    found = inference.difference(model, model, days, 0.95)
    assert (found.value, found.se, found.p_up, found.p_down) == (0, 0, 1, 1)
    calibrated = binned(labels, scores)
    assert calibration.spread_of_errors([calibrated, calibrated], days).se == 0


def test_a_few_clusters_decide_nothing() -> None:
    labels, first, second = CASES["half"]
    models = influence.auc(labels, first), influence.auc(labels, second)
    for count, decides in ((FEWEST, True), (FEWEST - 1, False)):
        days = Clusters((Way.of(np.arange(ROWS) * count // ROWS, ordered=True),))
        assert (not inference.difference(*models, days, 0.95).insufficient_reason) == decides


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "in time"])
def test_one_cluster_shows_nothing(ordered: bool) -> None:
    labels, first, second = CASES["half"]
    one = Clusters((Way.of(np.zeros(ROWS, int), ordered=ordered),))
    before, after = (influence.auc(labels, scores) for scores in (first, second))
    found = inference.difference(before, after, one, 0.95)
    assert found.insufficient_reason
    assert (found.p_up, found.p_down) == (1, 1)
    spread = spread_of(before.pull, one)
    assert inference.interval(0.7, spread, 0.95, (0.0, 1.0)) == stats.Estimate(0.7, 0.0, 1.0)
    assert inference.share_interval(0.7, spread, 10, 0.95) == stats.Estimate(0.7, 0.0, 1.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_rows_of_one_class_have_no_auc(label: float) -> None:
    labels, scores = np.full(100, label), np.linspace(0, 1, 100)
    days = Clusters((Way.of(np.arange(100) // 2),))
    nothing = influence.auc(labels, scores)
    found = inference.difference(nothing, nothing, days, 0.95)
    assert nothing.value is None
    assert found.insufficient_reason
    assert spread_of(nothing.pull, days).se == 0


@pytest.mark.filterwarnings("error")
def test_decisions_that_are_all_alike_have_a_share_and_no_nan() -> None:
    labels = np.arange(100) % 2
    never = influence.precision(labels, np.zeros(100, bool))
    always = influence.recall(labels, np.ones(100, bool))
    assert never.value is None
    assert always.value == 1
    found = inference.share_interval(1.0, Spread(0.0, 99), always.support, 0.95)
    assert (found.low, found.high) == pytest.approx((independent.wilson(50, 50).low, 1), rel=3e-3)


def test_a_mean_over_periods_has_the_value_and_the_error_of_all_rows() -> None:
    losses = np.random.default_rng(3).random(900)
    parts = [influence.mean(losses[:300]), influence.mean(losses[300:])]
    whole, found = influence.mean(losses), inference.mean_of(parts)
    assert found.value == pytest.approx(whole.value)
    assert found.pull == pytest.approx(whole.pull, rel=0.01, abs=1e-6)


def test_four_periods_do_not_hide_the_variation_between_days_from_its_error() -> None:
    """Pulls centred in each period would give 0.73 of the variance."""
    random, days = np.random.default_rng(5), Clusters((Way.of(np.arange(120), ordered=True),))
    variances = []
    for _ in range(400):
        parts = [influence.mean(part) for part in np.split(random.standard_normal(120), 4)]
        variances.append(spread_of(inference.mean_of(parts).pull, days).se ** 2)
    assert np.mean(variances) * 120 == pytest.approx(1, abs=0.08)


def test_a_tiny_effect_needs_many_clusters_and_stops_nothing() -> None:
    assert inference.clusters_needed(1e-12, Spread(0.01, 99), 100, 0.025) >= 10**9


def test_more_clusters_are_needed_for_a_smaller_effect_or_a_stricter_test() -> None:
    spread = Spread(0.01, 99)
    needed = inference.clusters_needed(0.01, spread, 100, 0.025)
    assert inference.clusters_needed(0.005, spread, 100, 0.025) > 3.9 * needed
    assert inference.clusters_needed(0.01, spread, 100, 0.0005) > needed
    # Half the variance of 100 clusters is that of 200.
    half = Spread(0.01 / 2**0.5, 199)
    assert inference.clusters_needed(0.01, half, 200, 0.025) == pytest.approx(needed, abs=1)


def test_normal_theory_gives_the_clusters_that_are_needed_where_there_are_many() -> None:
    normal = paired.rows_to_see(0.001, 0.01, 5_000, 0.025)
    needed = inference.clusters_needed(0.001, Spread(0.01, 4_999), 5_000, 0.025)
    assert needed == pytest.approx(normal, rel=1e-3)


def binned(labels: np.ndarray, scores: np.ndarray) -> calibration.Binned:
    return calibration.Binned.of(labels, scores, [slice(0, len(scores))], 10)


@pytest.mark.parametrize(("rate", "shift", "level"), [(0.2, 2.0, 0.8), (0.01, 3.0, 0.5)])
def test_recall_at_a_precision_varies_as_its_standard_error_states(
    rate: float, shift: float, level: float
) -> None:
    random = np.random.default_rng(5)
    found = []
    for _ in range(200):
        labels = (random.random(10_000) < rate).astype("float64")
        scores = random.normal(size=10_000) + shift * labels
        found.append(influence.recall_at_precision(labels, scores, level))
    errors = [np.sqrt((each.pull**2).sum()) for each in found]
    spread = np.std([float(each.value or 0) for each in found])
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)


def test_recall_at_a_precision_that_no_threshold_reaches_decides_nothing() -> None:
    labels = np.tile([0.0, 0.0, 1.0], 200)
    found = influence.recall_at_precision(labels, np.zeros(600), 0.9)
    assert found.value == 0
    assert found.insufficient_reason
