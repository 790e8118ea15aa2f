"""Agreement, flips and their slices, time, labels: the report, and the limits it crosses."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tests.services.projects import FLIGHTS

from slipway.documents.markdown import to_markdown
from slipway.metrics.registry import ALL, Options, Predictions, Sample
from slipway.metrics.sequential import FEWEST
from slipway.predictions.record import stamp
from slipway.settings import Shadow as Limits
from slipway.settings import read_params
from slipway.shadow.compare import Subject, compare
from slipway.shadow.paired_scores import pair_scores
from slipway.shadow.render import to_document, to_text

LIMITS = Limits(min_rows=100, max_flipped=0.1, max_refused=0, max_row_ms=5)
JUDGE = read_params(FLIGHTS / "params.yaml").judge
SUBJECT = Subject("model in build/model", "c" * 64, "f" * 64, "predictions", {"e" * 64: 7})


A_DAY = 100
"""Requests on each day."""


def answer(at, first, second, **changes):
    time = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=at // A_DAY, seconds=at % A_DAY)
    known = {
        "id": f"id-{at:06d}",
        "time": stamp(time),
        "key": f"key-{at}",
        "live": {"model": "f" * 64, "probability": first, "decision": first >= 0.3},
        "probability": second,
        "decision": second >= 0.3,
        "ms": 0.2,
        "slices": {"region": "north" if at % 4 else "south"},
    }
    return known | changes


def answers(rows=1000, noise=0.0, seed=0, **changes):
    draw = np.random.default_rng(seed)
    first = draw.beta(2, 6, rows)
    second = np.clip(first + noise * draw.standard_normal(rows), 0.001, 0.999)
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return [answer(at, *both, **changes) for at, both in enumerate(pairs)]


def reported(found, labels=None, limits=LIMITS):
    return compare(pair_scores(found), SUBJECT, limits, JUDGE, labels or {})


def refused(at):
    row = answer(at, 0.2, 0.2)
    return {name: row[name] for name in ("id", "time", "key", "live")} | {"refused": "x: too new"}


def test_a_model_with_the_same_answers_may_get_traffic():
    report = reported(answers())

    assert report.exit_code == 0
    assert report.agreement.same == 1.0
    assert report.flips.count == 0
    assert report.reasons == []


def test_flipped_decisions_are_counted_by_direction_and_named():
    found = answers(200)
    found[8] = answer(8, 0.29, 0.31)
    found[9] = answer(9, 0.9, 0.1)

    report = reported(found)

    assert (report.flips.count, report.flips.to_yes, report.flips.to_no) == (2, 1, 1)
    assert [row.key for row in report.flips.keys] == ["key-9", "key-8"]
    assert report.flips.share == 0.01


def test_too_many_flipped_decisions_stop_it():
    assert reported(answers(noise=0.02)).exit_code == 0

    report = reported(answers(noise=0.2))

    assert report.exit_code == 1
    assert "of the decisions (the limit is 10.0%)" in report.reasons[0]


def test_those_whose_decisions_flip_are_found():
    found = [
        answer(at, 0.2, 0.5) if at % 4 == 0 and at < 80 else answer(at, 0.2, 0.2)
        for at in range(1000)
    ]

    (row,) = reported(found).flips.who

    assert (row.slice, row.value) == ("region", "south")
    assert (row.rows, row.flips, row.share) == (250, 20, 0.08)


def test_a_row_that_it_does_not_take_stops_it_and_is_named():
    found = answers(999)

    report = reported([*found, refused(999)])

    assert report.exit_code == 1
    assert "refuses 1 of 1,000 rows" in report.reasons[0]
    assert "key-999: x: too new" in report.reasons[0]
    tolerant = LIMITS.model_copy(update={"max_refused": 0.01})
    assert reported([*found, refused(999)], limits=tolerant).exit_code == 0


def test_a_model_that_takes_no_row_at_all_stops():
    report = reported([refused(at) for at in range(200)])

    assert report.exit_code == 1
    assert "it refused all of them" in report.summary
    assert "refuses 200 of 200" in to_text(report)
    assert to_markdown(to_document(report))


def test_a_slow_model_is_stopped_but_not_for_one_slow_row():
    found = answers()
    found[3]["ms"] = 900.0
    assert reported(found).exit_code == 0

    report = reported(answers(ms=20.0))

    assert report.exit_code == 1
    assert "20.00 ms for a row" in report.reasons[0]


def test_too_few_requests_answer_nothing():
    report = reported(answers(99))

    assert report.exit_code == 2
    assert "99 requests in the log, and 100 are needed" in report.summary


def labelled(found, scores, seed=1):
    """Labels that follow some probabilities."""
    draw = np.random.default_rng(seed)
    return {
        one["key"]: int(draw.random() < score) for one, score in zip(found, scores, strict=True)
    }


def with_signal(rows=3000):
    """The live model is right, the candidate guesses."""
    draw = np.random.default_rng(3)
    right, guess = draw.beta(1, 2, rows).tolist(), draw.beta(1, 2, rows).tolist()
    return right, guess


WIDE = LIMITS.model_copy(update={"max_flipped": 1.0})


def test_where_labels_have_come_a_worse_model_is_stopped():
    right, guess = with_signal()
    found = [answer(at, *both) for at, both in enumerate(zip(right, guess, strict=True))]

    report = reported(found, labelled(found, right), WIDE)

    assert report.exit_code == 1
    assert "on labelled requests it is worse: auc 0.8" in report.reasons[0]
    (auc,) = [one for one in report.labels.metrics if one.name == "auc"]
    assert auc.difference.high < 0
    assert report.labels.rows == 3000


def test_where_labels_have_come_a_better_model_is_reported_as_such():
    right, guess = with_signal()
    found = [answer(at, *both) for at, both in enumerate(zip(guess, right, strict=True))]

    report = reported(found, labelled(found, right), WIDE)

    assert report.exit_code == 0
    assert {one.name: one.verdict for one in report.labels.metrics}["auc"] == "better"


def test_labels_of_too_few_days_decide_nothing_and_the_number_that_is_needed_is_named():
    right, guess = with_signal(FEWEST * A_DAY)
    found = [answer(at, *both) for at, both in enumerate(zip(right, guess, strict=True))]
    labels = labelled(found, right)

    few, enough = reported(found[:-A_DAY], labels, WIDE), reported(found, labels, WIDE)

    assert (few.exit_code, enough.exit_code) == (0, 1)
    assert {one.verdict for one in few.labels.metrics} == {"inconclusive"}
    assert (few.labels.days, enough.labels.days) == (FEWEST - 1, FEWEST)
    for text in (to_text(few), to_markdown(to_document(few))):
        assert f"{FEWEST} are needed" in text


def test_the_days_are_those_of_the_requests_whatever_the_zone_of_their_times():
    zones = ["2026-03-01T23:30:00Z", "2026-03-02T00:30:00+01:00", "2026-03-01T23:30:00-01:00"]
    scores = pair_scores([answer(at, 0.2, 0.2, time=time) for at, time in enumerate(zones)])

    assert np.diff(scores.days).tolist() == [0, 1]


def test_a_day_begins_at_midnight_in_the_time_zone_of_the_project():
    night = ["2026-03-02T03:30:00Z", "2026-03-02T04:30:00Z", "2026-03-02T05:30:00Z"]
    answers = [answer(at, 0.2, 0.2, time=time) for at, time in enumerate(night)]

    assert np.diff(pair_scores(answers).days).tolist() == [0, 0]
    assert np.diff(pair_scores(answers, "America/New_York").days).tolist() == [0, 1]


def test_equal_candidates_with_days_of_luck_are_inconclusive_with_the_days_that_would_decide():
    draw = np.random.default_rng(5)
    both = draw.beta(1, 2, 3000)
    moved = np.clip(both + np.repeat(0.1 * draw.standard_normal(30), A_DAY), 0.01, 0.99)
    pairs = zip(both.tolist(), moved.tolist(), strict=True)
    found = [answer(at, *pair) for at, pair in enumerate(pairs)]

    report = reported(found, labelled(found, both), WIDE)

    (auc,) = [one for one in report.labels.metrics if one.name == "auc"]
    assert auc.verdict == "inconclusive"
    assert auc.days_needed > 30
    assert f"about {auc.days_needed:,} days" in to_text(report)


@pytest.mark.parametrize("precision", [0.5, 0.7])
def test_the_recall_at_a_fixed_precision_is_that_of_the_registry(precision):
    right, _ = with_signal()
    found = [answer(at, score, 0.9 * score) for at, score in enumerate(right)]
    labels = labelled(found, right)
    judge = JUDGE.model_copy(update={"guards": ["recall_at_precision"]})
    truth = np.array([labels[each["key"]] for each in found], dtype="float64")

    report = compare(pair_scores(found), SUBJECT, WIDE, judge, labels, precision=precision)

    assert report.labels
    (one,) = [one for one in report.labels.metrics if one.name == "recall_at_precision"]
    model = Predictions.at(np.array(right), 0.3)
    expected = ALL[one.name].estimate(Sample.of(truth), model, Options(precision=precision))
    assert one.live == expected.value
    assert "recall_at_precision" not in to_text(reported(found, labels, WIDE))


def test_a_metric_without_a_confidence_sequence_has_values_but_no_verdict():
    right, guess = with_signal()
    found = [answer(at, *both) for at, both in enumerate(zip(right, guess, strict=True))]

    report = reported(found, labelled(found, right), WIDE)

    (one,) = [one for one in report.labels.metrics if one.name == "calibration_error"]
    assert one.verdict == "inconclusive"
    assert one.live < one.candidate


def test_labels_of_a_few_rows_decide_nothing():
    right, guess = with_signal(150)
    found = [answer(at, *both) for at, both in enumerate(zip(right, guess, strict=True))]

    report = reported(found, labelled(found[:30], right[:30]), WIDE)

    assert report.exit_code == 0
    assert {one.verdict for one in report.labels.metrics} == {"inconclusive"}


def test_missing_labels_are_reported():
    report = reported(answers(), {"another key": 1})

    assert report.labels is None
    assert "no labels of these requests yet" in to_text(report)


def test_a_row_that_was_asked_twice_counts_once_with_its_last_answer():
    found = answers(200, key="the same")
    found += answers(200)

    report = reported(found, {"the same": 1, "key-1": 0})

    assert report.labels.rows == 2


def test_what_was_skipped_is_reported():
    assert "skipped: 7 requests that other models answered" in to_text(reported(answers()))


def test_the_report_is_json_and_the_texts_have_the_same_numbers():
    right, guess = with_signal()
    found = [answer(at, *both) for at, both in enumerate(zip(right, guess, strict=True))]
    report = reported(found, labelled(found, right))

    document = json.loads(json.dumps(report.as_dict(), allow_nan=False))

    assert document["version"] == 1
    assert document["status"] == "no"
    for text in (to_text(report), to_markdown(to_document(report))):
        assert f"{report.flips.share:.1%}" in text
        assert "log_loss" in text
        assert report.reasons[0].partition(" (")[0] in text


def test_keys_and_values_of_the_log_are_only_text_in_markdown():
    found = answers(100) + [
        answer(at, 0.2, 0.9, key="<img src=x>|`*", slices={"region": "[a](b)"})
        for at in range(100, 120)
    ]

    text = to_markdown(to_document(reported(found)))

    assert "<img" in text
    outside = re.sub(r"`[^`\n]*`", "", text)  # a code span has no effect
    assert "<img" not in outside
    assert "[a](b)" not in outside


@pytest.mark.parametrize("model", ["c", "f"])
def test_a_comparison_of_a_model_with_itself_is_called_that(model):
    subject = Subject("x", model * 64, "f" * 64, "", {})

    report = compare(pair_scores(answers()), subject, LIMITS, JUDGE, {})

    assert ("by the same model" in report.summary) == (model == "f")
