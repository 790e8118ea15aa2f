"""From days that are over a limit to alarms: since when, noticed when, over or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slipway.drift.detect import QUIET_DAYS, SPANS, null
from slipway.drift.effect import measure
from slipway.drift.reference import Wobble


@dataclass(frozen=True)
class Episode:
    """A run of days with an alarm, as positions.

    Parameters
    ----------
    at
        The first day over the limit.
    last
        The last one so far.
    over
        `QUIET_DAYS` days have been quiet since.
    """

    at: int
    last: int
    over: bool


def episodes(hits: np.ndarray) -> list[Episode]:
    """Return the alarms of one stream.

    Parameters
    ----------
    hits
        Which days are over a limit, shape (days,), bool.
    """
    found: list[Episode] = []
    for day in np.flatnonzero(hits).tolist():
        if found and day - found[-1].last <= QUIET_DAYS:
            found[-1] = Episode(found[-1].at, day, over=False)
        else:
            found.append(Episode(day, day, over=False))
    return [
        Episode(each.at, each.last, over=len(hits) - 1 - each.last >= QUIET_DAYS) for each in found
    ]


def since(
    counts: np.ndarray,
    expected: tuple[np.ndarray, np.ndarray, np.ndarray],
    wobble: Wobble,
    at: int,
) -> int:
    """Return the day on which what alarmed on day `at` most likely began.

    Of all windows that end on that day, the one that is furthest from the reference for its
    length: the maximum-likelihood estimate of where a shift starts.

    Parameters
    ----------
    counts
        Of one stream, shape (days, cells).
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
    found = measure(window, wanted, reference)
    spans = np.arange(1, most + 1)
    usual = null(found, covered, counts.shape[1], wobble, spans).mean
    excess = found.distance / np.maximum(usual, 1e-12)
    return int(at - int(np.argmax(excess)))


def span_of(over: np.ndarray, strength: np.ndarray) -> int:
    """Return the position in `SPANS` of the window that says most, both of shape (spans,)."""
    chosen = np.where(over, strength, -1.0) if over.any() else strength
    return int(np.nanargmax(np.where(np.isnan(chosen), -1.0, chosen)))
