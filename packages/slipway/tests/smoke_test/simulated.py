"""The canary's rule on simulated counts: how often it stops a candidate, looking every second."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from slipway.release.canary import Histogram, Sample, compare
from slipway.serving.metrics import SCORES, SECONDS
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


@dataclass(frozen=True)
class Version:
    """How a version behaves: shares of its requests, median seconds, scores of a Beta(a, b)."""

    errors: float = 0.0
    refused: float = 0.0
    seconds: float = 0.020
    a: float = 2.0
    b: float = 8.0


@dataclass(frozen=True)
class Traffic:
    """Predictions a second, and the candidate's share of them."""

    rate: float
    share: float


def runs_stopped(
    old: Version, new: Version, traffic: Traffic, runs: int, seed: int = 0, limits: Canary = LIMITS
) -> int:
    """Return how many of some canaries stop the new version before their time is over."""
    draw = np.random.default_rng(seed)
    return sum(_stops(old, new, traffic, draw, limits) for _ in range(runs))


def _stops(
    old: Version, new: Version, traffic: Traffic, draw: np.random.Generator, limits: Canary
) -> bool:
    done = [_nothing(), _nothing()]
    for _ in range(int(limits.seconds)):
        asked = draw.poisson(traffic.rate)
        given = draw.binomial(asked, traffic.share)
        for number, (version, count) in enumerate(((old, asked - given), (new, given))):
            done[number] = _add(done[number], _second(version, int(count), draw))
        if compare(done[0], done[1], limits).crossed:
            return True
    return False


def _nothing() -> Sample:
    return Sample(0, 0, _counted(np.array([]), SECONDS), _counted(np.array([]), SCORES))


def _second(version: Version, count: int, draw: np.random.Generator) -> Sample:
    errors = int(draw.binomial(count, version.errors))
    refused = int(draw.binomial(count - errors, version.refused))
    answered = count - errors - refused
    took = version.seconds * draw.lognormal(0, 0.3, count - errors)
    scores = draw.beta(version.a, version.b, answered)
    return Sample(count, errors, _counted(took, SECONDS), _counted(scores, SCORES), refused)


def _counted(values: np.ndarray, edges: tuple[float, ...]) -> Histogram:
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    return Histogram(tuple(edges), tuple(counts.tolist()))


def _add(one: Sample, other: Sample) -> Sample:
    return replace(
        one,
        requests=one.requests + other.requests,
        errors=one.errors + other.errors,
        refused=one.refused + other.refused,
        seconds=_sum(one.seconds, other.seconds),
        scores=_sum(one.scores, other.scores),
    )


def _sum(one: Histogram, other: Histogram) -> Histogram:
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return Histogram(one.edges, counts)
