"""Monitoring over time: windows that differ from the reference by more than its history explains.

For every day, the windows of `SPANS` days that end with it are tested. A span of one day finds
abrupt shifts; the longer spans together are a generalised CUSUM (the likelihood ratio is maximised
over when a shift began, and over its size and direction; Lai, 1995), which accumulates the evidence
of a small shift for as long as it lasts.

Without drift, the distance of a window is a sum of squares: of chance (the rows of the window and
of the reference) and of overdispersion (of the window, and of the reference, which is only some
weeks long). Its mean is estimated from a few dozen weeks of history, so its distribution is a
shifted F. The first degrees of freedom count the directions of the overdispersion, and the second
the weeks of history: with a short history they are few, and the limit is high.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from slipway.monitoring.distances import Distance, measure
from slipway.monitoring.quiet_weeks import learn
from slipway.reference.history import Overdispersion

SPANS = (1, 7, 14, 28, 56)
DAYS = 7

# An alarm ends after this many days below the limits.
QUIET_DAYS = 7

# Days with too few rows are merged with at most this many days before them.
MOST_MERGED = 28

# A column has disappeared if this share of a day's rows lack it, and the worst day of the history
# had less than the second.
DISAPPEARED, WORST = 0.99, 0.5


@dataclass(frozen=True)
class Rule:
    """When a window alarms.

    `alpha` is the probability that one window of one series exceeds its limit without drift, `psi`
    the smallest PSI that raises an alarm, however significant, and `min_rows` the smallest window;
    days with fewer rows are merged.
    """

    alpha: float
    psi: float
    min_rows: int


@dataclass(frozen=True)
class Detection:
    """The windows of each day; arrays of shape (series, days, spans).

    `ratio` is the distance over its limit: above 1 the history does not explain it, NaN if there
    is no such window. `psi` is the distance from the reference. A window is a `hit` if its ratio is
    above 1 and its PSI large enough for an alarm.
    """

    ratio: np.ndarray
    psi: np.ndarray
    hit: np.ndarray


def detect(
    counts: np.ndarray,
    expected: tuple[np.ndarray, np.ndarray, np.ndarray],
    overdispersion: Overdispersion,
    rule: Rule,
) -> Detection:
    """Test the windows that end on each day, with what was known on that day.

    Parameters
    ----------
    counts
        Of each day's cells, shape (series, days, cells). All series have the same overdispersion;
        a real log is one series, a simulation many.
    expected
        As `Series.expect` returns it, or with a leading axis for the series.
    """
    single = _immediate(counts, expected, rule.min_rows)
    first = _limits(single, overdispersion, rule.alpha, spans=np.ones(1))
    disappeared = _disappeared(counts, overdispersion)
    abrupt = _hits(first, single, rule) | disappeared
    # Days that alarm at once are left out of longer windows, so that they do not alarm for weeks.
    left_out = abrupt[..., 0]
    kept = np.where(left_out[..., None], 0.0, counts)
    windows = _windows(kept, expected, SPANS[1:], rule.min_rows)
    parts = _joined(single, windows)
    base = _limits(parts, overdispersion, rule.alpha, np.array(SPANS))
    learned = learn(kept, expected[0], overdispersion, _hits(base, parts, rule), rule.min_rows)
    ratio = _limits(parts, learned, rule.alpha, np.array(SPANS))
    hit = _hits(ratio, parts, rule)
    hit[..., :1] |= disappeared
    return Detection(ratio, parts.measured.psi, hit)


@dataclass(frozen=True)
class _Windows:
    """Distances of windows, and the weeks of their references; shape (series, days, spans)."""

    measured: Distance
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
    """Measure each day, merged with as many days before it as `min_rows` requires."""
    shares, rows, weeks = expected
    days = counts.shape[-2]
    total = np.cumsum(counts.sum(axis=-1), axis=-1)
    starts = np.broadcast_to(np.arange(days), total.shape).copy()
    for series, short in enumerate((counts.sum(axis=-1) < min_rows).any(axis=-1)):
        if short:
            before = np.concatenate([[0.0], total[series]])
            starts[series] = np.searchsorted(before, total[series] - min_rows, side="right") - 1
    starts = np.where(starts < np.arange(days) - MOST_MERGED, -1, starts)
    if days > 1:
        # The service may have started in the middle of the first day.
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
    constant = shares.ndim == 2 and bool((shares == shares[:1]).all())
    wanted = (
        np.broadcast_to(shares[0], window.shape)
        if constant
        else over(n[..., None] * shares) / safe[..., None]
    )
    reference = safe / np.maximum(over(n / rows), 1e-12)
    covered = safe / np.maximum(over(n / weeks), 1e-12)
    usable = (starts >= 0) & (size >= min_rows)
    measured = measure(window, wanted, np.where(size > 0, reference, 1.0))
    return _Windows(measured, np.where(size > 0, covered, 1.0), cells, usable)


def _joined(single: _Windows, longer: _Windows) -> _Windows:
    def both(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate([np.broadcast_to(a, (*b.shape[:-1], 1)), b], axis=-1)

    x, y = single.measured, longer.measured
    measured = Distance(
        both(x.distance, y.distance),
        both(x.chance, y.chance),
        both(x.freedom, y.freedom),
        both(x.psi, y.psi),
    )
    return _Windows(
        measured,
        both(single.weeks, longer.weeks),
        single.cells,
        both(single.usable, longer.usable),
    )


def _limits(
    parts: _Windows, overdispersion: Overdispersion, alpha: float, spans: np.ndarray
) -> np.ndarray:
    """Return distance over limit, shape (series, days, spans); NaN where there is no window."""
    measured = parts.measured
    limit = null(measured, parts.weeks, parts.cells, overdispersion, spans).limit(alpha)
    return np.where(parts.usable, measured.distance / np.maximum(limit, 1e-12), np.nan)


@dataclass(frozen=True)
class Null:
    """Distribution of a distance without drift: `shift` + `scale` x F(numerator, denominator)."""

    shift: np.ndarray
    scale: np.ndarray
    numerator: np.ndarray
    denominator: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return self.shift + self.scale

    def limit(self, alpha: float) -> np.ndarray:
        return self.shift + self.scale * _quantile(alpha, self.numerator, self.denominator)

    def tail(self, distance: np.ndarray) -> np.ndarray:
        """Return the probability of a distance this large."""
        from scipy.stats import f

        return np.asarray(
            f.sf((distance - self.shift) / self.scale, self.numerator, self.denominator)
        )


def null(
    measured: Distance,
    weeks: np.ndarray,
    cells: int,
    overdispersion: Overdispersion,
    spans: np.ndarray,
) -> Null:
    """Return the distribution of some distances without drift.

    Parameters
    ----------
    weeks
        Of the reference of each window.
    cells
        Of the series, as its history was measured.
    spans
        Days of each window.

    Notes
    -----
    A weighted sum of squares: chance in every direction, and overdispersion in a few. The
    distribution is the shifted gamma with the same mean, variance and third moment (Pearson's
    approximation, Imhof 1961): with the first two alone the tail would be too thin.

    The overdispersion is estimated from some weeks. Its own variation is a factor, and gives the
    second degrees of freedom. The part that chance may have hidden is added: its size is known,
    however few rows those weeks had, so that their chance does not limit a log with many more rows.
    """
    of_day = spans < DAYS
    reference = overdispersion.variance_of_mean(weeks)
    share = overdispersion.variance_of_mean(np.maximum(spans / DAYS, 1.0))
    day, day_observed = _wide(overdispersion.day), _wide(overdispersion.day_observed)
    week, week_observed = _wide(overdispersion.week), _wide(overdispersion.week_observed)
    tau = np.where(of_day, day, week * share) + week * reference
    observed = np.where(of_day, day_observed, week_observed * share) + week_observed * reference
    few = np.where(of_day, overdispersion.day_freedom, overdispersion.week_freedom)
    rest = np.maximum(measured.freedom - few, 0.0)
    noise = np.maximum(observed - tau, 0.0) / max(cells - 1, 1)
    history = _wide(overdispersion.weeks)
    hidden = 2 * (max(cells - 1, 1) * noise**2 + 2 * noise * tau) / np.maximum(history, 1e-9)
    scaled = measured.chance + tau / few
    # Half the variance and an eighth of the third moment, with overdispersion that varies by
    # `hidden`.
    squares = rest * measured.chance**2 + few * scaled**2 + hidden * (1 / few + 1 / 2)
    cubes = rest * measured.chance**3 + few * scaled**3 + scaled * hidden * (3 / few + 3 / 2)
    degrees = np.maximum(squares**3 / np.maximum(cubes**2, 1e-300), 0.01)
    scale = np.maximum(degrees * cubes / np.maximum(squares, 1e-300), 1e-12)
    shift = measured.freedom * measured.chance + tau - scale
    evidence = history * scale**2 / np.maximum(tau**2 / few, 1e-300)
    return Null(shift, scale, degrees, np.clip(evidence, 1.0, 1e6))


def _wide(value: np.ndarray | float) -> np.ndarray:
    """Return values of each day with an axis for the spans."""
    values = np.asarray(value, dtype="float64")
    return values[..., None] if values.ndim else values


def _quantile(alpha: float, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the upper quantile of F; degrees are rounded down to two digits, to cache them."""
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
        return (ratio > 1) & (parts.measured.psi >= rule.psi)


def _disappeared(counts: np.ndarray, overdispersion: Overdispersion) -> np.ndarray:
    """Return the days without a value of a column, shape (series, days, 1)."""
    rows = counts.sum(axis=-1)
    lacking = counts[..., -1] >= DISAPPEARED * np.maximum(rows, 1)
    return (lacking & (rows > 0) & (overdispersion.most_missing < WORST))[..., None]
