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
    values, spread = _expected(rows, scores, upper, calibration.apply(scores))
    drawn = np.array(
        [
            list(_expected(rows, scores, upper, _apply(weights, calibration, scores))[0].values())
            for weights in _draws(calibration)
        ]
    )
    reach = stats.quantile(confidence)
    errors = drawn.std(axis=0) if len(drawn) else np.zeros(len(values))
    found = {}
    for (name, value), error in zip(values.items(), errors.tolist(), strict=True):
        by = reach * sqrt(spread[name] + error**2)
        found[name] = {"value": value, "low": max(0.0, value - by), "high": value + by}
        if name != "log_loss":
            found[name]["high"] = min(1.0, value + by)
    return found


def _expected(
    rows: np.ndarray, scores: np.ndarray, upper: np.ndarray, share: np.ndarray
) -> tuple[dict[str, float], dict[str, float]]:
    """Return each metric's expected value, and the variance that chance gives it.

    Parameters
    ----------
    rows, scores, upper, share
        Of each cell: its rows, mean score, whether it is called positive, and the expected
        share of positives; shape (cells,), in the order of the scores.
    """
    count = float(rows.sum())
    positives, negatives = rows * share, rows * (1 - share)
    chance = rows * share * (1 - share)
    inside = np.clip(scores, EDGE, 1 - EDGE)
    of_one, of_zero = -np.log(inside), -np.log1p(-inside)
    called, all_positives = float(rows[upper].sum()), float(positives.sum())
    hits, hit_chance = float(positives[upper].sum()), float(chance[upper].sum())
    precision = hits / called if called else 0.0
    recall = hits / all_positives if all_positives else 0.0
    auc, auc_variance = _ranking(positives, negatives)
    values = {
        "auc": auc,
        "log_loss": float((positives * of_one + negatives * of_zero).sum()) / count,
        "brier": float((positives * (1 - scores) ** 2 + negatives * scores**2).sum()) / count,
        "precision": precision,
        "recall": recall,
        "label_rate": all_positives / count,
    }
    variances = {
        "auc": auc_variance,
        "log_loss": float((chance * (of_one - of_zero) ** 2).sum()) / count**2,
        "brier": float((chance * (1 - 2 * scores) ** 2).sum()) / count**2,
        "precision": hit_chance / called**2 if called else 0.0,
        "recall": recall * (1 - recall) / all_positives if all_positives else 0.0,
        "label_rate": float(chance.sum()) / count**2,
    }
    return values, variances


def _ranking(positives: np.ndarray, negatives: np.ndarray) -> tuple[float, float]:
    """Return the AUC of cells with so many of each class, and DeLong's variance of it."""
    all_positives, all_negatives = positives.sum(), negatives.sum()
    if min(all_positives, all_negatives) < 1:
        return 0.5, 0.25
    beats = (np.cumsum(negatives) - negatives / 2) / all_negatives
    beaten_by = 1 - (np.cumsum(positives) - positives / 2) / all_positives
    auc = float((positives * beats).sum() / all_positives)
    of_positives = (positives * (beats - auc) ** 2).sum() / all_positives**2
    of_negatives = (negatives * (beaten_by - auc) ** 2).sum() / all_negatives**2
    return auc, float(of_positives + of_negatives)


def _draws(calibration: Calibration) -> np.ndarray:
    """Return weights as other holdouts of the same size would have given them."""
    if not calibration.covariance.any():
        return np.empty((0, 3))
    draw = np.random.default_rng(0)
    return draw.multivariate_normal(calibration.weights, calibration.covariance, DRAWS)


def _apply(weights: np.ndarray, calibration: Calibration, scores: np.ndarray) -> np.ndarray:
    return Calibration(weights, calibration.covariance).apply(scores)
