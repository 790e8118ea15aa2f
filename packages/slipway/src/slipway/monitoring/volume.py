"""The number of predictions of each day, compared with earlier days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DAYS = 7

# Earlier days of the same weekday, or else of any, that are needed to judge a day.
FEWEST_WEEKDAYS, FEWEST_DAYS = 3, 7

# Earlier days that a day is compared with.
MEMORY = 56

# Weight of the manifest's spread of the training data, in days of the log.
PRIOR_DAYS = 28


@dataclass(frozen=True)
class DailyVolume:
    """The rows of each day compared with earlier days; arrays of shape (days,).

    `usual` is the median of comparable earlier days, NaN while there are too few. `ratio` is the
    distance from it over its limit: above 1 chance does not explain it. A day is a `hit` if its
    ratio is above 1 and the factor large enough for an alarm.
    """

    usual: np.ndarray
    ratio: np.ndarray
    hit: np.ndarray


def compare_days(rows: np.ndarray, spread: float, factor: float, alpha: float) -> DailyVolume:
    """Compare each day's rows with the days before it.

    Parameters
    ----------
    rows
        Shape (days,); 0 for a day without traffic.
    spread
        Standard deviation of the logarithm of a day's rows in the reference history.
    factor
        Smallest factor, up or down, that raises an alarm.

    Notes
    -----
    The level is estimated from the log: the training data may be a part of the traffic, or more.
    Days that alarmed are left out, until the new level has lasted for `MEMORY` days.
    """
    from scipy.stats import t

    logs = np.log(rows + 0.5)
    usual, ratio = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    hit, residual = np.zeros(len(rows), dtype=bool), np.full(len(rows), np.nan)
    for day in range(len(rows)):
        comparable, weekdays = _comparable(logs, hit, day)
        if not len(comparable):
            continue
        level, count = float(np.median(comparable)), len(comparable)
        past = residual[max(0, day - MEMORY) : day]
        past = past[~np.isnan(past) & ~hit[max(0, day - MEMORY) : day]]
        # While weekdays are not compared separately, their differences are part of the spread.
        sd, degrees = _spread(past if weekdays else comparable - level, spread, level)
        usual[day], residual[day] = np.exp(level) - 0.5, logs[day] - level
        # The error of the median: pi / 2 is its variance over that of a mean.
        limit = t.isf(alpha / 2, degrees) * sd * np.sqrt(1 + np.pi / 2 / count)
        ratio[day] = abs(residual[day]) / limit
        hit[day] = ratio[day] > 1 and abs(residual[day]) >= np.log(factor)
    return DailyVolume(usual, ratio, hit)


def _comparable(logs: np.ndarray, hit: np.ndarray, day: int) -> tuple[np.ndarray, bool]:
    """Return the logarithms of comparable earlier days, and whether they are of its weekday."""
    days = np.arange(max(0, day - MEMORY), day)
    weekday = days[(days - day) % DAYS == 0]
    for some, fewest in ((weekday, FEWEST_WEEKDAYS), (days, FEWEST_DAYS)):
        quiet = some[~hit[some]]
        chosen = quiet if len(quiet) >= fewest else some
        if len(chosen) >= fewest:
            return logs[chosen], some is weekday
    return np.empty(0), False


def _spread(past: np.ndarray, prior: float, level: float) -> tuple[float, float]:
    """Return the spread of a day's logarithm and its degrees of freedom."""
    counted = 1 / max(np.exp(level), 1.0)
    squares = PRIOR_DAYS * (prior**2 + counted) + float((past**2).sum())
    # With few days the manifest's spread is the better estimate, unless they exceed it by far.
    if len(past) and (past**2).mean() > 4 * (prior**2 + counted):
        return float(np.sqrt((past**2).mean() * np.pi / 2)), float(len(past))
    degrees = PRIOR_DAYS + len(past)
    return float(np.sqrt(squares / degrees)), float(degrees)
