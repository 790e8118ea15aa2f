"""A canary stops a release that fails, lags or answers otherwise; and no other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from slipway.predictions.answers import PROBABILITIES, BinaryAnswers
from slipway.release.canary import (
    SLOW_SHARE,
    Histogram,
    ProxyCounts,
    Sample,
    compare,
    difference,
    distribution_shift,
    read_sample,
    unlikely,
)
from slipway.serving.metrics import SECONDS, LogState, Metrics
from slipway.serving.release import Release
from slipway.settings import Canary
from slipway.targets.docker.canary import Inconclusive, conclude

LIMITS = Canary(
    share=0.1,
    seconds=60,
    min_requests=100,
    max_error_share=0.01,
    max_latency_ratio=2,
    max_latency_ms=250,
    max_score_psi=0.25,
)
ZERO = LIMITS.model_copy(update={"max_error_share": 0.0})


def histogram(values, edges):
    counts = np.histogram(values, [-np.inf, *edges, np.inf])[0]
    return Histogram(tuple(float(edge) for edge in edges), tuple(counts.tolist()))


def sample(requests=1000, errors=0, seconds=0.020, a=2.0, seed=0, **more):
    """What a version did: latency around `seconds`, scores of a Beta(a, 8)."""
    draw = np.random.default_rng(seed)
    took = seconds * draw.lognormal(0, 0.3, requests)
    scores = draw.beta(a, 8, requests)
    more = {"request_scores": histogram(scores, PROBABILITIES)} | more
    return Sample(
        requests, errors, histogram(took, SECONDS), histogram(scores, PROBABILITIES), **more
    )


def crossed(old, new, limits=LIMITS):
    return compare(old, new, limits).crossed


def test_two_versions_that_do_the_same_cross_nothing():
    for seed in range(20):
        found = compare(sample(900, seed=seed), sample(100, seed=seed + 100), LIMITS)
        assert found.crossed == []
        assert found.enough


def test_a_version_that_fails_is_stopped_with_the_numbers():
    (message,) = crossed(sample(900), sample(100, errors=8))

    assert message == (
        "errors: 8 of 100 requests failed (8.00%); the limit is 1.00%, the old version had 0.00%"
    )


def test_answers_without_a_prediction_are_errors():
    """Such as a page, a redirection or an empty object with status 200."""
    passed = ProxyCounts(sent=100, pending=0, failed=0, refused=0)
    without = dataclasses.replace(sample(100), scores=histogram([], PROBABILITIES))

    assert crossed(sample(900), passed.replace_in(without, fresh=True))
    assert not crossed(sample(900), passed.replace_in(sample(100), fresh=True))


def test_answers_that_came_after_the_service_was_asked_are_no_errors():
    passed = ProxyCounts(sent=100, pending=0, failed=0, refused=0)

    assert not crossed(sample(900), passed.replace_in(sample(50)))


def test_one_unlucky_request_of_a_hundred_stops_nothing():
    assert not crossed(sample(900), sample(100, errors=1))
    assert not crossed(sample(900), sample(100, errors=3))


def test_with_no_tolerance_one_failed_request_stops_it():
    assert crossed(sample(900), sample(100, errors=1), ZERO)
    assert not crossed(sample(900), sample(100, errors=0), ZERO)


def test_a_version_that_fails_no_more_than_the_old_one_is_not_to_blame():
    assert not crossed(sample(900, errors=450), sample(100, errors=40))
    assert crossed(sample(900, errors=90), sample(100, errors=40))


def test_a_version_that_never_answers_is_stopped_by_what_the_proxy_counted():
    stat = {"stot": "40", "scur": "2", "econ": "0", "eresp": "6", "hrsp_5xx": "0", "hrsp_4xx": "0"}
    before = {"stot": "32", "scur": "0", "econ": "0", "eresp": "0", "hrsp_5xx": "", "hrsp_4xx": "0"}
    found = ProxyCounts.of(stat).since(ProxyCounts.of(before)).replace_in(sample(0))

    assert (found.requests, found.errors) == (6, 6)
    assert crossed(sample(900), found)


def test_a_hiccup_that_both_versions_share_is_not_the_candidates_fault():
    slow = sample(100, seconds=2.0)
    old = dataclasses.replace(sample(1000), seconds=slow.seconds)

    assert crossed(sample(1000), sample(20, errors=4))
    assert not crossed(old, sample(20, errors=4))


def test_a_version_that_refuses_more_than_the_old_one_is_stopped():
    (message,) = crossed(sample(900, refused=18), sample(100, refused=60))

    assert "60 of 100 requests were answered with a 4xx" in message


def test_refusals_that_the_old_version_gives_too_stop_nothing():
    assert not crossed(sample(900, refused=450), sample(100, refused=54))
    assert not crossed(sample(900, refused=0), sample(100, refused=1))


def test_two_failed_requests_are_one_event_and_no_rate():
    assert not crossed(sample(90), sample(10, errors=2))
    assert crossed(sample(90), sample(10, errors=3))


def test_more_traffic_needs_less_of_a_difference():
    assert not crossed(sample(900), sample(100, errors=3))
    assert crossed(sample(9000), sample(10_000, errors=150))


def test_looking_every_second_at_a_version_within_its_limit_stops_it_almost_never():
    draw, stopped = np.random.default_rng(0), 0
    for _ in range(200):
        errors = np.cumsum(draw.binomial(20, 0.005, 60))
        stopped += any(unlikely(int(k), 20 * (n + 1), 0.01) for n, k in enumerate(errors))

    assert stopped <= 4


def test_a_version_that_is_slower_than_the_old_one_allows_is_stopped():
    (message,) = crossed(sample(900), sample(100, seconds=0.080))

    assert message.startswith("latency: 95% of the requests took up to 1")
    assert "2 times the old version's" in message


def test_a_version_beyond_the_absolute_limit_is_stopped_however_slow_the_old_one_was():
    (message,) = crossed(sample(900, seconds=0.4), sample(100, seconds=0.5))

    assert "above 250 ms (the limit)" in message


def test_a_version_beyond_the_absolute_limit_is_stopped_although_some_of_the_old_were_too():
    """The old version's few slow requests do not excuse many of the new one's."""

    def mixed(requests: int, slow: int) -> Sample:
        fast, late = sample(requests - slow, seconds=0.006), sample(slow, seconds=3.0)
        counts = tuple(map(sum, zip(fast.seconds.counts, late.seconds.counts, strict=True)))
        return dataclasses.replace(sample(requests), seconds=Histogram(fast.seconds.edges, counts))

    assert crossed(mixed(1000, 47), mixed(100, 15))


def test_a_few_slow_requests_stop_nothing():
    fast, slow = sample(98), sample(2, seconds=3.0)
    counts = tuple(map(sum, zip(fast.seconds.counts, slow.seconds.counts, strict=True)))
    new = dataclasses.replace(sample(100), seconds=Histogram(fast.seconds.edges, counts))

    assert not crossed(sample(900), new)


def test_milliseconds_that_no_client_notices_are_not_slow():
    assert not crossed(sample(900, seconds=0.001), sample(100, seconds=0.004))


def test_a_version_that_answers_otherwise_is_stopped():
    (message,) = crossed(sample(900), sample(100, a=6.0))

    assert message.startswith("scores: the distribution differs")
    assert "mean 0.19" in message


def test_a_small_move_of_the_scores_stops_nothing():
    assert not crossed(sample(9000), sample(1000, a=2.3))


def test_scores_of_rows_are_compared_only_where_a_request_has_one():
    """A version that was built before reports those of all rows."""
    alone = sample(900, request_scores=None)
    batches = dataclasses.replace(alone, requests=45)
    other = sample(100, a=6.0)

    assert crossed(alone, other)
    assert not compare(alone, sample(100), LIMITS).not_compared
    for old, new in ((batches, other), (sample(900), dataclasses.replace(batches, requests=5))):
        found = compare(old, new, LIMITS)
        assert not found.crossed
        assert found.not_compared


def test_a_canary_without_a_comparison_of_scores_is_inconclusive_however_much_traffic_it_had():
    old = sample(9000, request_scores=None)
    found = compare(dataclasses.replace(old, requests=450), sample(200), LIMITS)

    assert found.enough
    with pytest.raises(Inconclusive) as caught:
        conclude(found, "", LIMITS)
    assert "ON_INCONCLUSIVE" in caught.value.do
    assert conclude(found, "", LIMITS.model_copy(update={"on_inconclusive": "go"}))


def test_a_p95_between_small_and_large_requests_stops_no_version():
    """Where one request in twenty is slow, the old version's p95 is the one or the other."""
    fast, slow = sample(953, seconds=0.005), sample(47, seconds=0.150)
    counts = tuple(map(sum, zip(fast.seconds.counts, slow.seconds.counts, strict=True)))
    old = dataclasses.replace(sample(1000), seconds=Histogram(fast.seconds.edges, counts))
    fast, slow = sample(85, seconds=0.005), sample(15, seconds=0.150)
    counts = tuple(map(sum, zip(fast.seconds.counts, slow.seconds.counts, strict=True)))
    new = dataclasses.replace(sample(100), seconds=Histogram(fast.seconds.edges, counts))

    assert unlikely(15, 100, SLOW_SHARE)
    assert not crossed(old, new)


def test_a_version_that_was_started_anew_is_stopped():
    (message,) = crossed(sample(900), sample(100, restarts=1))

    assert message == "the new version restarted once"


def test_too_little_traffic_is_reported_but_what_is_certain_still_stops_it():
    found = compare(sample(90), sample(10, errors=10), LIMITS)

    assert not found.enough
    assert found.crossed


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 200), (200, 0)])
def test_no_traffic_crosses_nothing_and_is_not_enough(old, new):
    found = compare(sample(old), sample(new), LIMITS)

    assert found.crossed == []
    assert not found.enough


@pytest.mark.parametrize("refused", [990, 1000])
def test_requests_that_are_refused_show_nothing_of_what_a_version_answers(refused):
    found = compare(sample(1000, refused=refused), sample(110, refused=110), LIMITS)

    assert not found.enough


def test_an_answer_without_a_prediction_is_an_error_however_many_rows_the_others_have():
    batches = dataclasses.replace(sample(5_500), requests=110, logged=55)

    new = ProxyCounts(sent=110, pending=0, failed=0, refused=0).replace_in(batches, fresh=True)

    assert new.errors == 55
    assert any(it.startswith("errors: 55 of 110") for it in crossed(sample(1000), new))


def test_the_table_has_what_was_compared():
    rows = compare(sample(900), sample(100, errors=8), LIMITS).rows

    assert [(row.name, row.crossed) for row in rows] == [
        ("answered requests", False),
        ("errors", True),
        ("refused (4xx)", False),
        ("latency, p95", False),
        ("scores, PSI", False),
    ]
    assert (rows[1].old, rows[1].new, rows[1].limit) == ("0.00%", "8.00%", "≤ 1.00%")


def test_psi_has_what_chance_adds_taken_off():
    draw = np.random.default_rng(1)
    sizes = [
        distribution_shift(
            histogram(draw.beta(2, 8, 900), PROBABILITIES),
            histogram(draw.beta(2, 8, 100), PROBABILITIES),
        ).psi
        for _ in range(100)
    ]

    assert np.mean(sizes) < 0.02
    assert max(sizes) < 0.25


def test_p_values_of_like_scores_are_as_frequent_as_their_level():
    draw = np.random.default_rng(2)
    p_values = [
        distribution_shift(
            histogram(draw.beta(2, 8, 900), PROBABILITIES),
            histogram(draw.beta(2, 8, 100), PROBABILITIES),
        ).p_value
        for _ in range(400)
    ]

    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.08


def test_a_quantile_is_interpolated_within_its_bin():
    found = Histogram((0.01, 0.02, 0.04), (50, 40, 10, 0))

    assert found.quantile(0.95) == pytest.approx(0.03)
    assert found.quantile(0.5) == pytest.approx(0.01)
    assert found.above(0.03) == pytest.approx(5)
    assert found.above(0.01) == pytest.approx(50)


def test_what_is_beyond_the_last_edge_is_above_every_limit():
    found = Histogram((1.0, 10.0), (90, 0, 10))

    assert found.above(500.0) == 10
    assert found.quantile(0.95) == 10.0


def counted(requests, errors=0):
    """The metrics of a real service that was asked so often."""
    answers = BinaryAnswers({"threshold": 0.5})
    metrics = Metrics("m" * 64, Release("c" * 40, "d" * 32), answers)
    for number in range(requests):
        metrics.answered("/predict", 500 if number < errors else 200, 0.003)
        metrics.request_scored(0.12)
        metrics.predicted(0.12, "no", review=False)
    metrics.answered("/model", 500, 9.0)
    return metrics.exposition(LogState(writable=True, room=None)).decode()


def test_a_sample_is_read_from_the_metrics_of_the_service():
    found = read_sample(counted(40, errors=3), unanswered=2)

    assert (found.requests, found.errors) == (42, 5)
    assert found.seconds.total == found.scores.total == 40
    assert 0.0025 < found.seconds.quantile(0.95) <= 0.004
    assert found.scores.edges == pytest.approx(PROBABILITIES)
    assert found.request_scores == found.scores


def test_the_metrics_of_an_earlier_version_have_no_scores_of_requests():
    lines = counted(40).splitlines(keepends=True)
    found = read_sample("".join(line for line in lines if "slipway_request_score" not in line))

    assert found.scores.total == 40
    assert found.request_scores is None
    assert difference(Sample(), found).request_scores is None


def test_a_service_that_was_not_asked_yet_has_a_sample_too():
    found = read_sample(counted(0))

    assert (found.requests, found.seconds.total) == (0, 0)


@pytest.mark.parametrize("text", ["", "up 1\n", "not {metrics"])
def test_what_are_no_metrics_of_a_service_is_an_error(text):
    with pytest.raises(ValueError, match=r"\w"):
        read_sample(text)


def test_only_what_happened_between_two_looks_counts():
    found = difference(read_sample(counted(40, errors=3)), read_sample(counted(100, errors=5)))

    assert (found.requests, found.errors, found.refused, found.restarts) == (60, 2, 0, 0)
    assert found.seconds.total == found.scores.total == 60
    assert found.request_scores == found.scores


def test_counters_that_went_back_mean_a_new_process():
    found = difference(read_sample(counted(40, errors=3)), read_sample(counted(10, errors=1)))

    assert (found.requests, found.errors, found.restarts) == (10, 1, 1)
