"""Estimated performance of predictions without labels, from their scores alone.

CBPE, confidence-based performance estimation: if of rows with a calibrated score of 0.3 three in
ten are positive, the scores determine the expected metrics. The estimate follows a change of the
inputs. It cannot detect concept drift.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from slipway.metrics import stats
from slipway.metrics.registry import METRICS
from slipway.monitoring.holdout_calibration import EDGE, HoldoutCalibration
from slipway.monitoring.report import EstimateWeek, Interval

if TYPE_CHECKING:
    from slipway.monitoring.labelled import WeeklyPredictions

DRAWS = 200

DAYS_OF_A_WEEK = 7

# Of the log odds, for a derivative.
STEP = 0.01

ASSUMES = (
    "Estimated from the scores alone, without labels. The estimate assumes that the calibration "
    "measured on the holdout still holds, for rows like those of the holdout. It cannot detect "
    "concept drift: when the same inputs lead to other labels, the estimate does not change while "
    "performance degrades. Only labels show that."
)


def estimate(
    predictions: WeeklyPredictions, holdout: HoldoutCalibration, threshold: float, confidence: float
) -> tuple[dict[str, Interval], list[EstimateWeek]]:
    """Return the expected metrics of all predictions, and of each week.

    The intervals cover chance, the variation of days and the error of the calibration.

    Parameters
    ----------
    holdout
        Labelled rows that the model was not trained on.
    """
    counts, sums = predictions.counts, predictions.sums
    upper, days = _is_upper(predictions, threshold), _days(predictions)

    def metrics(rows: np.ndarray, scores: np.ndarray, number: int) -> dict[str, Interval]:
        return _metrics(rows, scores, upper, holdout, number, confidence)

    weeks = [
        EstimateWeek(
            first=str(predictions.weeks[week]),
            rows=int(counts[week].sum()),
            metrics=metrics(counts[week], sums[week], days[week]),
        )
        for week in range(len(predictions.weeks))
    ]
    return metrics(counts.sum(axis=0), sums.sum(axis=0), sum(days)), weeks


def _days(predictions: WeeklyPredictions) -> list[int]:
    """Return the number of days of each week: of the last one, those up to the newest event."""
    passed = (predictions.last - predictions.weeks).astype("timedelta64[D]").astype(int) + 1
    return [min(max(days, 1), DAYS_OF_A_WEEK) for days in passed.tolist()]


def _is_upper(predictions: WeeklyPredictions, threshold: float) -> np.ndarray:
    """Return the cells at or above the threshold, which is one of their edges."""
    return np.concatenate([[False], predictions.edges >= threshold])


def _metrics(
    counts: np.ndarray,
    sums: np.ndarray,
    upper: np.ndarray,
    holdout: HoldoutCalibration,
    days: int,
    confidence: float,
) -> dict[str, Interval]:
    used = counts > 0
    rows, scores, upper = counts[used], sums[used] / counts[used], upper[used]
    share = holdout.calibration.apply(scores)
    values = _values(rows, scores, upper, share)
    spread = _variances(rows, scores, upper, share)
    of_days = _variances_of_days(rows, scores, upper, share, holdout)
    drawn = _values(rows, scores, upper, holdout.calibration.drawn(scores, DRAWS))
    reach = stats.quantile(confidence)
    metrics = {}
    for name, expected in values.items():
        value = float(expected)
        variance = spread[name] + of_days[name] / days + float(drawn[name].var())
        by = reach * sqrt(variance)
        largest = METRICS[name].largest if name in METRICS else 1.0
        low, high = max(0.0, value - by), min(largest, value + by)
        metrics[name] = Interval(value=value, low=low, high=high)
    return metrics


def _values(
    rows: np.ndarray, scores: np.ndarray, upper: np.ndarray, share: np.ndarray
) -> dict[str, np.ndarray]:
    """Return each metric's expected value, of the shape of `share` without its last axis.

    Parameters
    ----------
    rows, scores, upper
        Of each cell: its rows, mean score, and whether its decision is positive; shape (cells,),
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
    """Return the variance of each metric by chance; all arrays have shape (cells,)."""
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


def _variances_of_days(
    rows: np.ndarray,
    scores: np.ndarray,
    upper: np.ndarray,
    share: np.ndarray,
    holdout: HoldoutCalibration,
) -> dict[str, float]:
    """Return the variance of each metric by the variation of days, for one day.

    Notes
    -----
    A day moves the log odds of all its rows; a metric follows by its derivative. The ranking within
    a day does not change by that, so that of the AUC is the variation of the holdout's days.
    """
    inside = np.clip(share, EDGE, 1 - EDGE)
    odds = np.log(inside) - np.log1p(-inside)
    moved = 1 / (1 + np.exp(-np.stack([odds - STEP, odds + STEP])))
    values = _values(rows, scores, upper, moved)
    found = {
        name: holdout.odds_of_a_day * float((value[1] - value[0]) / (2 * STEP)) ** 2
        for name, value in values.items()
    }
    return found | {"auc": found["auc"] + holdout.day_effects["auc"].long_run}


def _losses(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log loss of each score where the label is 1, and where it is 0."""
    inside = np.clip(scores, EDGE, 1 - EDGE)
    return -np.log(inside), -np.log1p(-inside)


def _auc(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Return the AUC of counts of each class, shape (..., cells); 0.5 if a class is missing."""
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
