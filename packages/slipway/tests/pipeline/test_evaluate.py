from __future__ import annotations

import csv
import json
from contextlib import nullcontext

import numpy as np
import pytest
from tests.metrics.models import LABELS, SCORES

from model import slices
from slipway.dataset.split import Dataset
from slipway.dataset.tables import read_columns
from slipway.errors import Refused
from slipway.metrics.clusters import Clusters, Way
from slipway.metrics.registry import Sample, metrics_of
from slipway.settings import Evaluate, read_params
from slipway.training.evaluate import check_baselines, evaluate, slice_table
from slipway.training.prepare import prepare
from slipway.training.train import train


def test_every_metric_has_an_interval_around_its_value(trained):
    evaluate(read_params())

    metrics = json.loads((trained / "reports/metrics.json").read_text())
    assert metrics["confidence"] == 0.95
    for model in ("model", "base_rate", "logistic_regression"):
        assert metrics[model].keys() == metrics_of("binary").keys()
        assert all(m["low"] <= m["value"] <= m["high"] for m in metrics[model].values())


def test_every_row_of_the_holdout_is_in_one_value_of_each_slice(trained):
    evaluate(read_params())

    metrics = json.loads((trained / "reports/metrics.json").read_text())
    with (trained / "reports/plots/slices.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("carrier", "origin", "hour_band", "month"):
        assert sum(int(row["rows"]) for row in rows if row["slice"] == name) == metrics["rows"]


@pytest.mark.parametrize(
    "values", [["a", None, "a", None], [1, 2, 1, 2], [0.5, float("nan"), 0.5, 0.5]]
)
def test_a_row_whose_slice_is_missing_or_a_number_is_counted(values, monkeypatch):
    kind = {"kind": lambda _: np.array(values, dtype=object)}
    monkeypatch.setattr(slices, "SLICES", kind)
    labels, scores = np.array([0, 1, 0, 1]), np.full(4, 0.5)

    table = slice_table({"row": np.arange(4)}, Sample.of(labels), scores, read_params())

    assert sum(int(row["rows"]) for row in table) == 4
    assert all(row["rows"] for row in table)


def test_a_slice_too_small_to_measure_is_listed_without_a_number(trained):
    evaluate(read_params())

    with (trained / "reports/plots/slices.csv").open() as file:
        small = [row for row in csv.DictReader(file) if int(row["rows"]) < 200]
    assert small
    assert all(row["auc"] == "" for row in small)


def test_a_model_without_slices_has_an_empty_table_of_them(trained, monkeypatch):
    evaluate(read_params())
    path = trained / "reports/plots/slices.csv"
    header = path.read_text("utf-8").splitlines()[0]
    monkeypatch.setattr(slices, "SLICES", {})
    evaluate(read_params())
    assert path.read_text("utf-8").splitlines() == [header]


def test_the_holdout_predictions_are_kept_for_the_lock_to_compare(trained):
    evaluate(read_params())

    predictions = read_columns([trained / "build/predictions.parquet"])
    holdout = Dataset.open(read_params()).labelled_holdout().columns
    assert predictions["key"].tolist() == holdout["flight_id"].tolist()


def test_a_model_worse_than_a_baseline_fails_the_stage(project):
    params = read_params()
    params.train.update(iterations=1, learning_rate=1e-9)
    prepare(params)
    train(params)

    with pytest.raises(Refused, match="worse than the baseline"):
        evaluate(params)


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_a_model_worse_by_ranking_or_by_probability_is_refused(metric):
    worse = {"auc": 1 - SCORES, "log_loss": SCORES**0.2}[metric]

    with pytest.raises(Refused, match=f"`other` on the holdout: {metric}"):
        check_baselines(Sample.of(LABELS), worse, {"other": SCORES}, Evaluate())


def test_a_model_that_is_its_baseline_passes_and_that_is_reported():
    sample, same = Sample.of(LABELS), {"other": SCORES}

    assert len(check_baselines(sample, SCORES, same, Evaluate())) == 2
    assert not check_baselines(sample, LABELS * 0.98 + 0.01, same, Evaluate())


@pytest.mark.parametrize(("loss", "is_refused"), [(0.0002, False), (0.05, True)])
def test_a_hundredth_of_the_gain_over_a_constant_is_no_reason_to_prefer_a_baseline(
    loss, is_refused
):
    sample, baseline = Sample.of(LABELS), 0.1 + 0.8 * SCORES
    worse_in_each_row = baseline - loss * (2 * LABELS - 1)
    constant = np.full(len(LABELS), LABELS.mean())

    with pytest.raises(Refused, match="`other`"):
        check_baselines(sample, worse_in_each_row, {"other": baseline}, Evaluate())
    expected = pytest.raises(Refused, match="`other`") if is_refused else nullcontext()
    with expected:
        both = {"constant": constant, "other": baseline}
        check_baselines(sample, worse_in_each_row, both, Evaluate())


def test_a_model_that_differs_from_its_baseline_by_rounding_passes():
    logits = np.log(SCORES / (1 - SCORES))
    worse = 1 / (1 + np.exp(-logits + 1e-6 * (2 * LABELS - 1)))

    assert len(check_baselines(Sample.of(LABELS), worse, {"other": SCORES}, Evaluate())) == 2


@pytest.mark.parametrize("days", [2, 5])
def test_a_holdout_of_few_days_still_shows_a_model_that_is_much_worse(days):
    few = Clusters((Way.of(np.arange(len(LABELS)) % days, ordered=True),))

    with pytest.raises(Refused, match="worse than the baseline"):
        check_baselines(Sample.of(LABELS, few), 1 - SCORES, {"other": SCORES}, Evaluate())


def test_a_model_that_errs_on_one_of_a_few_days_is_not_shown_to_be_worse():
    day = np.arange(len(LABELS)) % 7
    of_one_day = np.where(day == 0, 1 - SCORES, SCORES)
    sample = Sample.of(LABELS, Clusters((Way.of(day, ordered=True),)))

    assert check_baselines(sample, of_one_day, {"other": SCORES}, Evaluate())
    with pytest.raises(Refused, match="worse than the baseline"):  # as if rows were independent
        check_baselines(Sample.of(LABELS), of_one_day, {"other": SCORES}, Evaluate())


def test_the_same_rows_and_model_give_the_same_reports(trained):
    evaluate(read_params())
    first = {path: path.read_bytes() for path in sorted((trained / "reports").rglob("*.*"))}
    evaluate(read_params())

    assert first == {path: path.read_bytes() for path in first}
    assert len(first) == 6
