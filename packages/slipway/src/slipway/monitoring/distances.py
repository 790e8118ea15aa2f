"""The distance of counts from a reference, and the part of it that chance explains.

All functions work on the last axis: a day, a year or a thousand simulated years.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Cells with a smaller expected count in the smaller sample are merged: the first limit is for a
# reference much larger than the window, the second for one that is not. Simulated with up to 100
# cells and 2,000 to 27,000 against 300 to 70,000 rows, the tail at 0.001 is then right.
FEWEST_EXPECTED = (5, 20)

# Shares are compared with those of both samples pooled, in which the window has at most a tenth of
# the reference's weight: with more, a window unlike the reference would be its own standard.
MOST_WEIGHT = 0.1

# Usual limits for the size of a PSI; the limit of "drift" is a setting.
MODERATE, LARGE = 0.1, 0.25


@dataclass(frozen=True)
class Distance:
    """The distances of windows from the reference; all arrays of shape (...).

    Parameters
    ----------
    distance
        The two-sample chi-square statistic over (1/n + 1/m)^-1: a sum of squared differences of
        shares over shares. Comparable between windows of unequal size.
    chance
        1/n + 1/m: the expected distance by chance for each degree of freedom.
    freedom
        Degrees of freedom: cells less one.
    psi
        Population stability index in nats, less its expectation by chance; at least 0.
    """

    distance: np.ndarray
    chance: np.ndarray
    freedom: np.ndarray
    psi: np.ndarray


def measure(counts: np.ndarray, shares: np.ndarray, rows: np.ndarray) -> Distance:
    """Compare counts with the shares of a reference.

    Parameters
    ----------
    counts
        Of the cells of each window, shape (..., cells). A window without rows is at distance 0.
    shares
        Of the reference, shape (..., cells) or (cells,).
    rows
        Of the reference, shape (...) or a number.

    Notes
    -----
    The reference is a sample like the log, so the two-sample test is used. Cells too rare to be
    tested are merged, chosen by the rows of both samples, which does not depend on how they
    differ. Two samples of one distribution have a PSI of (cells - 1)(1/n + 1/m) on average, which
    is subtracted; half a row is added to each cell, so that empty cells have a logarithm.
    """
    n = counts.sum(axis=-1, keepdims=True)
    present = n > 0
    n = np.where(present, n, 1.0)
    m = np.asarray(rows, dtype="float64")[..., None]
    now, weight = counts / n, np.minimum(n, MOST_WEIGHT * m)
    pooled = (now * weight + shares * m) / (weight + m)
    fewest, more = FEWEST_EXPECTED
    common = pooled * np.minimum(n, m) >= fewest + (more - fewest) * np.minimum(n / m, 1.0)
    rest = [
        np.where(common, 0.0, part).sum(axis=-1, keepdims=True) for part in (now, shares, pooled)
    ]
    now, before, pooled = (
        np.concatenate([np.where(common, part, 0.0), extra], axis=-1)
        for part, extra in zip((now, np.broadcast_to(shares, now.shape), pooled), rest, strict=True)
    )
    used = pooled > 0
    safe = np.where(used, pooled, 1.0)
    distance = np.where(used, (now - before) ** 2 / safe, 0.0).sum(axis=-1)
    chance = (1 / n + 1 / m)[..., 0]
    freedom = np.maximum(used.sum(axis=-1) - 1, 0)
    raw = _psi(now * n, before * m, used)
    has_rows = present[..., 0]
    return Distance(
        distance=np.where(has_rows, distance, 0.0),
        chance=np.broadcast_to(chance, distance.shape),
        freedom=freedom,
        psi=np.where(has_rows, np.maximum(raw - freedom * chance, 0.0), 0.0),
    )


def psi(now: np.ndarray, before: np.ndarray) -> float:
    """Return the corrected population stability index of two rows of counts, shape (cells,)."""
    rows = before.sum()
    return float(measure(now, before / max(rows, 1), rows).psi)


def _psi(now: np.ndarray, before: np.ndarray, used: np.ndarray) -> np.ndarray:
    a, b = (np.where(used, part + 0.5, 0.0) for part in (now, before))
    a, b = (part / np.maximum(part.sum(axis=-1, keepdims=True), 0.5) for part in (a, b))
    ratio = np.where(used, a, 1.0) / np.where(used, b, 1.0)
    return ((a - b) * np.log(ratio)).sum(axis=-1)
