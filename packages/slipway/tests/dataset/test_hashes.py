"""Rows without a time are divided by the hash of their entity, and compared on folds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from slipway.dataset.hashes import FOLDS, hashes_of
from slipway.metrics.clusters import Clusters, Way
from slipway.metrics.registry import METRICS, Options, Predictions, Sample

LEVEL, RUNS = 0.025, 200
CUSTOMERS, ROWS = 80, 800


def test_positions_and_folds_are_uniform() -> None:
    found = hashes_of(np.arange(20_000))
    expected = 20_000 / FOLDS
    assert np.histogram(found.position, 10, (0, 1))[0].std() < 2 * np.sqrt(2000)
    assert np.abs(np.bincount(found.fold) - expected).max() < 4 * np.sqrt(expected)
    assert abs(np.corrcoef(found.position, found.fold)[0, 1]) < 0.03


def test_the_hash_of_a_value_depends_on_nothing_else() -> None:
    few, many = hashes_of(np.array(["b"], object)), hashes_of(np.array(["a", "b", "b"], object))
    assert few.position[0] == many.position[1] == many.position[2] != many.position[0]
    assert round(float(few.position[0]), 6) == 0.242735  # of sha256, on every machine


def test_a_whole_number_has_one_hash_in_every_type() -> None:
    positions = {
        float(hashes_of(values).position[0])
        for values in (
            np.array([12], "int8"),
            np.array([12], "float32"),
            np.array(["12"], dtype=object),
        )
    }
    assert len(positions) == 1


def compared(random: np.random.Generator, *, by_customer: bool) -> bool:
    """Return whether one of two equally good procedures is called better.

    Each fits a linear model to the signal and a noise column of its own, which is the same for all
    rows of a customer, as is an effect on the label.
    """
    codes = random.integers(0, CUSTOMERS, ROWS)
    of_customer = random.standard_normal((3, CUSTOMERS))[:, codes]
    signal = random.standard_normal(ROWS)
    labels = (signal + 1.5 * of_customer[0] > 0).astype("float64")
    fold = hashes_of(codes + CUSTOMERS * random.integers(0, 10**9)).fold
    folds = [np.flatnonzero(fold == number) for number in np.unique(fold)]
    scores = [cross_validated(np.c_[signal, noise], labels, folds) for noise in of_customer[1:]]
    order = np.concatenate(folds)
    ends = np.cumsum([0, *map(len, folds)]).tolist()
    periods = tuple(slice(start, end) for start, end in pairwise(ends))
    rows = Clusters((Way.of(codes[order], name="customer"),)) if by_customer else Clusters()
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
