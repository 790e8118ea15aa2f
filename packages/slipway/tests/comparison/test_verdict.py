"""The verdict on two models, and what stops a change: each gate lets one twin pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.comparison.cases import (
    BETTER,
    CHAMPION,
    LABELS,
    SAME_BUT_NOT_IDENTICAL,
    SHOPS,
    SHUFFLED,
    SLIGHTLY_BETTER,
    UNSURE,
    WORSE,
    WORSE_IN_SHOP_7,
    behaviour,
    judged,
    metric,
    rule_of,
    stops,
)

from slipway.comparison import verdict
from slipway.metrics.paired import Difference
from slipway.metrics.registry import METRICS


def test_a_better_model_is_better_and_may_be_merged() -> None:
    report = judged(BETTER)
    assert (report["verdict"], report["may_merge"], stops(report)) == ("better", True, [])


def test_a_model_is_not_worse_than_itself_and_never_better() -> None:
    report = judged(CHAMPION, CHAMPION)
    assert (report["verdict"], report["may_merge"]) == ("not worse", True)
    assert {row["verdict"] for row in report["metrics"]} == {"not worse"}
    assert report["changed_decisions"]["count"] == 0


def test_a_model_that_hardly_differs_is_not_worse() -> None:
    assert judged(SAME_BUT_NOT_IDENTICAL)["verdict"] == "not worse"


def test_a_worse_model_is_stopped_for_the_metric_that_decides() -> None:
    report = judged(WORSE)
    assert (report["verdict"], report["may_merge"]) == ("worse", False)
    assert ("worse", "auc") in stops(report)


def test_a_model_that_learned_from_shuffled_labels_is_stopped() -> None:
    report = judged(SHUFFLED)
    assert report["verdict"] == "worse"
    assert metric(report, "auc")["challenger"] == pytest.approx(0.5, abs=0.02)


def test_too_few_rows_for_a_verdict_stop_or_go_on_as_the_rule_states() -> None:
    report = judged(UNSURE)
    assert report["verdict"] == "inconclusive"
    assert stops(report) == [("inconclusive", "auc")]
    assert metric(report, "auc")["needed"] > len(LABELS)
    assert judged(UNSURE, rule={"on_inconclusive": "go"})["may_merge"]


def test_a_model_better_on_the_whole_and_worse_on_one_slice_is_stopped_by_its_name() -> None:
    report = judged(WORSE_IN_SHOP_7)
    assert metric(report, "auc")["verdict"] == "better"
    assert stops(report) == [("slice", "shop=shop 7")]


def test_a_worse_slice_that_is_accepted_goes_on_with_its_reason() -> None:
    report = judged(WORSE_IN_SHOP_7, accepted={"shop=shop 7": "closes in March"})
    assert report["may_merge"]
    reasons = [row["accepted"] for row in report["slices"]["rows"] if row["verdict"] == "worse"]
    assert reasons == ["closes in March"]


def test_a_shifted_probability_in_one_slice_is_seen_though_its_ranking_is_the_same() -> None:
    shifted = np.where(SHOPS == 3, CHAMPION**0.5, CHAMPION)
    row = next(row for row in judged(shifted)["slices"]["rows"] if row["value"] == "shop 3")
    assert row["metrics"]["auc"]["difference"]["value"] == 0
    assert row["verdict"] == "worse"


def test_small_slices_are_counted_not_tested() -> None:
    report = judged(rule={"min_slice_rows": 5000})
    assert report["slices"] == {"tests": 0, "small": 20, "rows": []}


def test_a_guard_stops_a_model_whose_probabilities_got_worse() -> None:
    overconfident = CHAMPION**2 / (CHAMPION**2 + (1 - CHAMPION) ** 2)
    report = judged(overconfident)
    assert metric(report, "auc")["verdict"] == "not worse"
    assert ("guard", "log_loss") in stops(report)
    assert ("guard", "log_loss") not in stops(judged(overconfident, rule={"guards": []}))


def test_a_rule_that_asks_for_better_stops_what_is_only_not_worse() -> None:
    asks = {"require": "better"}
    assert stops(judged(CHAMPION, rule=asks)) == [("not better", "auc")]
    assert judged(BETTER, rule=asks)["may_merge"]


@pytest.mark.parametrize(
    ("found", "stop"),
    [
        ({"behaviours": [behaviour("fog", 0.94)]}, ("behaviour", "fog")),
        ({"lock": "different"}, ("lock", "different")),
        ({"lock": "stale"}, ("lock", "stale")),
    ],
)
def test_what_else_stops_even_a_better_model(found: dict[str, Any], stop: tuple[str, str]) -> None:
    report = judged(BETTER, **found)
    assert (report["verdict"], report["may_merge"]) == ("better", False)
    assert stops(report) == [stop]


@pytest.mark.parametrize("lock", ["identical", "equivalent", "not checked"])
def test_a_lock_that_holds_stops_nothing(lock: str) -> None:
    assert judged(lock=lock)["may_merge"]


@pytest.mark.parametrize(
    ("name", "limit"), [("row_ms", "max_row_ms"), ("model_mb", "max_model_mb")]
)
def test_a_model_over_its_budget_is_stopped(name: str, limit: str) -> None:
    assert judged(rule={limit: 0.6})["may_merge"]
    assert stops(judged(rule={limit: 0.001})) == [("cost", name)]


def test_models_that_cannot_be_compared_leave_it_open_with_the_reason() -> None:
    why = {"code": "unreadable", "detail": "column visib is missing"}
    report = judged(incomparable=why)
    assert (report["verdict"], report["may_merge"]) == ("inconclusive", False)
    assert report["metrics"] == []
    assert judged(incomparable=why, rule={"on_inconclusive": "go"})["may_merge"]


def test_better_needs_more_evidence_the_more_judgements_share_the_budget() -> None:
    alone = judged(SLIGHTLY_BETTER, rule={"budget": 1})
    p_gain = metric(alone, "auc")["difference"]["p_up"]
    assert alone["verdict"] == "better"
    many = int(rule_of().alpha / p_gain) + 2
    assert judged(SLIGHTLY_BETTER, rule={"budget": many})["verdict"] == "not worse"


def test_a_holdout_that_is_used_up_no_longer_gives_better() -> None:
    assert judged(BETTER, uses=50)["verdict"] == "better"
    spent = judged(BETTER, uses=51)
    assert (spent["verdict"], spent["may_merge"]) == ("not worse", True)


def test_reliability_falls_by_the_same_part_of_alpha_with_each_use() -> None:
    assert verdict.reliability(rule_of(), 0) == 1
    assert verdict.reliability(rule_of(), 50) == pytest.approx(1 - rule_of().alpha)
    assert verdict.reliability(rule_of(), 10**6) == 0


def test_an_edited_record_stops_the_change() -> None:
    base = judged()
    holdout = base["holdout"] | {"tampered": ["reports/judgements/a.json"]}
    assert ("record", "reports/judgements/a.json") in stops(judged(holdout=holdout))


def difference(low: float, high: float, p_up: float, p_down: float, reason: str = "") -> Difference:
    middle = (low + high) / 2
    return Difference(0.5, 0.5 + middle, middle, 0.01, low, high, p_up, p_down, 1000, None, reason)


@pytest.mark.parametrize("name", METRICS)
def test_a_gain_is_a_gain_whichever_way_the_metric_points(name: str) -> None:
    direction = METRICS[name].sign
    up, down = (0.0, 1.0) if direction > 0 else (1.0, 0.0)
    ends = sorted((0.01 * direction, 0.03 * direction))
    gain = difference(ends[0], ends[1], up, down)
    assert verdict.classify(name, gain, 0.005, 0.025, 0.025) == "better"
    loss = difference(-ends[1], -ends[0], down, up)
    assert verdict.classify(name, loss, 0.005, 0.025, 0.025) == "worse"


def test_numbers_of_too_few_rows_decide_nothing() -> None:
    clear = difference(0.1, 0.2, 0.0, 1.0, "fewer than 50 rows")
    assert verdict.classify("auc", clear, 0.005, 0.025, 0.025) == "inconclusive"


def test_a_loss_that_is_certain_but_within_the_margin_does_not_matter() -> None:
    small = difference(-0.004, -0.001, 0.999, 0.001)
    assert verdict.classify("auc", small, 0.005, 0.025, 0.025) == "not worse"
    assert verdict.classify("auc", small, 0.003, 0.025, 0.025) == "worse"
