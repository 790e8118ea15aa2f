"""Differences of two models on days that depend on each other, looked at after each day.

A series is the sum of the difference over the rows of each day, of an equal challenger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from slipway.metrics import sequential
from slipway.metrics.inference import t_quantile

DAYS = 90
LEVEL = 0.95

# Standard errors within which a difference is found in one look at 30 days, with 80 % power.
ONE_LOOK = 1.960 + 0.842


@dataclass(frozen=True)
class Series:
    """The sums and the numbers of rows of days, each of shape (runs, days).

    Attributes
    ----------
    deviation
        Standard deviation of the mean over many days, times the root of their number.
    """

    sums: np.ndarray
    rows: np.ndarray
    deviation: float

    @property
    def detectable(self) -> float:
        """The difference that one look at 30 days finds with a power of 80 %."""
        return ONE_LOOK * self.deviation / np.sqrt(30)

    def plus(self, difference: float) -> Series:
        """Return the series of a challenger that is better by a difference of the mean."""
        return Series(self.sums + difference * self.rows, self.rows, self.deviation)


def normal_days(runs: int, random: np.random.Generator, correlation: float = 0.0) -> Series:
    """Return days of one row; neighbouring days have this correlation."""
    sums = random.standard_normal((runs, DAYS))
    for day in range(1, DAYS):
        sums[:, day] *= np.sqrt(1 - correlation**2)
        sums[:, day] += correlation * sums[:, day - 1]
    return Series(sums, np.ones(sums.shape), np.sqrt((1 + correlation) / (1 - correlation)))


def heavy_tailed_days(runs: int, random: np.random.Generator) -> Series:
    """Return days with Student's t of 3 degrees of freedom."""
    return Series(random.standard_t(3, (runs, DAYS)), np.ones((runs, DAYS)), np.sqrt(3))


def skewed_days(runs: int, random: np.random.Generator) -> Series:
    """Return days with an exponential distribution."""
    return Series(random.exponential(1, (runs, DAYS)) - 1, np.ones((runs, DAYS)), 1.0)


def very_skewed_days(runs: int, random: np.random.Generator, sigma: float = 1.2) -> Series:
    """Return days with a log-normal distribution."""
    mean, variance = np.exp(sigma**2 / 2), (np.exp(sigma**2) - 1) * np.exp(sigma**2)
    sums = random.lognormal(0, sigma, (runs, DAYS)) - mean
    return Series(sums, np.ones(sums.shape), float(np.sqrt(variance)))


def clustered_rows(runs: int, random: np.random.Generator, correlation: float = 0.3) -> Series:
    """Return days of 20 to 200 rows; rows of a day have this correlation."""
    rows = random.integers(20, 201, (runs, DAYS)).astype("float64")
    days = np.sqrt(correlation) * random.standard_normal(rows.shape)
    alone = np.sqrt((1 - correlation) / rows) * random.standard_normal(rows.shape)
    sums = rows * (days + alone)
    return Series(sums, rows, float(sums.std() / rows.mean()))


def sequence(sums: np.ndarray) -> np.ndarray:
    """Return half the width of the confidence sequence's interval, shape (runs,)."""
    return sequential.reach(sums.shape[1], LEVEL) * sequential.standard_errors(sums)


def one_look(sums: np.ndarray) -> np.ndarray:
    """Return half the width of Student's interval for independent days."""
    days = sums.shape[1]
    errors = np.sqrt(np.square(sums).sum(1) * days / (days - 1))
    return np.asarray(t_quantile(LEVEL, days - 1) * errors)


def signs(series: Series, half_width: Callable[[np.ndarray], np.ndarray] = sequence) -> np.ndarray:
    """Return 1 for better, -1 for worse, 0 for undecided at the look after each day."""
    found = np.zeros(series.sums.shape, dtype="int8")
    for days in range(sequential.FEWEST, series.sums.shape[1] + 1):
        sums, rows = series.sums[:, :days], series.rows[:, :days]
        total = rows.sum(1, keepdims=True)
        mean = sums.sum(1, keepdims=True) / total
        is_beyond = np.abs(mean[:, 0]) > half_width((sums - rows * mean) / total)
        found[:, days - 1] = np.sign(mean[:, 0]) * is_beyond
    return found
