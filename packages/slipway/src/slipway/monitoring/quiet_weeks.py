"""Overdispersion learned from the log's own quiet weeks, added to that of the manifest.

It is measured between weeks, and between the days of a week, never against the reference: traffic
that has shifted by a little, and stays there, adds nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from slipway.reference.history import DAYS, Overdispersion

# Distance of the weeks that are compared: consecutive weeks may be correlated.
APART = 2

# A pair of weeks counts if this many days after it were quiet too: otherwise a shift that is about
# to be found would count as overdispersion.
SETTLED = 28


def learn(
    counts: np.ndarray,
    shares: np.ndarray,
    overdispersion: Overdispersion,
    hits: np.ndarray,
    min_rows: int,
) -> Overdispersion:
    """Return the overdispersion known on each day, with arrays of shape (series, days).

    Parameters
    ----------
    counts
        Shape (series, days, cells).
    shares
        Expected on each day, shape (days, cells).
    hits
        Alarms with the overdispersion of the manifest alone, shape (series, days, spans).
    """
    days = counts.shape[1]
    weeks = days // DAYS
    ends = np.arange((APART + 1) * DAYS - 1, weeks * DAYS, DAYS)
    ends = ends[ends + SETTLED < days]
    if not len(ends):
        return overdispersion
    by_week = counts[:, : weeks * DAYS].reshape(len(counts), weeks, DAYS, -1)
    expected = shares[: weeks * DAYS : DAYS][None, :, None]
    n = by_week.sum(axis=(2, 3))
    enough = n >= min_rows
    between, between_observed = (
        part / (1 - overdispersion.autocorrelation**APART)
        for part in _between(by_week, expected, n)
    )
    within, within_observed, whole = _within(by_week, expected)
    pairs = len(ends)
    alarmed = np.pad(np.cumsum(hits.any(axis=-1), axis=1), ((0, 0), (1, 0)))
    quiet = alarmed[:, ends + SETTLED + 1] == alarmed[:, ends + 1 - (APART + 1) * DAYS]
    quiet &= (enough[:, APART:] & enough[:, :-APART] & whole)[:, :pairs]
    first = SETTLED + (APART + 1) * DAYS - 1
    known = np.clip((np.arange(days) - first) // DAYS + 1, 0, pairs)
    count = np.pad(np.cumsum(quiet, axis=1), ((0, 0), (1, 0)))[:, known]
    total = np.maximum(overdispersion.weeks + count, 1e-9)

    def pooled(values: np.ndarray, prior: float) -> np.ndarray:
        sums = np.cumsum(np.where(quiet, values[:, :pairs], 0.0), axis=1)
        sums = np.pad(sums, ((0, 0), (1, 0)))[:, known]
        return np.maximum((overdispersion.weeks * prior + sums) / total, 0.0)

    return replace(
        overdispersion,
        weeks=total,
        week=pooled(between, overdispersion.week),
        week_observed=pooled(between_observed, overdispersion.week_observed),
        day=pooled(between + within, overdispersion.day),
        day_observed=pooled(between + within_observed, overdispersion.day_observed),
    )


def _between(
    by_week: np.ndarray, expected: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return half the distance of each week from one before it, without and with chance."""
    rows = np.maximum(n, 1.0)
    shares = by_week.sum(axis=2) / rows[..., None]
    scale = np.where(expected > 0, expected, np.inf)[:, APART:, 0]
    observed = ((shares[:, APART:] - shares[:, :-APART]) ** 2 / scale).sum(axis=-1) / 2
    freedom = np.maximum((expected[:, APART:, 0] > 0).sum(axis=-1) - 1, 0)
    return observed - freedom * (1 / rows[:, APART:] + 1 / rows[:, :-APART]) / 2, observed


def _within(by_week: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distance of days from their week, without and with chance, and completeness.

    For each week after the first `APART`.
    """
    part = by_week[:, APART:]
    rows = np.maximum(part.sum(axis=-1), 1.0)
    shares = part / rows[..., None]
    scale = np.where(expected > 0, expected, np.inf)[:, APART:]
    gaps = shares - shares.mean(axis=2, keepdims=True)
    observed = (gaps**2 / scale).sum(axis=(2, 3)) / (DAYS - 1)
    freedom = np.maximum((expected[:, APART:, 0] > 0).sum(axis=-1) - 1, 0)
    return (
        observed - freedom * (1 / rows).mean(axis=-1),
        observed,
        (part.sum(axis=-1) > 0).all(axis=-1),
    )
