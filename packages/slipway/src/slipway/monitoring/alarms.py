"""Alarms: from the days above a limit to when a shift began, was noticed, and ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipway.monitoring.detect import QUIET_DAYS, SPANS, null
from slipway.monitoring.distances import measure
from slipway.reference.history import Overdispersion


@dataclass(frozen=True)
class Episode:
    """A run of days with an alarm: the positions of the first and the last day above the limit.

    It is over once `QUIET_DAYS` days have been below the limit.
    """

    at: int
    last: int
    over: bool


def episodes(hits: np.ndarray) -> list[Episode]:
    """Return the alarms of one series.

    Parameters
    ----------
    hits
        The days above a limit, shape (days,), bool.
    """
    alarms: list[Episode] = []
    for day in np.flatnonzero(hits).tolist():
        if alarms and day - alarms[-1].last <= QUIET_DAYS:
            alarms[-1] = Episode(alarms[-1].at, day, over=False)
        else:
            alarms.append(Episode(day, day, over=False))
    return [
        Episode(each.at, each.last, over=len(hits) - 1 - each.last >= QUIET_DAYS) for each in alarms
    ]


def onset(
    counts: np.ndarray,
    expected: tuple[np.ndarray, np.ndarray, np.ndarray],
    overdispersion: Overdispersion,
    at: int,
) -> int:
    """Return the day on which the shift that alarmed on day `at` most likely began.

    Of all windows that end on that day, the one that is furthest from the reference for its
    length: the maximum-likelihood estimate of the onset.

    Parameters
    ----------
    counts
        Of one series, shape (days, cells).
    """
    shares, rows, weeks = expected
    most = min(at + 1, max(SPANS))
    part = slice(at - most + 1, at + 1)
    n = counts[part].sum(axis=1)

    def backwards(values: np.ndarray) -> np.ndarray:
        return np.cumsum(values[part][::-1], axis=0)

    size = np.maximum(backwards(counts.sum(axis=1)), 1.0)
    window = backwards(counts)
    wanted = np.cumsum((n[:, None] * shares[part])[::-1], axis=0) / size[:, None]
    reference = size / np.maximum(np.cumsum((n / rows[part])[::-1]), 1e-12)
    covered = size / np.maximum(np.cumsum((n / weeks[part])[::-1]), 1e-12)
    measured = measure(window, wanted, reference)
    spans = np.arange(1, most + 1)
    usual = null(measured, covered, counts.shape[1], overdispersion, spans).mean
    excess = measured.distance / np.maximum(usual, 1e-12)
    return int(at - int(np.argmax(excess)))


def span_of(over: np.ndarray, strength: np.ndarray) -> int:
    """Return the position in `SPANS` of the strongest window; both arrays of shape (spans,)."""
    chosen = np.where(over, strength, -1.0) if over.any() else strength
    return int(np.nanargmax(np.where(np.isnan(chosen), -1.0, chosen)))
