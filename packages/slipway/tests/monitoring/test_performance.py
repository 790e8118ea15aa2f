"""Performance on predictions whose labels have arrived, late and not for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from tests.monitoring.labelled import (
    EDGES,
    MANIFEST,
    MONITOR,
    START,
    THRESHOLD,
    calibration,
    draw,
    join,
    labels_of,
    log_of,
    params,
)

from slipway.monitoring.holdout_calibration import Calibration, HoldoutCalibration
from slipway.monitoring.label_monitors import BinaryMonitor
from slipway.monitoring.labelled import Join, WeeklyPredictions
from slipway.monitoring.performance import (
    LabelChecks,
    check_labels,
    holdout_calibration,
    holdout_metrics,
)
from slipway.monitoring.report import Concept, Estimate, Interval, Performance

RATE = 0.05


def look(
    predictions: WeeklyPredictions,
    known: HoldoutCalibration,
    holdout: dict[str, Any] | None = None,
) -> LabelChecks:
    return check_labels(predictions, BinaryMonitor(known, THRESHOLD), params(), RATE, holdout)


def performance(found: LabelChecks) -> Performance:
    assert found.performance is not None
    return found.performance


def concept(found: LabelChecks) -> Concept:
    assert found.concept is not None
    return found.concept


def estimate(found: LabelChecks) -> Estimate:
    assert found.estimate is not None
    return found.estimate


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_unchanged_weeks_are_not_worse_and_measured_as_scikit_learn_does(
    rng: np.random.Generator,
) -> None:
    weeks = [draw(rng, 2_000, week) for week in range(5)]
    found = look(log_of(weeks), calibration(rng))
    labels, scores = (np.concatenate(part) for part in list(zip(*weeks, strict=True))[:2])
    metrics = performance(found).metrics
    assert metrics["auc"].value == pytest.approx(roc_auc_score(labels, scores))
    assert metrics["log_loss"].value == pytest.approx(log_loss(labels, scores))
    assert metrics["brier"].value == pytest.approx(brier_score_loss(labels, scores))
    assert all(part.low <= part.value <= part.high for part in metrics.values())
    assert performance(found).status == "not worse"
    assert concept(found).status == "quiet"
    assert found.alarms == []
    assert performance(found).coverage == 1.0
    assert "No performance degradation found" in performance(found).words


def test_metrics_are_compared_with_those_that_were_committed(rng: np.random.Generator) -> None:
    committed = {"auc": {"value": 0.76, "low": 0.75, "high": 0.77}}
    found = look(log_of([draw(rng, 3_000)]), calibration(rng), committed)
    auc = performance(found).metrics["auc"]
    assert auc.holdout == Interval(**committed["auc"])
    gap = auc.difference
    assert gap is not None
    assert gap.value == pytest.approx(auc.value - 0.76)
    assert gap.high - gap.low > auc.high - auc.low
    assert performance(found).metrics["recall"].holdout is None
    assert "0.760 on the holdout" in performance(found).words


def test_other_labels_for_the_same_rows_are_seen_dated_and_reported(
    rng: np.random.Generator,
) -> None:
    weeks = [draw(rng, 2_000, week, change="AUC -0.20" if week >= 6 else "") for week in range(10)]
    found = look(log_of(weeks), calibration(rng))
    assert performance(found).status == "worse"
    assert concept(found).status == "drift"
    alarms = {alarm.stream: alarm for alarm in found.alarms}
    began = str(START + 7 * 6)
    assert alarms["auc"].since == alarms["loss"].since == began
    assert alarms["auc"].until is None
    assert f"Since the week of {began}, AUC has decreased to" in performance(found).words
    assert "rate up" not in alarms
    assert "rate down" not in alarms


def test_an_alarm_ends_when_the_labels_are_as_promised_again(rng: np.random.Generator) -> None:
    changes = ["", "", "AUC -0.20", "AUC -0.20", *[""] * 8]
    weeks = [draw(rng, 5_000, week, change=change) for week, change in enumerate(changes)]
    found = look(log_of(weeks), calibration(rng))
    assert all(alarm.until for alarm in found.alarms)
    assert found.alarms
    assert performance(found).status == "not worse"


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_label_rate_that_the_scores_do_not_promise_is_an_alarm_of_its_own(
    way: str, rng: np.random.Generator
) -> None:
    weeks = []
    for week in range(6):
        labels, scores, days = draw(rng, 3_000, week)
        flipped = rng.random(3_000) < 0.15
        labels[flipped] = way == "up"
        weeks.append((labels, scores, days))
    found = look(log_of(weeks), calibration(rng))
    assert f"rate {way}" in {alarm.stream for alarm in found.alarms}
    word = "more" if way == "up" else "fewer"
    assert f"{word} rows are positive than the scores predict" in concept(found).words


def test_a_shift_too_small_to_matter_is_no_alarm_however_many_rows_prove_it(
    rng: np.random.Generator,
) -> None:
    weeks = []
    for week in range(8):
        labels, scores, days = draw(rng, 60_000, week)
        flipped = rng.random(len(labels)) < 0.012
        labels[flipped] = 1 - labels[flipped]
        weeks.append((labels, scores, days))
    arrived, known = log_of(weeks), calibration(rng, rows=400_000)
    assert look(arrived, known).alarms == []
    monitoring = params().monitoring.model_copy(update={"loss_excess": 0.0, "rate_gap": 0.0})
    strict = params().model_copy(update={"monitoring": monitoring})
    found = check_labels(arrived, BinaryMonitor(known, THRESHOLD), strict, RATE)
    assert "loss" in {alarm.stream for alarm in found.alarms}


def test_days_that_are_overdispersed_on_the_holdout_are_no_alarm_later(
    rng: np.random.Generator,
) -> None:
    weeks = [draw(rng, 5_000, week, rest=0.5) for week in range(26)]
    assert look(log_of(weeks), calibration(rng, rest=0.5)).alarms == []
    calm = look(log_of(weeks), calibration(rng))
    assert {alarm.stream for alarm in calm.alarms} & {"rate up", "rate down", "loss"}


def test_labels_still_coming_do_not_judge_a_week(rng: np.random.Generator) -> None:
    weeks = [draw(rng, 2_000, week) for week in range(5)]
    known = [rng.random(2_000) < share for share in (0.9, 0.9, 0.9, 0.9, 0.2)]
    # The first labels to come are the bad news.
    known[4] &= weeks[4][0] == 1
    found = look(log_of(weeks, known), calibration(rng))
    statuses = [week.status for week in performance(found).weeks]
    assert statuses == [*["judged"] * 4, "labels still coming"]
    assert found.alarms == []


def test_a_week_with_few_labels_waits_for_the_next(rng: np.random.Generator) -> None:
    weeks = [draw(rng, 120, week) for week in range(7)]
    found = look(log_of(weeks), calibration(rng))
    counts = [week.labelled for week in performance(found).weeks]
    assert counts == [240, 240, 240, 120]
    statuses = [week.status for week in performance(found).weeks]
    assert statuses == ["judged"] * 3 + ["too few labels"]
    few = look(log_of(weeks[:1]), calibration(rng))
    assert performance(few).status == concept(few).status == "inconclusive"
    assert "No week has enough labels" in performance(few).words


def test_without_labels_there_is_an_estimate_and_nothing_else(rng: np.random.Generator) -> None:
    weeks = [draw(rng, 1_000, week) for week in range(3)]
    found = look(log_of(weeks, [np.zeros(1_000, dtype=bool)] * 3), calibration(rng))
    assert found.performance is None
    assert found.concept is None
    assert estimate(found).rows == 3_000
    assert "Concept drift cannot be detected this way" in estimate(found).words
    assert "cannot detect concept drift" in estimate(found).assumes


def test_a_log_without_predictions_has_no_checks(rng: np.random.Generator) -> None:
    nothing = Join(labels_of(["a"], np.ones(1)), EDGES).predictions()
    assert look(nothing, calibration(rng)) == LabelChecks()


def test_labels_of_one_kind_are_measured_as_far_as_that_goes(rng: np.random.Generator) -> None:
    labels, scores, days = draw(rng, 1_000)
    found = look(log_of([(np.zeros_like(labels), scores, days)]), calibration(rng))
    assert performance(found).metrics == {}
    assert "auc" not in performance(found).weeks[0].metrics
    assert performance(found).weeks[0].label_rate == 0


@pytest.mark.parametrize(
    ("chosen", "status"),
    [("at random", "like the rest"), ("by score", "not like the rest")],
)
def test_labels_that_came_for_other_rows_than_the_rest_are_a_warning(
    chosen: str, status: str, rng: np.random.Generator
) -> None:
    weeks = [draw(rng, 2_000, week) for week in range(4)]
    known = [
        rng.random(2_000) < (np.full(2_000, 0.4) if chosen == "at random" else scores)
        for _, scores, _ in weeks
    ]
    found = performance(look(log_of(weeks, known), calibration(rng)))
    assert found.selection.status == status
    assert ("are not like the rest" in found.words) is (chosen == "by score")


def test_labels_that_are_merely_late_are_no_warning(rng: np.random.Generator) -> None:
    """The newest weeks have fewer labels, and other scores: within a week all is random."""
    weeks = [draw(rng, 2_000, week, moved=week / 4) for week in range(4)]
    known = [rng.random(2_000) < share for share in (0.9, 0.8, 0.6, 0.3)]
    found = performance(look(log_of(weeks, known), calibration(rng)))
    assert found.selection.status == "like the rest"


def test_nearly_all_labels_need_no_warning_about_the_few_that_are_missing(
    rng: np.random.Generator,
) -> None:
    weeks = [draw(rng, 2_000, week) for week in range(4)]
    known = [scores < np.quantile(scores, 0.97) for _, scores, _ in weeks]
    found = performance(look(log_of(weeks, known), calibration(rng)))
    assert found.selection.status == "nearly all labelled"


def test_a_key_that_was_asked_about_twice_counts_once_with_its_latest_answer() -> None:
    both = Join(labels_of(["a", "b"], np.array([1, 0])), EDGES)
    day = np.array([START, START])
    both.add(["a", "b"], day, np.array([0.2, 0.3]))
    both.add(["c", "a"], day, np.array([0.4, 0.9]))
    arrived = both.predictions()
    assert arrived.rows == 4
    assert sorted(arrived.labelled.scores.tolist()) == [0.3, 0.9]


def test_the_log_and_the_labels_are_joined_by_key_whatever_their_order() -> None:
    frame = pd.DataFrame(
        {
            "key": ["x", "y", "z"],
            "probability": [0.1, 0.5, 0.9],
            "input.asked_for": [
                "2024-01-03T10:00:00Z",
                "2024-01-04T23:59:59.5Z",
                "2024-01-09T00:00:00Z",
            ],
        }
    )
    arrived = join(frame, labels_of(["z", "gone", "x"], np.array([1, 1, 0])))
    assert arrived.labelled.scores.tolist() == [0.1, 0.9]
    assert arrived.labelled.labels.tolist() == [0, 1]
    assert [str(week) for week in arrived.weeks] == ["2024-01-01", "2024-01-08"]
    assert str(arrived.last) == "2024-01-09"


def test_calibration_repairs_scores_that_are_off(rng: np.random.Generator) -> None:
    labels, scores, _ = draw(rng, 50_000)
    bent = scores**2
    known = Calibration.fit(labels, bent)
    assert np.abs(known.apply(bent) - scores).max() < 0.02
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(bent, labels)
    assert np.abs(known.apply(bent) - isotonic.predict(bent)).mean() < 0.015
    assert np.all(Calibration.identity().apply(scores) == pytest.approx(scores, abs=1e-6))


def test_a_reference_without_labels_falls_back_on_the_manifest(rng: np.random.Generator) -> None:
    labels, scores, days = draw(rng, 4_000, days=30)
    times = pd.Series(days.astype("datetime64[us]")).dt.tz_localize("UTC")
    whole = pd.DataFrame({"score": scores, "label": labels, "asked_for": times})
    auc = pytest.approx(roc_auc_score(labels, scores))
    assert holdout_calibration(whole, MANIFEST).auc == auc
    before = holdout_metrics(whole, params().evaluate, MONITOR, MANIFEST)
    assert before is not None
    assert before["auc"]["value"] == auc
    for less in (None, whole.drop(columns="label"), whole.assign(label=np.nan)):
        known = holdout_calibration(less, MANIFEST)
        assert known.auc is None
        assert holdout_metrics(less, params().evaluate, MONITOR, MANIFEST) is None
        found = look(log_of([draw(rng, 2_000, week) for week in range(3)]), known)
        assert performance(found).status == "not worse"
        assert "auc" not in performance(found).weeks[0].shifts


def test_a_week_without_errors_has_no_shift_of_the_auc() -> None:
    known, scores = calibration(np.random.default_rng(0)), np.linspace(0.01, 0.99, 200)
    for labels, measured in ((scores > 0.5, False), (np.arange(200) % 2, True)):
        shifts = known.shifts(labels.astype(float), scores, np.full(200, START))
        assert ("auc" in shifts) == measured
