"""Predicted and observed values of bins, on rows that depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from slipway.metrics.calibration import mean_curve, rate_curve
from slipway.metrics.clusters import Clusters, Way
from slipway.metrics.sample import Sample

CUSTOMERS, ROWS, BINS, RUNS = 60, 30, 4, 60

Curve = Callable[[Sample, np.ndarray], list[dict[str, float]]]


def rates(sample: Sample, scores: np.ndarray) -> list[dict[str, float]]:
    return rate_curve(sample, sample.labels, scores, BINS)


def means(sample: Sample, scores: np.ndarray) -> list[dict[str, float]]:
    return mean_curve(sample, scores, BINS)


def tables(*, of_numbers: bool) -> Iterator[tuple[np.ndarray, np.ndarray, Clusters]]:
    """Yield labels that the scores predict without bias, but for an effect of each customer."""
    random = np.random.default_rng(0)
    for _ in range(RUNS):
        customer = np.repeat(np.arange(CUSTOMERS), ROWS)
        scores = random.uniform(0.3, 0.7, len(customer))
        expected = scores + random.choice([-0.25, 0.25], CUSTOMERS)[customer]
        labels = expected if of_numbers else (random.random(len(customer)) < expected) * 1.0
        yield labels, scores, Clusters((Way.of(customer),))


def share_held(curve: Curve, *, of_numbers: bool, dependent: bool) -> float:
    """Return how often the interval of a bin holds what is predicted there, which is the truth."""
    held = [
        row["low"] <= row["mean_score"] <= row["high"]
        for labels, scores, clusters in tables(of_numbers=of_numbers)
        for row in curve(Sample.of(labels, clusters if dependent else None), scores)
    ]
    return float(np.mean(held))


@pytest.mark.parametrize(("curve", "of_numbers"), [(rates, False), (means, True)])
def test_the_intervals_of_bins_hold_the_truth_if_rows_depend_on_each_other(
    curve: Curve, of_numbers: bool
) -> None:
    assert share_held(curve, of_numbers=of_numbers, dependent=True) > 0.9
    assert share_held(curve, of_numbers=of_numbers, dependent=False) < 0.8


@pytest.mark.parametrize("curve", [rates, means])
def test_one_day_bounds_nothing_but_the_labels(curve: Curve) -> None:
    labels, scores = np.tile([0.0, 1.0], 50), np.linspace(0, 1, 100)
    day = Way.of(np.zeros(100, dtype=int), ordered=True)
    for row in curve(Sample.of(labels, Clusters((day,))), scores):
        assert (row["low"], row["high"]) == (0, 1)
