"""Rates of protected groups, disparities between them, and the limits that stop a change."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from tests.comparison.cases import (
    CHAMPION,
    LABELS,
    ROWS,
    SHOPS,
    findings,
    one_period,
    rule_of,
    side,
)

from slipway.comparison.compare import Compared, Rows
from slipway.comparison.core import Protection, judge
from slipway.comparison.report import FairnessRule, Judgement
from slipway.errors import Refused
from slipway.fairness.measure import Attribute, Gap, Scope, measure
from slipway.fairness.registry import disparities_of
from slipway.metrics.clusters import DAY, Clusters, Way
from slipway.metrics.groups import Group
from slipway.metrics.registry import Options, Sample
from slipway.reports.check import check
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.regression import Regression

rng = np.random.default_rng(5)
SEX = (SHOPS % 2).astype("uint8")
GROUPS = {"sex": Group(["f", "m"], SEX)}
LIMITS = {"demographic_parity_difference": 0.1, "equalized_odds_difference": 0.1}

# The scores of one group are raised, whatever its labels.
UNFAIR = np.clip(CHAMPION + 0.2 * SEX, 0, 1)


def measured(task: Any, labels: np.ndarray, scores: np.ndarray, groups: Any = GROUPS) -> Attribute:
    predictions = task.predictions(scores, 0.3)
    scope = Scope(task.classes, 200, {}, Options())
    (found,) = measure(Sample.of(labels), predictions, groups, scope)
    return found


def gaps(found: Attribute) -> dict[str, Gap]:
    return {gap.name: gap for gap in found.gaps}


def judged(challenger: np.ndarray = CHAMPION, sex: np.ndarray = SEX, **rule: Any) -> Judgement:
    """Judge two models of rows that have a protected group."""
    rows = one_period().rolling
    compared = Rows(rows.sample, {**rows.groups, "sex": Group(["f", "m"], sex)})
    settings = rule_of(min_slice_rows=5_000)  # slices are tested elsewhere
    return judge(
        Compared(compared, compared),
        side(CHAMPION, "c"),
        side(challenger, "e"),
        settings,
        findings(settings),
        protection=Protection(["sex"], FairnessRule.model_validate({"limits": LIMITS} | rule)),
    )


def test_rates_and_disparities_are_those_of_fairlearn() -> None:
    decided, truth = UNFAIR >= 0.3, LABELS
    found = measured(Binary(), LABELS, UNFAIR)
    frame = fairlearn.MetricFrame(
        metrics={
            name: getattr(fairlearn, name)
            for name in (
                "selection_rate",
                "true_positive_rate",
                "false_positive_rate",
                "false_negative_rate",
            )
        },
        y_true=truth,
        y_pred=decided,
        sensitive_features=SEX,
    )
    for row in found.groups:
        for name, value in frame.by_group.loc["fm".index(row.group)].items():
            assert row.rates[name].value == pytest.approx(value)
            assert row.rates[name].low < value < row.rates[name].high
        members = "fm".index(row.group) == SEX
        gap = (UNFAIR - LABELS)[members].mean()
        assert row.rates["calibration"].value == pytest.approx(gap)
    for name in (
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equalized_odds_difference",
        "equal_opportunity_difference",
    ):
        expected = getattr(fairlearn, name)(truth, decided, sensitive_features=SEX)
        gap = gaps(found)[name]
        assert gap.value == pytest.approx(expected)
        assert gap.low is not None
        assert gap.high is not None
        assert gap.low <= expected <= gap.high


def test_groups_of_several_classes_have_accuracy_and_selection_rates_by_class() -> None:
    task = Multiclass(("a", "b", "c"))
    labels = rng.integers(0, 3, ROWS).astype("float64")
    scores = rng.dirichlet([1, 1, 1], ROWS)
    scores[SEX == 1, 2] += 1  # the third class more often, for one group
    found = measured(task, labels, scores)
    decided = scores.argmax(1)
    for row, code in zip(
        found.groups, ("fm".index(row.group) for row in found.groups), strict=True
    ):
        members = code == SEX
        right = (decided == labels)[members].mean()
        assert row.rates["accuracy"].value == pytest.approx(right)
        assert row.rates["error_rate"].value == pytest.approx(1 - right)
        assert row.rates["selection_rate[c]"].value == pytest.approx((decided == 2)[members].mean())
    parity = gaps(found)["demographic_parity_difference"]
    assert (parity.rate, parity.largest) == ("selection_rate[c]", "m")


def test_groups_of_a_regression_have_errors_in_the_unit_of_the_label() -> None:
    labels = rng.normal(1000, 100, ROWS)
    scores = labels + rng.normal(0, 10, ROWS) + 30 * SEX
    found = measured(Regression(), labels, scores)
    bias = gaps(found)["mean_error_difference"]
    assert bias.value == pytest.approx(30, abs=1)
    assert (bias.smallest, bias.largest) == ("f", "m")
    assert gaps(found)["mean_absolute_error_difference"].value == pytest.approx(22, abs=2)


def test_an_unfair_model_is_stopped_and_the_group_is_named() -> None:
    report = judged(UNFAIR)
    assert not report.may_merge
    stops = [stop.about for stop in report.stops if stop.code == "unfair"]
    assert stops == [f"sex: {name}" for name in LIMITS]
    assert report.fairness
    assert {gap.largest for _, gap in report.fairness.limited()} == {"m"}


def test_a_fair_model_passes_and_its_disparities_are_within_the_limits() -> None:
    report = judged()
    assert report.may_merge
    assert report.fairness
    assert {gap.verdict for _, gap in report.fairness.limited()} == {"within"}


def test_without_limits_groups_are_shown_and_stop_nothing() -> None:
    report = judged(UNFAIR, limits={})
    assert not [stop for stop in report.stops if stop.code == "unfair"]
    assert report.fairness
    assert {gap.verdict for gap in report.fairness.attributes[0].gaps} == {"no limit"}


@pytest.mark.parametrize(("setting", "stops"), [("go", 0), ("stop", 1)])
def test_an_inconclusive_disparity_stops_if_the_rule_demands_it(setting: str, stops: int) -> None:
    limit = judged(UNFAIR).fairness.attributes[0].gaps[0].value  # type: ignore[union-attr]
    found = judged(UNFAIR, limits={"demographic_parity_difference": limit}, on_inconclusive=setting)
    codes = [stop.code for stop in found.stops]
    assert codes.count("fairness inconclusive") == stops
    assert "unfair" not in codes


def test_small_groups_are_counted_and_named_and_not_tested() -> None:
    codes = SEX.copy()
    codes[:150] = 2
    groups = {"sex": Group(["f", "m", "x"], codes)}
    scores = np.where(codes == 2, 0.99, CHAMPION)
    found = measured(Binary(), LABELS, scores, groups)
    assert found.small == {"x": 150}
    assert gaps(found)["demographic_parity_difference"].value == pytest.approx(0, abs=0.05)


def test_a_group_of_few_clusters_is_not_tested() -> None:
    days = np.arange(ROWS) * 60 // ROWS
    codes = np.where(days < 20, 1, SEX * 0).astype("uint8")
    sample = Sample.of(LABELS, Clusters((Way.of(days, ordered=True, name=DAY),)))
    scope = Scope((), 200, {}, Options())
    predictions = Binary().predictions(CHAMPION, 0.3)
    (found,) = measure(sample, predictions, {"when": Group(["late", "early"], codes)}, scope)
    assert list(found.small) == ["early"]
    assert gaps(found)["demographic_parity_difference"].value is None


def test_intervals_are_wider_where_rows_depend_on_each_other() -> None:
    shops = Clusters((Way.of(SHOPS % 10 + 10 * (np.arange(ROWS) // 4000)),))
    moved = np.clip(CHAMPION + 0.2 * np.sin(7.0 * shops.ways[0].codes), 0, 1)
    scope = Scope((), 200, {}, Options())
    predictions = Binary().predictions(moved, 0.3)
    (alone,) = measure(Sample.of(LABELS), predictions, GROUPS, scope)
    (together,) = measure(Sample.of(LABELS, shops), predictions, GROUPS, scope)
    for one, other in zip(alone.groups, together.groups, strict=True):
        narrow, wide = one.rates["selection_rate"], other.rates["selection_rate"]
        assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_fair_model_is_stopped_no_more_often_than_alpha() -> None:
    """Groups are drawn at random for each cluster, next to no disparity is allowed."""
    sample = Sample.of(LABELS, Clusters((Way.of(np.arange(ROWS) // 100),)))
    predictions = Binary().predictions(CHAMPION, 0.3)
    limits = dict.fromkeys([each.key for each in disparities_of("binary")], 0.0)
    limits["demographic_parity_ratio"] = 1.0
    scope = Scope((), 200, limits, Options(confidence=0.95))
    stopped = 0
    for seed in range(40):
        codes = np.random.default_rng(seed).integers(0, 4, 200)[np.arange(ROWS) // 100]
        groups = {"random": Group(["a", "b", "c", "d"], codes.astype("uint8"))}
        (found,) = measure(sample, predictions, groups, scope)
        stopped += min(gap.p_beyond for gap in found.gaps) * len(found.gaps) <= 0.025
    assert stopped <= 4  # 1 is expected at most


FORGERIES: dict[str, Any] = {
    "the verdict": lambda gap: gap.update(verdict="within"),
    "the p-value": lambda gap: gap.update(p_adjusted=1.0),
    "the limit": lambda gap: gap.update(limit=0.9),
    "the value": lambda gap: gap.update(value=0.01),
    "no groups": lambda gap: gap.update(smallest="unknown"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_report_whose_groups_do_not_carry_its_verdict_is_refused(forgery: str) -> None:
    honest: dict[str, Any] = judged(UNFAIR).as_json()
    forged = copy.deepcopy(honest)
    assert not check(honest).may_merge
    FORGERIES[forgery](forged["fairness"]["attributes"][0]["gaps"][0])
    with pytest.raises(Refused, match="contradicts itself"):
        check(forged)


def test_a_report_without_protected_groups_is_that_of_earlier_versions() -> None:
    assert (
        "fairness"
        not in judge(
            one_period(), side(CHAMPION, "c"), side(CHAMPION, "e"), rule_of(), findings()
        ).as_json()
    )
