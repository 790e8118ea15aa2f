"""The log's own quiet weeks, added to what the manifest knows of restlessness.

What is learned is how much weeks, and the days in them, differ from *each other*, never how far
they are from the reference: traffic that has moved by a little, and stays there, teaches nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from slipway.drift.reference import Wobble
from slipway.past import DAYS

# Weeks that are compared: neighbours may share what moves them.
APART = 2

# A pair of weeks counts when so many days after it were quiet too: else a shift that is about to
# be found would teach the check to expect it.
SETTLED = 28


def learn(
    counts: np.ndarray, shares: np.ndarray, wobble: Wobble, hits: np.ndarray, min_rows: int
) -> Wobble:
    """Return what was known of restlessness on each day.

    Parameters
    ----------
    counts
        Shape (series, days, cells).
    shares
        Expected of each day, shape (days, cells).
    hits
        What alarms by the manifest alone, shape (series, days, spans).

    Returns
    -------
    Wobble
        With arrays of shape (series, days).
    """
    days = counts.shape[1]
    weeks = days // DAYS
    ends = np.arange((APART + 1) * DAYS - 1, weeks * DAYS, DAYS)
    ends = ends[ends + SETTLED < days]
    if not len(ends):
        return wobble
    by_week = counts[:, : weeks * DAYS].reshape(len(counts), weeks, DAYS, -1)
    expected = shares[: weeks * DAYS : DAYS][None, :, None]
    n = by_week.sum(axis=(2, 3))
    enough = n >= min_rows
    between, between_seen = (
        part / (1 - wobble.alike**APART) for part in _between(by_week, expected, n)
    )
    within, within_seen, whole = _within(by_week, expected)
    pairs = len(ends)
    alarmed = np.pad(np.cumsum(hits.any(axis=-1), axis=1), ((0, 0), (1, 0)))
    quiet = alarmed[:, ends + SETTLED + 1] == alarmed[:, ends + 1 - (APART + 1) * DAYS]
    quiet &= (enough[:, APART:] & enough[:, :-APART] & whole)[:, :pairs]
    first = SETTLED + (APART + 1) * DAYS - 1
    known = np.clip((np.arange(days) - first) // DAYS + 1, 0, pairs)
    count = np.pad(np.cumsum(quiet, axis=1), ((0, 0), (1, 0)))[:, known]
    total = np.maximum(wobble.weeks + count, 1e-9)

    def pooled(values: np.ndarray, prior: float) -> np.ndarray:
        sums = np.cumsum(np.where(quiet, values[:, :pairs], 0.0), axis=1)
        sums = np.pad(sums, ((0, 0), (1, 0)))[:, known]
        return np.maximum((wobble.weeks * prior + sums) / total, 0.0)

    return replace(
        wobble,
        weeks=total,
        week=pooled(between, wobble.week),
        week_seen=pooled(between_seen, wobble.week_seen),
        day=pooled(between + within, wobble.day),
        day_seen=pooled(between + within_seen, wobble.day_seen),
    )


def _between(
    by_week: np.ndarray, expected: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return half the distance of each week from one before, without and with chance."""
    rows = np.maximum(n, 1.0)
    shares = by_week.sum(axis=2) / rows[..., None]
    scale = np.where(expected > 0, expected, np.inf)[:, APART:, 0]
    seen = ((shares[:, APART:] - shares[:, :-APART]) ** 2 / scale).sum(axis=-1) / 2
    free = np.maximum((expected[:, APART:, 0] > 0).sum(axis=-1) - 1, 0)
    return seen - free * (1 / rows[:, APART:] + 1 / rows[:, :-APART]) / 2, seen


def _within(by_week: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how far days are from their week, without and with chance, and whether all are there.

    For each week but the first `APART`.
    """
    part = by_week[:, APART:]
    rows = np.maximum(part.sum(axis=-1), 1.0)
    shares = part / rows[..., None]
    scale = np.where(expected > 0, expected, np.inf)[:, APART:]
    gaps = shares - shares.mean(axis=2, keepdims=True)
    seen = (gaps**2 / scale).sum(axis=(2, 3)) / (DAYS - 1)
    free = np.maximum((expected[:, APART:, 0] > 0).sum(axis=-1) - 1, 0)
    return seen - free * (1 / rows).mean(axis=-1), seen, (part.sum(axis=-1) > 0).all(axis=-1)
