"""How good is a model, and how sure is that?

Everything is closed form and takes O(rows log rows): no row is drawn twice. `slipway.paired`
compares two models.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()

BOOTSTRAP_ROUNDS = 2000


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


def mean(values: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Return the mean of per-row values, shape (rows,), with its normal interval.

    Raises
    ------
    ValueError
        There are no values.
    """
    if not len(values):
        raise ValueError("the mean of no rows")
    value = float(values.mean(dtype="float64"))
    reach = quantile(confidence) * standard_error(values)
    return Estimate(value, value - reach, value + reach)


def wilson(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """Return a share with Wilson's interval (1927); of nothing it is 0, somewhere in 0 to 1."""
    if n == 0:
        return Estimate(0.0, 0.0, 1.0)
    z2 = quantile(confidence) ** 2
    share = successes / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = sqrt(z2) * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Estimate(share, min(share, middle - reach), max(share, middle + reach))


def log_losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return each row's log loss in nats; a probability of exactly 0 or 1 is moved by 1e-15."""
    of_truth: np.ndarray = np.where(labels == 1, scores, 1 - scores)
    np.clip(of_truth, 1e-15, None, out=of_truth)
    np.log(of_truth, out=of_truth)
    np.negative(of_truth, out=of_truth)
    return of_truth


def brier(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return each row's squared error of the probability."""
    gaps: np.ndarray = scores - labels
    gaps *= gaps
    return gaps


def calibration_error(
    labels: np.ndarray,
    scores: np.ndarray,
    bins: int = 10,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return how far predicted and true shares lie apart, on average over equal-count bins.

    Notes
    -----
    The interval is a Poisson bootstrap of the bins: a row is drawn Poisson(1) times, so a
    bin's sum has a known mean and variance and is drawn as one normal number. That costs
    O(rows + rounds) instead of O(rows) a round.
    """
    bin_of, gaps = bins_of(scores, bins), labels - scores
    value, drawn = drawn_errors(bin_of, gaps, bin_of, gaps, seed)[::2]
    reach = quantile(confidence) * float(drawn.std())
    return Estimate(value, max(0.0, value - reach), min(1.0, value + reach))


def calibration_curve(
    labels: np.ndarray, scores: np.ndarray, bins: int = 10, confidence: float = 0.95
) -> list[dict[str, float]]:
    """Return, for each equal-count bin, its rows, mean score and label rate with interval."""
    bin_of = bins_of(scores, bins)
    rows = np.bincount(bin_of)
    scored = np.bincount(bin_of, weights=scores) / rows
    hits = np.bincount(bin_of, weights=labels)
    curve = []
    for count, score, successes in zip(rows.tolist(), scored.tolist(), hits.tolist(), strict=True):
        rate = wilson(int(successes), count, confidence)
        curve.append(
            {
                "rows": count,
                "mean_score": score,
                "label_rate": rate.value,
                "low": rate.low,
                "high": rate.high,
            }
        )
    return curve


def placements(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return, for each row, the share of the other class that it is ranked right against."""
    order = np.argsort(scores)
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    del ordered
    sizes = np.diff(starts, append=len(scores))
    is_positive = positive[order]
    positives = np.add.reduceat(is_positive, starts, dtype="int64")
    negatives = sizes - positives
    below, above = np.cumsum(negatives), positives.sum() - np.cumsum(positives)
    of_positive = (below - negatives / 2) / negatives.sum()
    of_negative = (above + positives / 2) / positives.sum()
    placed = np.empty(len(scores))
    placed[order] = np.where(
        is_positive, np.repeat(of_positive, sizes), np.repeat(of_negative, sizes)
    )
    return placed


def delong_variance(placed: np.ndarray, positive: np.ndarray) -> float:
    return sum(float(placed[rows].var(ddof=1)) / int(rows.sum()) for rows in (positive, ~positive))


def bins_of(scores: np.ndarray, bins: int) -> np.ndarray:
    """Return each row's bin: equal counts, equal scores together, no bin empty."""
    edges = np.unique(np.quantile(scores, np.arange(1, bins) / bins, method="inverted_cdf"))
    edges = edges[edges < scores.max()]
    found: np.ndarray = np.searchsorted(edges, scores, side="left")
    return found


def drawn_errors(
    first_bin: np.ndarray,
    first_gap: np.ndarray,
    second_bin: np.ndarray,
    second_gap: np.ndarray,
    seed: int,
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Return two calibration errors and `BOOTSTRAP_ROUNDS` draws of each, drawn together."""
    bins = int(second_bin.max()) + 1
    cell = first_bin * bins + second_bin
    cells = (int(first_bin.max()) + 1) * bins
    sums, squares, products = (
        [np.bincount(cell, weights=weights, minlength=cells) for weights in pair]
        for pair in (
            (first_gap, second_gap),
            (first_gap**2, second_gap**2),
            (first_gap * second_gap,),
        )
    )
    rounds = np.random.default_rng(seed).standard_normal((2, BOOTSTRAP_ROUNDS, cells))
    spread = np.sqrt(squares[0])
    shared = np.divide(products[0], spread, out=np.zeros(cells), where=spread > 0)
    rest = squares[1] - shared**2
    alone = np.sqrt(np.where(rest > 1e-9 * squares[1], rest, 0))
    draws = (sums[0] + spread * rounds[0], sums[1] + shared * rounds[0] + alone * rounds[1])
    count = len(first_gap)
    errors = [
        np.abs(table.reshape(-1, cells // bins, bins).sum(axis)).sum(1) / count
        for table, axis in zip((sums[0][None], sums[1][None], *draws), (2, 1, 2, 1), strict=True)
    ]
    return float(errors[0][0]), float(errors[1][0]), errors[2], errors[3]


def standard_error(values: np.ndarray) -> float:
    if len(values) < 2:
        return 0.0
    return float(values.std(ddof=1, dtype="float64")) / sqrt(len(values))


def _check_two_classes(positive: np.ndarray) -> None:
    if not positive.any() or positive.all():
        raise ValueError("all labels are the same: an AUC needs both classes")
