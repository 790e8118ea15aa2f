"""The registry: every metric is what its name promises, and nothing else lists metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)
from tests.metrics.models import LABELS, OTHER, SCORES

from slipway.metrics import registry
from slipway.metrics.registry import (
    ALL,
    HEADLINE,
    METRICS,
    PRIMARY,
    Metric,
    Options,
    Predictions,
    Sample,
)

SAMPLE = Sample.of(LABELS)

FIRST, SECOND = (Predictions.at(scores, 0.4) for scores in (SCORES, OTHER))

EXPECTED = {
    "auc": lambda model: roc_auc_score(LABELS, model.scores),
    "average_precision": lambda model: average_precision_score(LABELS, model.scores),
    "log_loss": lambda model: log_loss(LABELS, model.scores),
    "brier": lambda model: brier_score_loss(LABELS, model.scores),
    "precision": lambda model: precision_score(LABELS, model.decisions),
    "recall": lambda model: recall_score(LABELS, model.decisions),
}


def test_recall_is_the_largest_at_the_precision() -> None:
    precision, recall, _ = precision_recall_curve(LABELS, FIRST.scores)
    options = Options(precision=0.6)
    found = ALL["recall_at_precision"].estimate(SAMPLE, FIRST, options)
    assert found.value == pytest.approx(recall[precision >= 0.6].max())


every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_metric_has_the_value_that_scikit_learn_computes(name: str) -> None:
    value = METRICS[name].estimate(SAMPLE, FIRST, Options()).value
    assert value == pytest.approx(EXPECTED[name](FIRST))


@every_metric
def test_the_value_is_in_its_interval_and_within_the_range_of_the_metric(metric: Metric) -> None:
    estimate = metric.estimate(SAMPLE, FIRST, Options())
    assert estimate.low <= estimate.value <= estimate.high
    assert 0 <= estimate.value <= metric.largest


@every_metric
def test_the_difference_is_that_of_the_two_values(metric: Metric) -> None:
    difference = metric.difference(SAMPLE, FIRST, SECOND, Options())
    values = [metric.estimate(SAMPLE, model, Options()).value for model in (FIRST, SECOND)]
    assert [difference.first, difference.second] == pytest.approx(values, abs=1e-6)
    assert difference.value == pytest.approx(values[1] - values[0], abs=1e-6)


@every_metric
def test_a_perfect_model_is_the_better_one(metric: Metric) -> None:
    labels = np.repeat([0.0, 1.0], 100)
    perfect = Predictions.at(labels, 0.5)
    guess = Predictions.at(np.linspace(0.9, 0.1, 200), 0.5)
    difference = metric.difference(Sample.of(labels), guess, perfect, Options())
    assert metric.sign * difference.value > 0


def test_only_metrics_that_depend_on_no_threshold_may_be_primary() -> None:
    other = Predictions(SCORES, SCORES >= 0.9)
    for name in PRIMARY:
        estimates = [ALL[name].estimate(SAMPLE, model, Options()) for model in (FIRST, other)]
        assert estimates[0] == estimates[1]


def test_no_other_module_names_the_metrics() -> None:
    source = Path(registry.__file__).parents[1]
    users = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if '"calibration_error"' in path.read_text("utf-8")
    }
    assert users == {"metrics/registry.py"}


def test_the_headline_metrics_are_among_all_metrics() -> None:
    assert set(HEADLINE) <= set(METRICS)
