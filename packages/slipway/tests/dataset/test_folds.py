"""Rows without a time are compared by grouped cross-validation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from slipway.dataset.folds import FOLDS, grouped_folds
from slipway.errors import SlipwayError
from slipway.metrics.clusters import Clusters, Way
from slipway.metrics.registry import METRICS, Options, Predictions, Sample

LEVEL, RUNS = 0.025, 200
CUSTOMERS, ROWS = 80, 800


def customers(random: np.random.Generator) -> Clusters:
    return Clusters((Way.of(random.integers(0, CUSTOMERS, ROWS), name="customer"),))


def test_no_customer_is_learned_from_and_scored() -> None:
    random = np.random.default_rng(0)
    clusters, labels = customers(random), (random.random(ROWS) < 0.1).astype(int)
    folds = grouped_folds(labels, clusters)
    codes = clusters.ways[0].codes
    assert sorted(np.concatenate(folds).tolist()) == list(range(ROWS))
    assert sum(len(set(codes[fold].tolist())) for fold in folds) == clusters.ways[0].count
    assert all(labels[fold].any() for fold in folds)


def test_rows_that_do_not_depend_on_each_other_are_divided_too() -> None:
    assert len(grouped_folds(np.arange(100) % 2, Clusters())) == FOLDS


def test_fewer_customers_than_folds_are_refused() -> None:
    few = Clusters((Way.of(np.arange(ROWS) % (FOLDS - 1)),))
    with pytest.raises(SlipwayError, match=f"{FOLDS - 1} clusters"):
        grouped_folds(np.arange(ROWS) % 2, few)


def compared(random: np.random.Generator, *, by_customer: bool) -> bool:
    """Return whether one of two equally good procedures is called better.

    Each fits a linear model to the signal and a noise column of its own, which is the same for all
    rows of a customer, as is an effect on the label.
    """
    clusters = customers(random)
    codes = clusters.ways[0].codes
    of_customer = random.standard_normal((3, CUSTOMERS))[:, codes]
    signal = random.standard_normal(ROWS)
    labels = (signal + 1.5 * of_customer[0] > 0).astype("float64")
    folds = grouped_folds(labels, clusters)
    scores = [cross_validated(np.c_[signal, noise], labels, folds) for noise in of_customer[1:]]
    order = np.concatenate(folds)
    ends = np.cumsum([0, *map(len, folds)]).tolist()
    periods = tuple(slice(start, end) for start, end in pairwise(ends))
    rows = clusters.take(order) if by_customer else Clusters()
    first, second = (Predictions.at(each[order], 0.5) for each in scores)
    sample = Sample(labels[order], rows, periods)
    found = METRICS["brier"].difference(sample, first, second, Options())
    return min(found.p_up, found.p_down) <= LEVEL


def cross_validated(columns: np.ndarray, labels: np.ndarray, folds: list[np.ndarray]) -> np.ndarray:
    """Return the scores of each fold by a least-squares fit on the others."""
    inputs, scores = np.c_[np.ones(ROWS), columns], np.empty(ROWS)
    for fold in folds:
        others = np.setdiff1d(np.arange(ROWS), fold)
        fitted = np.linalg.lstsq(inputs[others], labels[others], rcond=None)[0]
        scores[fold] = inputs[fold] @ fitted
    return np.clip(scores, 0, 1)


def test_equal_procedures_are_called_better_at_most_as_often_as_stated() -> None:
    random = np.random.default_rng(1)
    called = sum(compared(random, by_customer=True) for _ in range(RUNS)) / RUNS / 2
    assert called <= LEVEL + 3.3 * np.sqrt(LEVEL / 2 / RUNS)


def test_independent_rows_would_call_them_better_more_often() -> None:
    """The failing twin."""
    random = np.random.default_rng(1)
    called = sum(compared(random, by_customer=False) for _ in range(RUNS)) / RUNS / 2
    assert called > 2 * LEVEL
