"""Multivariate drift: changes in the dependence of columns, which no single column shows.

A linear classifier on products of pairs of columns separates rows of the log from rows of the
holdout (a domain classifier). Each number is first replaced by its rank within its own sample, and
each value of a category by its difference from its own sample's share, so that differences of
single columns have no effect. The classifier is fitted on one half and scored on the other, and the
reverse: an AUC of 0.5 means that the samples cannot be separated. The manifest has the AUC by
which past weeks differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slipway.reference.history import PastWeeks, rounded

# Most frequent values of a category that become indicators.
VALUES = 5

# Largest number of rows of the reference, and of the window.
REFERENCE_ROWS, WINDOW_ROWS = 6000, 2100

# Largest number of columns of the design; their pairs grow with the square.
COLUMNS = 40

Sample = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Kind:
    """An input of the design: a number, or indicators of the most frequent values."""

    name: str
    values: tuple[int, ...] | None


NO_WEEKS: PastWeeks = {
    "weeks": 0,
    "auc": 0.5,
    "spread": 0.0,
    "rows": 0,
    "reference_rows": 0,
}
"""What is known of past weeks if none was compared."""


def kinds_of(sample: Sample, missing: Mapping[str, int]) -> list[Kind]:
    """Return the kind of each column, from a reference sample.

    Parameters
    ----------
    sample
        Numbers as floats, categories as codes.
    missing
        The code of a missing value, by category.
    """
    kinds: list[Kind] = []
    for name, values in sample.items():
        if name not in missing:
            kinds.append(Kind(name, None))
            continue
        counts = np.bincount(values[values < missing[name]], minlength=1)
        common = np.argsort(-counts, kind="stable")[:VALUES]
        # With two values, one indicator is enough.
        some = [int(code) for code in common if counts[code] > 0]
        kinds.append(Kind(name, tuple(some[:-1] if len(some) == 2 else some)))
    return kinds


def design(sample: Sample, kinds: Sequence[Kind]) -> np.ndarray:
    """Return normal scores of numbers and standardised indicators, shape (rows, columns)."""
    columns = [
        _normal_scores(sample[name]) if code is None else _standard(sample[name] == code)
        for name, code in _design_columns(kinds)
    ]
    rows = len(next(iter(sample.values())))
    return np.column_stack(columns) if columns else np.zeros((rows, 0))


def auc(reference: np.ndarray, window: np.ndarray, kinds: Sequence[Kind]) -> float:
    """Return the cross-fitted AUC of the classifier that separates two samples.

    Parameters
    ----------
    reference, window
        Designs of these kinds.
    """
    pairs = _pairs(kinds)
    if not pairs.any():
        return 0.5
    aucs = []
    for fold in (0, 1):
        weights = _fit(reference[fold::2], window[fold::2], pairs)
        old, new = (_scores(half[1 - fold :: 2], weights) for half in (reference, window))
        aucs.append(_auc(old, new))
    return float(np.mean(aucs))


def _design_columns(kinds: Sequence[Kind]) -> list[tuple[str, int | None]]:
    """Return the columns of a design: the name of a number, or a category and one of its codes."""
    codes = [(each.name, (None,) if each.values is None else each.values) for each in kinds]
    return [(name, code) for name, some in codes for code in some][:COLUMNS]


def _pairs(kinds: Sequence[Kind]) -> np.ndarray:
    """Return the pairs of columns of different inputs, each once, shape (columns, columns)."""
    names = np.array([name for name, _ in _design_columns(kinds)])
    return np.triu(names[:, None] != names[None, :])


def limit(history: PastWeeks, rows: int, reference_rows: int, alpha: float) -> float:
    """Return the AUC that the variation of past weeks, and chance, do not explain.

    Parameters
    ----------
    history
        Of the manifest.
    """
    from scipy.stats import norm, t

    chance = chance_of(rows, reference_rows)
    if history["weeks"] < 3:
        return float(0.5 + norm.isf(alpha) * chance)
    then = chance_of(history["rows"], history["reference_rows"])
    variance = history["spread"] ** 2 + max(chance**2 - then**2, 0.0)
    spread = np.sqrt(max(variance, chance**2) * (1 + 1 / history["weeks"]))
    return float(max(history["auc"], 0.5) + t.isf(alpha, history["weeks"] - 1) * spread)


def chance_of(rows: int, reference_rows: int) -> float:
    """Return the standard deviation of the cross-fitted AUC of two samples without a difference.

    The difference of two means over their spread has the variance 1/n + 1/m in each half. The
    folds depend on each other, so their mean is not taken to be more precise than one.
    """
    n, m = max(rows / 2, 1.0), max(reference_rows / 2, 1.0)
    return float(np.sqrt((1 / n + 1 / m) / (4 * np.pi)))


def past_weeks(sample: Sample, days: np.ndarray, missing: Mapping[str, int]) -> PastWeeks:
    """Return how well the classifier separates past weeks from the rest of their month.

    Parameters
    ----------
    days
        Of the rows, datetime64[D], shape (rows,).
    """
    kinds = kinds_of(sample, missing)
    months = days.astype("datetime64[M]")
    block = (days - months.astype("datetime64[D]")).astype(int) // 7
    aucs, rows, others = [], [], []
    for month in np.unique(months):
        for week in range(4):
            inside = _spaced(np.flatnonzero((months == month) & (block == week)), WINDOW_ROWS)
            rest = _spaced(np.flatnonzero((months == month) & (block != week)), REFERENCE_ROWS)
            if len(inside) < 100 or len(rest) < 200:
                continue
            one, other = (
                design({name: values[part] for name, values in sample.items()}, kinds)
                for part in (inside, rest)
            )
            aucs.append(auc(other, one, kinds))
            rows.append(len(inside))
            others.append(len(rest))
    if not aucs:
        return NO_WEEKS
    return {
        "weeks": len(aucs),
        "auc": rounded(np.mean(aucs)),
        "spread": rounded(np.std(aucs, ddof=1)) if len(aucs) > 1 else 0.0,
        "rows": int(np.median(rows)),
        "reference_rows": int(np.median(others)),
    }


def _spaced(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Return the normal score of each number's rank; a missing one has the mean, 0."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    present = ~np.isnan(values)
    scores = np.zeros(len(values))
    count = int(present.sum())
    if count:
        scores[present] = ndtri((rankdata(values[present]) - 0.5) / count)
    return scores


def _standard(inside: np.ndarray) -> np.ndarray:
    share = inside.mean()
    spread = np.sqrt(share * (1 - share))
    return (inside - share) / spread if spread else np.zeros(len(inside))


def _fit(reference: np.ndarray, window: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the direction in which two halves differ, of the pairs that differ significantly.

    Returns
    -------
    ndarray
        A weight for the product of each pair, shape (columns, columns).

    Notes
    -----
    A nearest-centroid classifier with hard thresholds: otherwise the noise of all pairs would hide
    a change of a few. The threshold is the universal one, sqrt(2 log pairs). The
    means of all products are one matrix product, and so are those of their squares.
    """
    (old, variance), (new, _) = (_moments(half, pairs) for half in (reference, window))
    shift = new - old
    variance = np.maximum(variance, 1e-9)
    far = np.abs(shift) / np.sqrt(variance * (1 / len(window) + 1 / len(reference)))
    kept = far >= min(np.sqrt(2 * np.log(max(len(shift), 2))), far.max())
    weights = np.zeros(pairs.shape)
    weights[pairs] = np.where(kept, shift / variance, 0.0)
    return weights


def _moments(half: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of the product of each pair, both of shape (pairs,)."""
    squares = half**2
    means = (half.T @ half / len(half))[pairs]
    return means, (squares.T @ squares / len(half))[pairs] - means**2


def _scores(half: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sum of all products of each row, shape (rows,)."""
    return np.asarray(((half @ weights) * half).sum(axis=1))


def _auc(reference: np.ndarray, window: np.ndarray) -> float:
    """Return the AUC of two normal distributions as far apart as these scores.

    Ranks would be biased: a value of a category has another number in each sample.
    """
    from scipy.special import ndtr

    spread = np.sqrt((reference.var() + window.var()) / 2)
    return float(ndtr((window.mean() - reference.mean()) / (np.sqrt(2) * max(spread, 1e-12))))
