"""Verdicts on several periods, with rows of a day that depend on each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.cases import (
    BETTER,
    CHAMPION,
    CUSTOMER,
    DAYS,
    LABELS,
    NEWEST,
    PERIOD_ROWS,
    ROWS,
    SHOPS,
    UNSURE,
    WORSE,
    best_of_all,
    judged,
    judged_on_periods,
    metric,
    stops,
)
from tests.dataset.test_origins import table_of_months
from tests.metrics.models import two_models

from slipway.comparison import compare
from slipway.comparison.compare import Rows
from slipway.comparison.periods import few_periods
from slipway.dataset.split import Dataset
from slipway.metrics.clusters import DAY, FEWEST, Clusters, Way
from slipway.metrics.registry import METRICS, Options, Predictions, Sample

LOST = CHAMPION[NEWEST][::-1]  # of no use on the newest period

DATA = {
    "champion": "d" * 32,
    "challenger": "e" * 32,
    "months": {"champion": ["2030-01"], "challenger": ["2030-01"]},
    "files": {"added": [], "deleted": [], "modified": []},
    "rows": {"champion": 1, "challenger": 2},
    "label_rate": {part: {"champion": 0.1, "challenger": 0.2} for part in ("train", "holdout")},
    "columns": {"added": [], "removed": []},
    "missing": [],
    "shifted": [],
}
CODE = {"params": [], "dependencies": [], "files": ["a"], "judging_rules": [], "procedure": True}


@pytest.mark.parametrize(
    ("challenger", "verdict"),
    [(BETTER, "better"), (CHAMPION, "not worse"), (WORSE, "worse"), (UNSURE, "inconclusive")],
    ids=["better", "same", "worse", "unsure"],
)
def test_the_verdict_is_about_all_periods(challenger: np.ndarray, verdict: str) -> None:
    report = judged_on_periods(challenger)
    assert report["verdict"] == verdict
    assert metric(report, "auc")["difference"]["rows"] == ROWS
    assert metric(report, "auc")["difference"]["clusters"] == DAYS


def test_an_inconclusive_verdict_states_the_days_that_would_decide() -> None:
    assert metric(judged_on_periods(UNSURE), "auc")["needed"] > DAYS
    assert metric(judged_on_periods(BETTER), "auc")["needed"] is None


def test_of_two_kinds_of_clusters_it_states_how_many_of_the_fewer_would_decide() -> None:
    report = judged_on_periods(UNSURE, customers=40)
    assert metric(report, "auc")["needed"] > 40
    assert report["unit"] == CUSTOMER


@pytest.mark.parametrize(("learned", "origins", "noted"), [(2, 4, 1), (3, 4, 0), (2, 1, 0)])
def test_a_history_too_short_for_a_second_origin_is_noted(
    learned: int, origins: int, noted: int
) -> None:
    dataset = Dataset(table_of_months(learned + 1), 1)
    assert [note.about for note in few_periods(dataset, origins)] == [
        f"{learned} months of training data"
    ] * noted


def test_few_days_decide_nothing() -> None:
    report = judged_on_periods(BETTER, days=FEWEST - 1)
    assert report["verdict"] == "inconclusive"
    assert str(FEWEST) in metric(report, "auc")["difference"]["insufficient_reason"]
    assert judged_on_periods(BETTER, days=3 * FEWEST)["verdict"] == "better"


def test_a_gain_that_the_newest_period_contradicts_is_inconclusive() -> None:
    report = judged_on_periods(BETTER, newest=LOST)
    assert metric(report, "auc")["verdict"] == "better"
    assert (report["verdict"], report["may_merge"]) == ("inconclusive", False)
    assert [row["name"] for row in report["newest"]] == ["auc"]


def test_if_data_and_procedure_differ_the_newest_period_must_pass_too() -> None:
    assert judged_on_periods(BETTER, data=DATA, changes=CODE)["may_merge"]
    report = judged_on_periods(BETTER, newest=LOST, data=DATA, changes=CODE)
    assert ("newest", "auc") in stops(report)
    assert [row["name"] for row in report["newest"]] == ["auc", "log_loss"]


def test_a_newest_period_that_decides_nothing_leaves_both_changes_open() -> None:
    report = judged_on_periods(BETTER, newest=UNSURE[NEWEST], data=DATA, changes=CODE)
    assert report["verdict"] == "inconclusive"
    assert judged_on_periods(BETTER, newest=UNSURE[NEWEST])["verdict"] == "better"


def test_a_judgement_uses_up_the_budget_of_its_most_used_period() -> None:
    assert judged_on_periods(BETTER, uses=(50, 3, 2, 1))["verdict"] == "better"
    spent = judged_on_periods(BETTER, uses=(51, 3, 2, 1))
    assert (spent["verdict"], spent["holdout"]["uses"]) == ("not worse", 51)


def test_one_period_of_independent_rows_has_no_newest_one() -> None:
    report = judged(BETTER)
    assert (report["newest"], report["unit"]) == ([], "row")
    assert metric(report, "auc")["difference"]["effective_rows"] == pytest.approx(ROWS)


def test_a_metric_is_the_mean_of_its_values_on_the_periods() -> None:
    """Scores of two fits are not ranked against each other."""
    shifted = BETTER.copy()
    shifted[PERIOD_ROWS[0]] = BETTER[PERIOD_ROWS[0]] / 2
    sample = Sample(LABELS, Clusters(), PERIOD_ROWS)
    values = [
        METRICS["auc"].estimate(sample, Predictions.at(scores, 0.3), Options()).value
        for scores in (BETTER, shifted)
    ]
    assert values[0] == pytest.approx(values[1])


def test_a_metric_that_a_period_does_not_have_decides_nothing() -> None:
    champion, challenger = CHAMPION.copy(), BETTER.copy()
    for scores in (champion, challenger):
        scores[PERIOD_ROWS[1]] /= 10  # below the threshold: no row is called positive
    report = judged_on_periods(challenger, champion)
    assert metric(report, "precision")["verdict"] == "inconclusive"
    assert metric(report, "auc")["verdict"] == "better"


def test_a_loss_on_the_newest_period_leaves_what_is_not_worse_open() -> None:
    report = judged_on_periods(CHAMPION, newest=WORSE[NEWEST])
    assert metric(report, "auc")["verdict"] == "not worse"
    assert (report["verdict"], report["may_merge"]) == ("inconclusive", False)


def test_a_loss_on_the_newest_period_that_is_within_the_margin_contradicts_nothing() -> None:
    slightly = 0.95 * CHAMPION[NEWEST] + 0.05 * WORSE[NEWEST]
    report = judged_on_periods(CHAMPION, newest=slightly)
    assert report["newest"][0]["difference"]["high"] < 0
    assert (report["verdict"], report["may_merge"]) == ("not worse", True)


def test_if_data_and_procedure_differ_slices_of_the_final_models_are_tested_too() -> None:
    wrong = np.where(LABELS == 1, 0.01, 0.99)
    ruined = np.where(SHOPS == 7, wrong, BETTER)[NEWEST]
    report = judged_on_periods(BETTER, newest=ruined, data=DATA, changes=CODE)
    assert ("slice", "shop=shop 7") in stops(report)
    assert ("slice", "shop=shop 7") not in stops(judged_on_periods(BETTER, newest=ruined))


def test_of_several_best_champions_the_one_that_stops_the_change_counts() -> None:
    shared = replace(best_of_all(BETTER, "b"), periods=range(4))
    newest = replace(best_of_all(BETTER, "a"), scores=BETTER[NEWEST], periods=[3])
    report = judged_on_periods(UNSURE, UNSURE, best_champions=[newest, shared])
    assert report["best_champion"]["verdict"] == "worse"


def test_a_period_without_a_class_is_left_out_of_a_difference() -> None:
    labels = LABELS.copy()
    labels[PERIOD_ROWS[0]] = 0
    models = Predictions.at(CHAMPION, 0.3), Predictions.at(BETTER, 0.3)
    sample = Sample(labels, Clusters(), PERIOD_ROWS)
    found = METRICS["auc"].difference(sample, *models, Options())
    assert found.rows == ROWS - len(LABELS[PERIOD_ROWS[0]])
    assert METRICS["log_loss"].difference(sample, *models, Options()).rows == ROWS


def test_rows_that_are_repeated_on_their_day_show_no_more_than_once() -> None:
    """Twenty copies of each row: independent rows would halve the interval four times."""
    random = np.random.default_rng(7)
    labels, first, second = two_models(random, 1_000)
    days = Way.of(np.arange(1_000) // 10, ordered=True, name=DAY)
    once = Sample.of(labels, Clusters((days,)))
    copied = np.repeat(np.arange(1_000), 20)
    again = once.take(copied)
    before, after = Predictions.at(first, 0.3), Predictions.at(second, 0.3)
    alone = METRICS["auc"].difference(once, before, after, Options())
    many = METRICS["auc"].difference(again, before.take(copied), after.take(copied), Options())
    assert many.se == pytest.approx(alone.se, rel=0.01)
    assert many.effective_rows == pytest.approx(alone.effective_rows, rel=0.05)


def test_decisions_that_change_on_one_day_are_no_evidence_that_a_model_is_right_more_often() -> (
    None
):
    labels = np.zeros(1_200)
    changed = np.arange(1_200) < 100  # all on two of 24 days
    before, after = (Predictions(np.zeros(1_200), made) for made in (changed, changed & False))
    alone = Rows(Sample.of(labels), {})
    days = Clusters((Way.of(np.arange(1_200) // 50, ordered=True, name=DAY),))
    together = replace(alone, sample=Sample.of(labels, days))
    assert compare.changed_decisions(alone, before, after).p_value < 1e-6
    assert compare.changed_decisions(together, before, after).p_value > 0.05
