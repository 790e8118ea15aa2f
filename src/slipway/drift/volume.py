"""How many predictions a day had, against what such a day usually has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DAYS = 7

# Such weekdays, or else days, that must be known before a day can be called unusual.
FEWEST_WEEKDAYS, FEWEST_DAYS = 3, 7

# What is usual is learned from so many days before.
MEMORY = 56

# The manifest's spread of the training data counts like so many days of the log.
PRIOR_DAYS = 28


@dataclass(frozen=True)
class Volume:
    """What is known of each day's rows; arrays of shape (days,).

    Parameters
    ----------
    usual
        Median of earlier days like it; NaN while too few are known.
    ratio
        Distance from it over its limit: above 1 luck does not explain it. NaN if not known.
    hit
        The ratio is above 1, and the factor is one that matters.
    """

    usual: np.ndarray
    ratio: np.ndarray
    hit: np.ndarray


def watch_volume(rows: np.ndarray, spread: float, factor: float, alpha: float) -> Volume:
    """Compare each day's rows with the days before it.

    Parameters
    ----------
    rows
        Shape (days,), a day without traffic being 0.
    spread
        Standard deviation of the logarithm of a day's rows in the past that the manifest knows.
    factor
        So many times more, or fewer, matters.

    Notes
    -----
    The level can only be learned from the log: the training data may be a part of the traffic, or
    more. Days that alarmed teach nothing, until the new level has lasted for `MEMORY` days.
    """
    from scipy.stats import t

    logs = np.log(rows + 0.5)
    usual, ratio = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    hit, residual = np.zeros(len(rows), dtype=bool), np.full(len(rows), np.nan)
    for day in range(len(rows)):
        alike, weekdays = _alike(logs, hit, day)
        if not len(alike):
            continue
        known, count = float(np.median(alike)), len(alike)
        past = residual[max(0, day - MEMORY) : day]
        past = past[~np.isnan(past) & ~hit[max(0, day - MEMORY) : day]]
        # Before weekdays can be told apart, how they differ is a part of what is usual.
        sd, degrees = _spread(past if weekdays else alike - known, spread, known)
        usual[day], residual[day] = np.exp(known) - 0.5, logs[day] - known
        # A median of few days is itself off; pi / 2 is its variance over that of a mean.
        limit = t.isf(alpha / 2, degrees) * sd * np.sqrt(1 + np.pi / 2 / count)
        ratio[day] = abs(residual[day]) / limit
        hit[day] = ratio[day] > 1 and abs(residual[day]) >= np.log(factor)
    return Volume(usual, ratio, hit)


def _alike(logs: np.ndarray, hit: np.ndarray, day: int) -> tuple[np.ndarray, bool]:
    """Return the logarithms of earlier days like this one, and whether they are its weekday."""
    days = np.arange(max(0, day - MEMORY), day)
    weekday = days[(days - day) % DAYS == 0]
    for some, fewest in ((weekday, FEWEST_WEEKDAYS), (days, FEWEST_DAYS)):
        calm = some[~hit[some]]
        chosen = calm if len(calm) >= fewest else some
        if len(chosen) >= fewest:
            return logs[chosen], some is weekday
    return np.empty(0), False


def _spread(past: np.ndarray, prior: float, level: float) -> tuple[float, float]:
    """Return the spread of a day's logarithm and its degrees of freedom."""
    counted = 1 / max(np.exp(level), 1.0)
    squares = PRIOR_DAYS * (prior**2 + counted) + float((past**2).sum())
    # Of few days the manifest knows more than they do; but what they show, they show.
    if len(past) and (past**2).mean() > 4 * (prior**2 + counted):
        return float(np.sqrt((past**2).mean() * np.pi / 2)), float(len(past))
    degrees = PRIOR_DAYS + len(past)
    return float(np.sqrt(squares / degrees)), float(degrees)
