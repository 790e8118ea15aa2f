"""Years of simulated traffic as daily counts: no rows, no log, and so fast.

A world has series, each with cells and their shares, a reference history (nine months, the last of
them the holdout) and a future. Weeks, and days within them, may push the shares: that is
overdispersion, not drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipway.monitoring.detect import Detection, Rule, detect
from slipway.reference.history import Overdispersion, overdispersion_of

DAY = np.timedelta64(1, "D")

PAST = np.arange(np.datetime64("2023-04-01"), np.datetime64("2024-01-01"))

# The holdout is the last month of the past.
HOLDOUT = 31


@dataclass(frozen=True)
class Variation:
    """How much weeks and days push a series, in standard deviations of its score.

    Parameters
    ----------
    week, day
        Spread of the push of a week, shared by its days, and of a day's own.
    autocorrelation
        Of consecutive weeks.
    tails
        Degrees of freedom of the pushes; infinite: normal.
    """

    week: float = 0.0
    day: float = 0.0
    autocorrelation: float = 0.0
    tails: float = np.inf


@dataclass(frozen=True)
class Kind:
    """A series: shares of its cells (the last for missing values), and what a push does to them."""

    shares: np.ndarray
    score: np.ndarray

    def pushed(self, by: np.ndarray) -> np.ndarray:
        """Return the shares on days that are pushed, shape (days, cells)."""
        heavy = self.shares * np.exp(by[:, None] * self.score)
        return heavy / heavy.sum(axis=1, keepdims=True)


def number(missing: float = 0.0) -> Kind:
    """A number in twenty bins of its quantiles; a push of 1 moves its mean by one sd."""
    middle = (np.arange(20) + 0.5) / 20
    from scipy.special import ndtri

    shares = np.append(np.full(20, (1 - missing) / 20), missing)
    return Kind(shares, np.append(ndtri(middle), 0.0))


def category(values: int) -> Kind:
    """A category with Zipf's shares, and room for values never seen before."""
    shares = 1 / np.arange(1, values + 1)
    score = np.where(np.arange(values) % 2, 1.0, -1.0)
    return Kind(np.append(shares / shares.sum(), [0.0, 0.0]), np.append(score, [0.0, 0.0]))


# Like the columns of a real model: most are numbers, some have many values.
SERIES = [number(), number(0.1), number(), number(0.02), number(), number(), number()]
SERIES += [category(values) for values in (2, 3, 5, 12, 40)]


@dataclass(frozen=True)
class World:
    """One series' reference history as a manifest has it, and the means to draw its future."""

    kind: Kind
    rows: int
    variation: Variation
    holdout: np.ndarray
    overdispersion: Overdispersion

    @classmethod
    def draw(
        cls, rng: np.random.Generator, kind: Kind, rows: int, variation: Variation | None = None
    ) -> World:
        variation = variation or Variation()
        counts = draw_counts(rng, kind, rows, pushes(rng, variation, len(PAST)))
        holdout = counts[-HOLDOUT:].sum(axis=0)
        return cls(kind, rows, variation, holdout, overdispersion_of(counts, PAST))

    def future(self, rng: np.random.Generator, days: int) -> np.ndarray:
        """Return the counts of days to come, shape (days, cells)."""
        return draw_counts(rng, self.kind, self.rows, pushes(rng, self.variation, days))

    def detect(self, counts: np.ndarray, rule: Rule) -> Detection:
        """Monitor series of days, shape (series, days, cells)."""
        days = counts.shape[-2]
        total = self.holdout.sum()
        expected = (
            np.tile(self.holdout / total, (days, 1)),
            np.full(days, float(total)),
            np.full(days, HOLDOUT / 7),
        )
        return detect(counts, expected, self.overdispersion, rule)


def pushes(rng: np.random.Generator, variation: Variation, days: int) -> np.ndarray:
    """Return how far each day is pushed, shape (days,)."""
    weeks = days // 7 + 2
    shared = _noise(rng, variation, weeks)
    correlation = variation.autocorrelation
    for week in range(1, weeks):
        shared[week] = correlation * shared[week - 1] + np.sqrt(1 - correlation**2) * shared[week]
    own = _noise(rng, variation, days)
    start = int(rng.integers(7))
    return variation.week * np.repeat(shared, 7)[start : start + days] + variation.day * own


def draw_counts(
    rng: np.random.Generator, kind: Kind, rows: int, by: np.ndarray | Sequence[float]
) -> np.ndarray:
    """Return the counts of days that are pushed, shape (days, cells)."""
    return rng.multinomial(rows, kind.pushed(np.asarray(by))).astype("float64")


def count_alarms(hits: np.ndarray) -> int:
    """Return how many alarms the days over a limit make, shape (days,)."""
    from slipway.monitoring.alarms import episodes

    return len(episodes(hits))


def _noise(rng: np.random.Generator, variation: Variation, count: int) -> np.ndarray:
    if np.isinf(variation.tails):
        return rng.standard_normal(count)
    return rng.standard_t(variation.tails, count) * np.sqrt(1 - 2 / variation.tails)
