"""Metrics of one model with their intervals.

Everything is closed form and takes O(rows log rows), without resampling of rows.
`slipway.metrics.paired` compares two models.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()

BOOTSTRAP_ROUNDS = 2000
ROUNDS_AT_ONCE = 50


@dataclass(frozen=True)
class Estimate:
    """A value and the interval that holds the true one."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def quantile(confidence: float) -> float:
    """Return z such that a normal value lies within ±z with this probability."""
    return NORMAL.inv_cdf((1 + confidence) / 2)


def auc(labels: np.ndarray, scores: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Return the area under the ROC curve with DeLong's interval; ties count half.

    Parameters
    ----------
    labels, scores
        0 or 1, and anything that ranks; each of shape (rows,).

    Raises
    ------
    ValueError
        All labels are the same: nothing can be ranked.

    Notes
    -----
    DeLong, DeLong and Clarke-Pearson (1988), in the O(n log n) form of Sun and Xu (2014).
    With a single row of a class the interval is everything, 0 to 1.
    """
    positive = labels == 1
    _check_two_classes(positive)
    placed = placements(positive, scores)
    value = float(placed[positive].mean())
    if min(positive.sum(), (~positive).sum()) < 2:
        return Estimate(value, 0.0, 1.0)
    reach = quantile(confidence) * sqrt(delong_variance(placed, positive))
    return Estimate(value, max(0.0, value - reach), min(1.0, value + reach))


def log_losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return each row's log loss in nats; a probability of exactly 0 or 1 is moved by 1e-15."""
    return surprises(np.where(labels == 1, scores, 1 - scores))


def surprises(of_truth: np.ndarray) -> np.ndarray:
    """Return each row's log loss in nats, from the probability of what was true; overwrites it.

    A probability of exactly 0 is moved by 1e-15.
    """
    np.clip(of_truth, 1e-15, None, out=of_truth)
    np.log(of_truth, out=of_truth)
    np.negative(of_truth, out=of_truth)
    return of_truth


def brier(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return each row's squared error of the probability."""
    gaps: np.ndarray = scores - labels
    gaps *= gaps
    return gaps


def pinball(labels: np.ndarray, scores: np.ndarray, quantile: float) -> np.ndarray:
    """Return each row's loss of a predicted quantile (Koenker and Bassett 1978).

    A label above its prediction costs `quantile` times the distance, one below 1 - `quantile`
    times.
    """
    gaps = labels - scores
    return np.maximum(quantile * gaps, (quantile - 1) * gaps)


def placements(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return, for each row, the share of the other class that it is ranked correctly against.

    Notes
    -----
    One sort. A tie counts half; integers, twice as large, keep that exact and small.
    """
    order = np.argsort(scores)
    ordered = scores[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    del ordered
    is_positive = positive[order]
    ends = np.flatnonzero(last).astype("int32")
    positives = np.cumsum(is_positive, dtype="int32")[ends]
    rows = ends + 1
    sizes = np.diff(rows, prepend=np.int32(0))
    below = rows + _before(rows)
    positives_below = positives + _before(positives)
    below -= positives_below
    del last, ends, positives, rows
    count = int(is_positive.sum())
    placed_in_order = np.repeat(below, sizes) / (2 * (len(scores) - count))
    negative = ~is_positive
    beaten_by = np.repeat(positives_below, sizes)[negative]
    placed_in_order[negative] = 1 - beaten_by / (2 * count)
    placed = np.empty(len(scores))
    placed[order] = placed_in_order
    return placed


def _before(totals: np.ndarray) -> np.ndarray:
    """Return running totals as they were one step earlier."""
    return np.concatenate([np.zeros(1, totals.dtype), totals[:-1]])


def delong_variance(placed: np.ndarray, positive: np.ndarray) -> float:
    return sum(float(placed[rows].var(ddof=1)) / int(rows.sum()) for rows in (positive, ~positive))


def bins_of(scores: np.ndarray, bins: int) -> np.ndarray:
    """Return each row's bin: equal counts, equal scores together, no bin empty."""
    edges = np.unique(np.quantile(scores, np.arange(1, bins) / bins, method="inverted_cdf"))
    edges = edges[edges < scores.max()]
    return np.searchsorted(edges, scores, side="left").astype("uint8")


def drawn_errors(
    first_bin: np.ndarray,
    first_gap: np.ndarray,
    second_bin: np.ndarray,
    second_gap: np.ndarray,
    seed: int,
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Return two calibration errors and `BOOTSTRAP_ROUNDS` draws of each, drawn together."""
    rows, columns = int(first_bin.max()) + 1, int(second_bin.max()) + 1
    cell = first_bin.astype("uint16") * np.uint16(columns) + second_bin

    def total(weights: np.ndarray) -> np.ndarray:
        return np.bincount(cell, weights=weights, minlength=rows * columns)

    sums = total(first_gap), total(second_gap)
    spread = np.sqrt(total(first_gap * first_gap))
    products, squares = total(first_gap * second_gap), total(second_gap * second_gap)
    shared = np.divide(products, spread, out=np.zeros(rows * columns), where=spread > 0)
    rest = squares - shared**2
    alone = np.sqrt(np.where(rest > 1e-9 * squares, rest, 0))

    def errors(tables: np.ndarray, axis: int) -> np.ndarray:
        gaps = tables.reshape(-1, rows, columns).sum(axis)
        return np.asarray(np.abs(gaps).sum(1) / len(first_gap))

    draw, drawn = np.random.default_rng(seed), []
    for _ in range(BOOTSTRAP_ROUNDS // ROUNDS_AT_ONCE):
        common, own = draw.standard_normal((2, ROUNDS_AT_ONCE, rows * columns))
        first = errors(sums[0] + spread * common, 2)
        drawn.append([first, errors(sums[1] + shared * common + alone * own, 1)])
    values = errors(sums[0], 2)[0], errors(sums[1], 1)[0]
    both = np.concatenate(drawn, axis=1)
    return float(values[0]), float(values[1]), both[0], both[1]


def _check_two_classes(positive: np.ndarray) -> None:
    if not positive.any() or positive.all():
        raise ValueError("all labels are the same: an AUC needs both classes")
