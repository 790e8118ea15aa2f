"""The canary's rule on simulated requests: how often it stops a candidate, looking every second."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import beta, norm

from slipway.predictions.answers import PROBABILITIES
from slipway.release.canary import Histogram, Sample, compare, distribution_shift
from slipway.serving.metrics import SECONDS
from slipway.settings import Canary

LIMITS = Canary(
    share=0.1,
    seconds=10,
    min_requests=100,
    max_error_share=0.01,
    max_latency_ratio=2,
    max_latency_ms=250,
    max_score_psi=0.25,
)
EMPTY = Histogram()
EARLIER_ALPHA = 0.001
ROWS_SCORED_AS_ONE = 50  # as long as a request takes before its rows are scored
MIXED = (1,) * 16 + (20,) * 3 + (200,)
"""Sizes of requests, of which one in twenty is large: p95 is between the small and the large."""


@dataclass(frozen=True)
class Version:
    """How a version behaves: shares of its requests, median seconds, scores of a Beta(a, b)."""

    errors: float = 0.0
    refused: float = 0.0
    seconds: float = 0.020
    a: float = 2.0
    b: float = 8.0


def psi(first: Version, second: Version) -> float:
    """Return the population stability index between the scores of two versions."""
    edges = (0, *PROBABILITIES, 1)
    before, now = (np.diff(beta.cdf(edges, each.a, each.b)) for each in (first, second))
    return float(((now - before) * np.log(now / before)).sum())


@dataclass(frozen=True)
class Traffic:
    """The predictions that are asked for.

    Attributes
    ----------
    rate, share
        Requests a second, and the candidate's share of them.
    rows
        Numbers of rows, each as frequent as the others.
    alike
        Intra-request correlation of the normal scores of its rows: 0 to 1.
    """

    rate: float
    share: float
    rows: tuple[int, ...] = (1,)
    alike: float = 0.0


@dataclass(frozen=True)
class _Requests:
    """The requests of one version: second, size, and the normal scores of all rows."""

    second: np.ndarray
    sizes: np.ndarray
    rows: np.ndarray

    def one_row_each(self, draw: np.random.Generator) -> np.ndarray:
        place = (draw.random(len(self.sizes)) * self.sizes).astype(int)
        return self.rows[np.cumsum(self.sizes) - self.sizes + place]


def runs_stopped(
    old: Version,
    new: Version,
    traffic: Traffic,
    runs: int,
    seed: int = 0,
    limits: Canary = LIMITS,
    *,
    by_row: bool = False,
) -> int:
    """Return how many of some canaries stop the new version before their time is over.

    Parameters
    ----------
    by_row
        Apply the rule of earlier versions to the scores: all rows count as independent.
    """
    draw = np.random.default_rng(seed)
    return sum(_stops(old, new, traffic, draw, limits, by_row=by_row) for _ in range(runs))


def _stops(
    old: Version,
    new: Version,
    traffic: Traffic,
    draw: np.random.Generator,
    limits: Canary,
    *,
    by_row: bool,
) -> bool:
    looks = int(limits.seconds)
    given = ((old, 1 - traffic.share), (new, traffic.share))
    samples = [
        _samples(version, _requests(traffic, share, looks, draw), looks, draw, by_row=by_row)
        for version, share in given
    ]
    crosses = _crosses_by_row if by_row else _crosses
    return any(crosses(before, now, limits) for before, now in zip(*samples, strict=True))


def _crosses(old: Sample, new: Sample, limits: Canary) -> bool:
    return bool(compare(old, new, limits).crossed)


def _crosses_by_row(old: Sample, new: Sample, limits: Canary) -> bool:
    shift = distribution_shift(old.request_scores or EMPTY, new.request_scores or EMPTY)
    return shift.psi > limits.max_score_psi and shift.p_value < EARLIER_ALPHA


def _requests(traffic: Traffic, share: float, looks: int, draw: np.random.Generator) -> _Requests:
    """Draw the requests of one version: Poisson traffic, divided at random."""
    second = np.repeat(np.arange(looks), draw.poisson(traffic.rate * share, looks))
    sizes = draw.choice(traffic.rows, len(second))
    common = np.repeat(draw.standard_normal(len(second)), sizes)
    own = draw.standard_normal(len(common))
    rows = np.sqrt(traffic.alike) * common + np.sqrt(1 - traffic.alike) * own
    return _Requests(second, sizes, rows)


def _samples(
    version: Version, asked: _Requests, looks: int, draw: np.random.Generator, *, by_row: bool
) -> list[Sample]:
    """Return what a version reports at each look."""
    fate = draw.random(len(asked.second))
    error = fate < version.errors
    refused = ~error & (draw.random(len(fate)) < version.refused)
    answered = ~error & ~refused
    took = version.seconds * (1 + asked.sizes / ROWS_SCORED_AS_ONE)
    took = took * draw.lognormal(0, 0.3, len(fate))
    edges = _normal_edges(version.a, version.b)
    if by_row:
        rows, second = asked.rows, np.repeat(asked.second, asked.sizes)
        scored = np.repeat(answered, asked.sizes)
    else:
        rows, second, scored = asked.one_row_each(draw), asked.second, answered
    seconds = _until(asked.second[~error], took[~error], SECONDS, looks)
    scores = _until(second[scored], rows[scored], edges, looks)
    counts = [np.cumsum(np.bincount(asked.second[of], minlength=looks)) for of in (error, refused)]
    requests = np.cumsum(np.bincount(asked.second, minlength=looks))
    return [
        Sample(
            requests=int(requests[look]),
            errors=int(counts[0][look]),
            refused=int(counts[1][look]),
            seconds=Histogram(SECONDS, tuple(seconds[look])),
            request_scores=Histogram(PROBABILITIES, tuple(scores[look])),
        )
        for look in range(looks)
    ]


@cache
def _normal_edges(a: float, b: float) -> tuple[float, ...]:
    """Return the bounds of the bins of the normal scores that become a Beta(a, b)."""
    return tuple(norm.ppf(beta.cdf(PROBABILITIES, a, b)).tolist())


def _until(
    second: np.ndarray, values: np.ndarray, edges: tuple[float, ...], looks: int
) -> list[list[int]]:
    """Return the counts by bin until each look."""
    bins = len(edges) + 1
    place = second * bins + np.searchsorted(edges, values)
    counts = np.bincount(place, minlength=looks * bins).reshape(looks, bins)
    totals: list[list[int]] = counts.cumsum(axis=0).tolist()
    return totals
