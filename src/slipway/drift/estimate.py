"""How good is the model probably, where no label has come?

CBPE, confidence-based performance estimation: if a calibrated score of 0.3 still means that
three in ten are positive, the scores alone say how often the model is right. It sees what
another mix of rows does to the model. It cannot see that the same rows now end differently.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import stats
from slipway.drift.memory import EDGE, Calibration

if TYPE_CHECKING:
    from slipway.drift.arrived import Arrived

DRAWS = 200

METRICS = ("auc", "log_loss", "brier", "precision", "recall", "label_rate")

ASSUMES = (
    "Estimated from the scores alone, without labels. It holds if rows with the same score still "
    "end as they did on the holdout, and if the rows are ones that the holdout had the like "
    "of. It cannot see concept drift: when the same inputs lead to other labels, this "
    "estimate stays where it is while the model gets worse. Only labels show that."
)


def estimate(
    arrived: Arrived, calibration: Calibration, threshold: float, confidence: float
) -> dict[str, Any]:
    """Return the expected metrics of all predictions, and of each week.

    Parameters
    ----------
    calibration
        Learned on labelled rows that the model did not learn from.

    Returns
    -------
    dict
        `assumes` in words; `rows`; `metrics`, each with `value`, `low` and `high` (what chance and
        the calibration's own error leave open, if the assumption holds); `weeks`, the same
        by week with `first` and `rows`.
    """
    whole = (arrived.counts.sum(axis=0), arrived.sums.sum(axis=0))
    upper = _is_upper(arrived, threshold)
    weeks = [
        {"first": str(first), "rows": int(counts.sum())}
        | {"metrics": _metrics(counts, sums, upper, calibration, confidence)}
        for first, counts, sums in zip(arrived.weeks, arrived.counts, arrived.sums, strict=True)
    ]
    return {
        "assumes": ASSUMES,
        "rows": int(whole[0].sum()),
        "metrics": _metrics(*whole, upper, calibration, confidence),
        "weeks": weeks,
    }


def _is_upper(arrived: Arrived, threshold: float) -> np.ndarray:
    """Return which cells lie at or above the threshold, which is an edge between two."""
    return np.concatenate([[False], arrived.edges >= threshold])


def _metrics(
    counts: np.ndarray,
    sums: np.ndarray,
    upper: np.ndarray,
    calibration: Calibration,
    confidence: float,
) -> dict[str, dict[str, float]]:
    used = counts > 0
    rows, scores, upper = counts[used], sums[used] / counts[used], upper[used]
    share = calibration.apply(scores)
    values = _values(rows, scores, upper, share)
    spread = _variances(rows, scores, upper, share)
    drawn = _values(rows, scores, upper, calibration.drawn(scores, DRAWS))
    reach = stats.quantile(confidence)
    found = {}
    for name in METRICS:
        value = float(values[name])
        by = reach * sqrt(spread[name] + float(drawn[name].var()))
        found[name] = {"value": value, "low": max(0.0, value - by), "high": value + by}
        if name != "log_loss":
            found[name]["high"] = min(1.0, value + by)
    return found


def _values(
    rows: np.ndarray, scores: np.ndarray, upper: np.ndarray, share: np.ndarray
) -> dict[str, np.ndarray]:
    """Return each metric's expected value, of the shape of `share` without its last axis.

    Parameters
    ----------
    rows, scores, upper
        Of each cell: its rows, mean score, and whether it is called positive; shape (cells,),
        in the order of the scores.
    share
        The expected share of positives in each cell, shape (..., cells).
    """
    count, called = rows.sum(), rows[upper].sum()
    positives, negatives = rows * share, rows * (1 - share)
    of_one, of_zero = _losses(scores)
    all_positives = positives.sum(axis=-1)
    hits = positives[..., upper].sum(axis=-1)
    return {
        "auc": _auc(positives, negatives),
        "log_loss": (positives @ of_one + negatives @ of_zero) / count,
        "brier": (positives @ (1 - scores) ** 2 + negatives @ scores**2) / count,
        "precision": hits / max(called, 1),
        "recall": hits / np.where(all_positives > 0, all_positives, 1),
        "label_rate": all_positives / count,
    }


def _variances(
    rows: np.ndarray, scores: np.ndarray, upper: np.ndarray, share: np.ndarray
) -> dict[str, float]:
    """Return the variance that chance gives each metric; all arrays have shape (cells,)."""
    count, called = float(rows.sum()), float(rows[upper].sum())
    positives, negatives = rows * share, rows * (1 - share)
    chance = rows * share * (1 - share)
    of_one, of_zero = _losses(scores)
    all_positives = float(positives.sum())
    recall = float(positives[upper].sum()) / all_positives if all_positives else 0.0
    return {
        "auc": _auc_variance(positives, negatives),
        "log_loss": float(chance @ (of_one - of_zero) ** 2) / count**2,
        "brier": float(chance @ (1 - 2 * scores) ** 2) / count**2,
        "precision": float(chance[upper].sum()) / called**2 if called else 0.0,
        "recall": recall * (1 - recall) / all_positives if all_positives else 0.0,
        "label_rate": float(chance.sum()) / count**2,
    }


def _losses(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log loss of each score where the label is 1, and where it is 0."""
    inside = np.clip(scores, EDGE, 1 - EDGE)
    return -np.log(inside), -np.log1p(-inside)


def _auc(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Return the AUC of cells with so many of each class, shape (..., cells); 0.5 of one class."""
    all_positives, all_negatives = positives.sum(axis=-1), negatives.sum(axis=-1)
    both = np.minimum(all_positives, all_negatives) >= 1
    won = (positives * (np.cumsum(negatives, axis=-1) - negatives / 2)).sum(axis=-1)
    return np.where(both, won / np.where(both, all_positives * all_negatives, 1), 0.5)


def _auc_variance(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Return DeLong's variance of that AUC, shape (cells,)."""
    all_positives, all_negatives = positives.sum(), negatives.sum()
    if min(all_positives, all_negatives) < 1:
        return 0.25
    auc = float(_auc(positives, negatives))
    beats = (np.cumsum(negatives) - negatives / 2) / all_negatives
    beaten_by = 1 - (np.cumsum(positives) - positives / 2) / all_positives
    of_positives = (positives * (beats - auc) ** 2).sum() / all_positives**2
    of_negatives = (negatives * (beaten_by - auc) ** 2).sum() / all_negatives**2
    return float(of_positives + of_negatives)
