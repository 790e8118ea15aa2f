"""Control over time: which windows are further from the reference than the past explains.

Every day looks at the windows of `SPANS` days that end with it. A span of one day is the rule for
what is abrupt; the longer ones together are a CUSUM in its generalised form (the
likelihood ratio is maximised over when a shift began, and over its size and direction; Lai,
1995), which adds up a small shift for as long as it lasts.

The distance of a window is, without drift, a sum of squares: of chance (the rows of the
window and of the reference) and of the wobble that the past had (in the window, and in the
reference, which is only some weeks of it). Its mean M is known up to what a few dozen past weeks
can tell, so its distribution is an F, shifted. Its first degrees count the directions of the wobble
and its second the weeks of evidence: with a short past they are few, and the limit is high.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from slipway.drift.effect import Distance, measure
from slipway.drift.learn import learn
from slipway.drift.reference import Wobble

SPANS = (1, 7, 14, 28, 56)
DAYS = 7

# An alarm is over after so many days without one.
QUIET_DAYS = 7

# Days without enough rows are taken together with at most so many before them.
MOST_TOGETHER = 28

# A column that this share of a day's rows lack is gone, if half of them had it on the worst day.
GONE, WORST = 0.99, 0.5


@dataclass(frozen=True)
class Rule:
    """When a window alarms.

    Parameters
    ----------
    alpha
        Chance that one window of one stream goes over its limit without drift.
    psi
        Smallest move worth an alarm, however sure it is.
    min_rows
        Smallest window; days with fewer rows are taken together.
    """

    alpha: float
    psi: float
    min_rows: int


@dataclass(frozen=True)
class Watched:
    """What the windows of each day say; arrays of shape (series, days, spans).

    Parameters
    ----------
    ratio
        Distance over its limit: above 1 the past does not explain it. NaN: no such window.
    psi
        How far the window is from the reference.
    hit
        The ratio is above 1 and the move is worth an alarm.
    """

    ratio: np.ndarray
    psi: np.ndarray
    hit: np.ndarray


def watch(
    counts: np.ndarray,
    expected: tuple[np.ndarray, np.ndarray, np.ndarray],
    wobble: Wobble,
    rule: Rule,
) -> Watched:
    """Look at every day of some series as if it were today.

    Parameters
    ----------
    counts
        Of each day's cells, shape (series, days, cells). Series share a reference's shape of
        wobble; a real log is one series, a simulation many.
    expected
        As `Stream.expect` returns it, or with a leading axis for the series.
    """
    single = _immediate(counts, expected, rule.min_rows)
    first = _limits(single, wobble, rule.alpha, spans=np.ones(1))
    gone = _gone(counts, wobble)
    abrupt = _hits(first, single, rule) | gone
    # Days that alarm at once are left out of what follows, so that they cannot echo for weeks.
    left_out = abrupt[..., 0]
    kept = np.where(left_out[..., None], 0.0, counts)
    windows = _windows(kept, expected, SPANS[1:], rule.min_rows)
    parts = _joined(single, windows)
    base = _limits(parts, wobble, rule.alpha, np.array(SPANS))
    learned = learn(kept, expected[0], wobble, _hits(base, parts, rule), rule.min_rows)
    ratio = _limits(parts, learned, rule.alpha, np.array(SPANS))
    hit = _hits(ratio, parts, rule)
    hit[..., :1] |= gone
    return Watched(ratio, parts.found.psi, hit)


@dataclass(frozen=True)
class _Windows:
    """Distances of windows and the weeks behind their reference; (series, days, spans)."""

    found: Distance
    weeks: np.ndarray
    cells: int
    usable: np.ndarray


def _windows(
    counts: np.ndarray,
    expected: tuple[np.ndarray, np.ndarray, np.ndarray],
    spans: tuple[int, ...],
    min_rows: int,
) -> _Windows:
    shares, rows, weeks = expected
    days = counts.shape[-2]
    starts = np.arange(days)[:, None] - np.array(spans) + 1
    return _between(
        counts, shares, rows, weeks, np.broadcast_to(starts, (len(counts), *starts.shape)), min_rows
    )


def _immediate(
    counts: np.ndarray, expected: tuple[np.ndarray, np.ndarray, np.ndarray], min_rows: int
) -> _Windows:
    """Take each day by itself, or with as many days before it as make `min_rows`."""
    shares, rows, weeks = expected
    days = counts.shape[-2]
    total = np.cumsum(counts.sum(axis=-1), axis=-1)
    starts = np.broadcast_to(np.arange(days), total.shape).copy()
    for series, short in enumerate((counts.sum(axis=-1) < min_rows).any(axis=-1)):
        if short:
            before = np.concatenate([[0.0], total[series]])
            starts[series] = np.searchsorted(before, total[series] - min_rows, side="right") - 1
    starts = np.where(starts < np.arange(days) - MOST_TOGETHER, -1, starts)
    if days > 1:
        # The service began, and the log may end, in the middle of a day.
        starts[:, 0] = -1
    return _between(counts, shares, rows, weeks, starts[..., None], min_rows)


def _between(
    counts: np.ndarray,
    shares: np.ndarray,
    rows: np.ndarray,
    weeks: np.ndarray,
    starts: np.ndarray,
    min_rows: int,
) -> _Windows:
    """Measure the windows from `starts`, shape (series, days, spans), to each day."""
    series, _, cells = counts.shape
    n = counts.sum(axis=-1)
    first = np.maximum(starts, 0)
    which = np.arange(series)[:, None, None]

    def over(values: np.ndarray) -> np.ndarray:
        ends = np.cumsum(values, axis=1)
        before = np.concatenate([np.zeros_like(ends[:, :1]), ends], axis=1)
        return ends[:, :, None] - before[which, first]

    window = over(counts)
    size = over(n)
    safe = np.maximum(size, 1.0)
    steady = shares.ndim == 2 and bool((shares == shares[:1]).all())
    wanted = (
        np.broadcast_to(shares[0], window.shape)
        if steady
        else over(n[..., None] * shares) / safe[..., None]
    )
    reference = safe / np.maximum(over(n / rows), 1e-12)
    covered = safe / np.maximum(over(n / weeks), 1e-12)
    usable = (starts >= 0) & (size >= min_rows)
    found = measure(window, wanted, np.where(size > 0, reference, 1.0))
    return _Windows(found, np.where(size > 0, covered, 1.0), cells, usable)


def _joined(single: _Windows, longer: _Windows) -> _Windows:
    def both(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate([np.broadcast_to(a, (*b.shape[:-1], 1)), b], axis=-1)

    x, y = single.found, longer.found
    found = Distance(
        both(x.distance, y.distance),
        both(x.chance, y.chance),
        both(x.free, y.free),
        both(x.psi, y.psi),
    )
    return _Windows(
        found,
        both(single.weeks, longer.weeks),
        single.cells,
        both(single.usable, longer.usable),
    )


def _limits(parts: _Windows, wobble: Wobble, alpha: float, spans: np.ndarray) -> np.ndarray:
    """Return distance over limit, shape (series, days, spans); NaN where there is no window."""
    found = parts.found
    calm = null(found, parts.weeks, parts.cells, wobble, spans)
    limit = calm.limit(alpha)
    return np.where(parts.usable, found.distance / np.maximum(limit, 1e-12), np.nan)


@dataclass(frozen=True)
class Null:
    """What a distance is without drift: `sure` + `scale` x F(numerator, denominator)."""

    sure: np.ndarray
    scale: np.ndarray
    numerator: np.ndarray
    denominator: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return self.sure + self.scale

    def limit(self, alpha: float) -> np.ndarray:
        return self.sure + self.scale * _quantile(alpha, self.numerator, self.denominator)

    def tail(self, distance: np.ndarray) -> np.ndarray:
        """Return the chance of a distance this large."""
        from scipy.stats import f

        return np.asarray(
            f.sf((distance - self.sure) / self.scale, self.numerator, self.denominator)
        )


def null(found: Distance, weeks: np.ndarray, cells: int, wobble: Wobble, spans: np.ndarray) -> Null:
    """Return the distribution of some distances without drift.

    Parameters
    ----------
    weeks
        That the reference of each window covers.
    cells
        Of the stream, as the past was measured on.
    spans
        Days of each window.

    Notes
    -----
    A weighted sum of squares: chance in every direction, the wobble on top of it in a few. The
    distribution is the shifted gamma with the same mean, variance and third moment (Pearson's
    approximation, Imhof 1961): with the first two alone the tail would be too thin.

    The wobble was learned from some weeks. What these vary by themselves is a factor, and has their
    degrees of freedom below. What chance hid of it in them is added: its size is known, however
    few rows they had, so that a log with many more rows is not measured by their chance.
    """
    day = spans < DAYS
    reference = wobble.spread(weeks)
    share = wobble.spread(np.maximum(spans / DAYS, 1.0))
    own = np.where(day, _wide(wobble.day), _wide(wobble.week) * share)
    own_seen = np.where(day, _wide(wobble.day_seen), _wide(wobble.week_seen) * share)
    tau = own + _wide(wobble.week) * reference
    seen = own_seen + _wide(wobble.week_seen) * reference
    few = np.where(day, wobble.day_free, wobble.week_free)
    rest = np.maximum(found.free - few, 0.0)
    noise = np.maximum(seen - tau, 0.0) / max(cells - 1, 1)
    weeks_past = _wide(wobble.weeks)
    hidden = 2 * (max(cells - 1, 1) * noise**2 + 2 * noise * tau) / np.maximum(weeks_past, 1e-9)
    push = found.chance + tau / few
    # Half the variance and an eighth of the third moment of a wobble that varies by `hidden`.
    squares = rest * found.chance**2 + few * push**2 + hidden * (1 / few + 1 / 2)
    cubes = rest * found.chance**3 + few * push**3 + push * hidden * (3 / few + 3 / 2)
    degrees = np.maximum(squares**3 / np.maximum(cubes**2, 1e-300), 0.01)
    scale = np.maximum(degrees * cubes / np.maximum(squares, 1e-300), 1e-12)
    sure = found.free * found.chance + tau - scale
    evidence = weeks_past * scale**2 / np.maximum(tau**2 / few, 1e-300)
    return Null(sure, scale, degrees, np.clip(evidence, 1.0, 1e6))


def _wide(value: np.ndarray | float) -> np.ndarray:
    """Give what is known of each day an axis for the spans."""
    known = np.asarray(value, dtype="float64")
    return known[..., None] if known.ndim else known


def _quantile(alpha: float, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the upper quantile of F; degrees are rounded down to two digits, so few differ."""
    pair = _rounded(np.stack(np.broadcast_arrays(numerator, denominator), axis=-1))
    known, at = np.unique(pair.reshape(-1, 2), axis=0, return_inverse=True)
    values = [_f_quantile(alpha, *degrees) for degrees in known.tolist()]
    return np.array(values)[at].reshape(pair.shape[:-1])


@lru_cache(100_000)
def _f_quantile(alpha: float, numerator: float, denominator: float) -> float:
    from scipy.special import fdtri

    return float(fdtri(numerator, denominator, 1 - alpha))


def _rounded(values: np.ndarray) -> np.ndarray:
    step = 10.0 ** (np.floor(np.log10(values)) - 1)
    return np.floor(values / step + 1e-9) * step


def _hits(ratio: np.ndarray, parts: _Windows, rule: Rule) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (ratio > 1) & (parts.found.psi >= rule.psi)


def _gone(counts: np.ndarray, wobble: Wobble) -> np.ndarray:
    """Return on which days a column is gone, shape (series, days, 1)."""
    rows = counts.sum(axis=-1)
    lacking = counts[..., -1] >= GONE * np.maximum(rows, 1)
    return (lacking & (rows > 0) & (wobble.most_missing < WORST))[..., None]
