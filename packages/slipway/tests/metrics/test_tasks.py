"""Metrics of classes, numbers and quantiles: their values, and the errors of their clusters."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from slipway.metrics.clusters import Clusters, Way, spread_of
from slipway.metrics.registry import (
    ALL,
    ByInfluence,
    Options,
    Predictions,
    Sample,
    metrics_of,
    reported_of,
)
from slipway.tasks.predictions import (
    ClassPredictions,
    QuantilePredictions,
    ValuePredictions,
)

CLUSTERS, ROWS, CLASSES = 60, 3_000, 4

DRAWS = 300

RANDOM = np.random.default_rng(5)

CODES = np.repeat(np.arange(CLUSTERS), ROWS // CLUSTERS)

EFFECT = 0.6 * RANDOM.standard_normal(CLUSTERS)[CODES]

DAYS = Clusters((Way.of(CODES),))


def classes() -> tuple[np.ndarray, ClassPredictions, ClassPredictions]:
    signal = RANDOM.standard_normal((ROWS, CLASSES))
    labels = (signal + RANDOM.gumbel(size=signal.shape) + EFFECT[:, None] * [1, 0, 0, 0]).argmax(1)
    first, second = (
        signal + 0.5 * RANDOM.standard_normal(signal.shape) + EFFECT[:, None] for _ in range(2)
    )
    return labels.astype("float64"), *(
        ClassPredictions.most_probable(np.exp(each) / np.exp(each).sum(1, keepdims=True))
        for each in (first, second)
    )


def values() -> tuple[np.ndarray, ValuePredictions, ValuePredictions]:
    signal = RANDOM.standard_normal(ROWS)
    labels = np.exp(signal + EFFECT + 0.5 * RANDOM.standard_normal(ROWS)) - 1
    first, second = (
        ValuePredictions.of(np.exp(signal + 0.2 * RANDOM.standard_normal(ROWS))) for _ in range(2)
    )
    return labels, first, second


QUANTILE = 0.8


def quantiles() -> tuple[np.ndarray, QuantilePredictions, QuantilePredictions]:
    labels, *models = values()
    first, second = (
        QuantilePredictions.at_quantile(1.5 * model.scores, QUANTILE) for model in models
    )
    return labels, first, second


DATA = {"multiclass": classes(), "regression": values(), "quantile": quantiles()}

EXPECTED = {
    "log_loss": lambda y, m, w: metrics.log_loss(
        y, m.scores, labels=range(CLASSES), sample_weight=w
    ),
    "accuracy": lambda y, m, w: metrics.accuracy_score(y, m.decisions, sample_weight=w),
    "macro_f1": lambda y, m, w: metrics.f1_score(y, m.decisions, average="macro", sample_weight=w),
    "macro_auc": lambda y, m, w: np.mean(
        [metrics.roc_auc_score(y == each, m.scores[:, each], sample_weight=w) for each in range(4)]
    ),
    "mae": lambda y, m, w: metrics.mean_absolute_error(y, m.scores, sample_weight=w),
    "rmse": lambda y, m, w: metrics.root_mean_squared_error(y, m.scores, sample_weight=w),
    "r2": lambda y, m, w: metrics.r2_score(y, m.scores, sample_weight=w),
    "bias": lambda y, m, w: abs(np.average(m.scores - y, weights=w)),
    "pinball_loss": lambda y, m, w: metrics.mean_pinball_loss(
        y, m.scores, sample_weight=w, alpha=QUANTILE
    ),
    "coverage": lambda y, m, w: np.average(y <= m.scores, weights=w),
    "coverage_error": lambda y, m, w: abs(np.average(y <= m.scores, weights=w) - QUANTILE),
}

CASES = [(task, name) for task in DATA for name in metrics_of(task) if name != "calibration_error"]


@pytest.mark.parametrize(("task", "name"), CASES)
def test_a_metric_has_the_value_that_scikit_learn_computes(task: str, name: str) -> None:
    labels, model, _ = DATA[task]
    value = ALL[name].estimate(Sample.of(labels), model, Options()).value
    assert value == pytest.approx(EXPECTED[name](labels, model, None))


@pytest.mark.parametrize(("task", "name"), CASES)
def test_a_metric_of_clusters_has_the_error_of_their_bootstrap(task: str, name: str) -> None:
    labels, first, second = DATA[task]
    measure = ALL[name].measure
    assert isinstance(measure, ByInfluence)
    pulls = [measure.influence(labels, model).pull for model in (first, second)]
    drawn = []
    for _ in range(DRAWS):
        chosen = RANDOM.integers(0, CLUSTERS, CLUSTERS)
        weights = np.bincount(chosen, minlength=CLUSTERS)[CODES].astype("float64")
        drawn.append([EXPECTED[name](labels, model, weights) for model in (first, second)])
    single, both = np.std(drawn, axis=0)[0], np.std(np.diff(drawn))
    # 300 draws have an error of 4 %, and the influence function is a linear approximation.
    assert spread_of(pulls[0], DAYS).se == pytest.approx(single, rel=0.2)
    assert spread_of(pulls[1] - pulls[0], DAYS).se == pytest.approx(both, rel=0.2)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_perfect_model_is_the_better_one_in_every_metric(task: str) -> None:
    labels, guess, _ = DATA[task]
    perfect: Predictions = ValuePredictions.of(labels)
    if task == "multiclass":
        perfect = ClassPredictions.most_probable(np.eye(CLASSES)[labels.astype(int)])
    for name, metric in metrics_of(task).items():
        difference = metric.difference(Sample.of(labels), guess, perfect, Options())
        assert metric.sign * difference.value > 0, name


def test_the_interval_of_coverage_holds_the_quantile_of_a_right_model_as_often_as_it_claims() -> (
    None
):
    tries, held = 400, 0
    for _ in range(tries):
        effect = 0.5 * RANDOM.standard_normal(CLUSTERS)[CODES[::10]]
        labels = effect + RANDOM.standard_normal(ROWS // 10)
        # The 0.8 quantile of a normal distribution with the variance of both.
        scores = np.full(len(labels), 0.8416 * np.sqrt(1.25))
        model = QuantilePredictions.at_quantile(scores, QUANTILE)
        sample = Sample.of(labels, Clusters((Way.of(CODES[::10]),)))
        found = ALL["coverage"].estimate(sample, model, Options())
        held += found.low <= QUANTILE <= found.high
    # The share of 400 tries has a standard error of 1.1 %.
    assert held / tries == pytest.approx(0.95, abs=0.033)


def test_the_true_quantile_is_the_better_one_by_its_loss_and_its_coverage() -> None:
    labels = RANDOM.standard_normal(ROWS)
    median, right = (
        QuantilePredictions.at_quantile(np.full(ROWS, value), QUANTILE) for value in (0.0, 0.8416)
    )
    for name in ("pinball_loss", "coverage_error"):
        difference = ALL[name].difference(Sample.of(labels), median, right, Options())
        assert difference.high < 0, name


def test_the_parts_of_predicted_quantiles_keep_their_level() -> None:
    _, model, _ = quantiles()
    assert QuantilePredictions.concatenate([model.take(slice(0, 9))]).quantile == QUANTILE


def test_a_metric_without_a_better_value_is_reported_and_never_compared() -> None:
    assert "coverage" in metrics_of("quantile")
    assert "coverage" not in reported_of("quantile", "pinball_loss", [])


def test_a_class_without_a_row_is_left_out_of_the_means() -> None:
    labels, model, _ = DATA["multiclass"]
    kept = labels != 3
    part = model.take(kept)
    for name in ("macro_auc", "macro_f1", "log_loss"):
        value = ALL[name].estimate(Sample.of(labels[kept]), part, Options()).value
        assert np.isfinite(value)


def test_labels_that_are_all_equal_have_no_r2() -> None:
    model = ValuePredictions.of(np.arange(100.0))
    with pytest.raises(ValueError, match="different labels"):
        ALL["r2"].estimate(Sample.of(np.ones(100)), model, Options())
