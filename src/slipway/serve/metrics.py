"""What `/metrics` shows: counted in each worker, added up over all workers when asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from slipway.serve.release import Release

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

OTHER = "other"
"""The path of all requests to paths that do not exist."""

Buckets = tuple[float, ...]
Series = Callable[..., Any]
"""From label values to the one series that has them."""

# A canary tells one p95 from another twice as large: a bin must be narrower than that.
STEPS = (1, 1.5, 2.5, 4, 6)
SECONDS: Buckets = (
    *(round(step * tens, 4) for tens in (0.001, 0.01, 0.1, 1) for step in STEPS),
    10,
)
SCORES: Buckets = tuple(step / 20 for step in range(1, 20))


class Metrics:
    """The service's counters, every one with the sha256 of the model as a label.

    BentoML names a directory in PROMETHEUS_MULTIPROC_DIR that its workers share, and the
    client library keeps its numbers there; without it they stay in this process.
    """

    def __init__(self, model: str, release: Release) -> None:
        self._model = model
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "path", "status")
        self._seconds = self._histogram("request_seconds", "Time to answer.", SECONDS, "path")
        self._decisions = self._counter("decisions", "Rows predicted.", "decision")
        self._reviews = self._counter("reviews", "Rows for a person to look at.")
        self._scores = self._histogram("score", "Predicted probabilities.", SCORES)
        self._log_bytes = self._counter("log_bytes", "Written to the prediction log.")
        self._log_faults = self._counter("log_faults", "Requests refused for the log.")
        self._log_seconds = self._histogram(
            "log_seconds", "From a prediction to its record being safe.", SECONDS
        )
        self._release(release)
        self._count_from_zero()

    def answered(self, path: str, status: int, seconds: float) -> None:
        self._requests(path, str(status)).inc()
        self._seconds(path).observe(seconds)

    def predicted(self, probability: float, decision: bool, review: bool) -> None:
        self._decisions("yes" if decision else "no").inc()
        self._scores().observe(probability)
        if review:
            self._reviews().inc()

    def logged(self, written: int, seconds: float) -> None:
        self._log_bytes().inc(written)
        self._log_seconds().observe(seconds)

    def log_failed(self) -> None:
        self._log_faults().inc()

    def exposition(self) -> bytes:
        """Return the numbers of all workers in Prometheus' text format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _counter(self, name: str, text: str, *labels: str) -> Series:
        names = ["model", *labels]
        return self._series(Counter(f"slipway_{name}", text, names, registry=self._registry))

    def _histogram(self, name: str, text: str, buckets: Buckets, *labels: str) -> Series:
        names = ["model", *labels]
        return self._series(
            Histogram(f"slipway_{name}", text, names, registry=self._registry, buckets=buckets)
        )

    def _series(self, metric: Any) -> Series:
        # Looking a series up by its labels costs more than counting in it.
        return cache(lambda *labels: metric.labels(self._model, *labels))

    def _release(self, release: Release) -> None:
        gauge = Gauge(
            "slipway_release",
            "Which release runs; the value is 1.",
            ["model", "commit", "data"],
            registry=self._registry,
            multiprocess_mode="max",
        )
        gauge.labels(self._model, release.commit, release.data).set(1)

    def _count_from_zero(self) -> None:
        """Show what has not happened yet: a rate needs a first value."""
        self._requests("/predict", "200")
        self._requests(OTHER, "404")
        self._seconds("/predict")
        self._seconds(OTHER)
        self._decisions("yes")
        self._decisions("no")
        for series in (self._reviews, self._scores, self._log_bytes, self._log_faults):
            series()
