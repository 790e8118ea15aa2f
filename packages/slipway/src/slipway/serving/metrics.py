"""The metrics of the service: counted in each worker, summed over all workers by `/metrics`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from slipway.predictions.answers import Answers
from slipway.predictions.writer import Room
from slipway.serving import CANDIDATE_BYTES
from slipway.serving.release import Release

SHARED = "PROMETHEUS_MULTIPROC_DIR"

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

OTHER = "other"
"""The path label of all requests to unknown paths."""

Buckets = tuple[float, ...]
Series = Callable[..., Any]
"""From label values to their series."""

# A canary has to detect a p95 that doubles: a bin must be narrower than that.
STEPS = (1, 1.5, 2.5, 4, 6)
SECONDS: Buckets = (
    *(round(step * tens, 4) for tens in (0.001, 0.01, 0.1, 1) for step in STEPS),
    10,
)

WAITING = "slipway_log_waiting_seconds"


@dataclass(frozen=True)
class LogState:
    """Whether the prediction log can be written, and the space on its disk."""

    writable: bool
    room: Room | None


class Metrics:
    """The metrics, each with the sha256 of the model as a label.

    With BentoML the workers share a directory (PROMETHEUS_MULTIPROC_DIR), where the client library
    stores the values; without it they stay in this process.
    """

    def __init__(self, model: str, release: Release, answers: Answers) -> None:
        self._model = model
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "path", "status")
        self._seconds = self._histogram("request_seconds", "Time to answer.", SECONDS, "path")
        self._decisions = self._counter("decisions", "Rows predicted.", "decision")
        self._reviews = self._counter("reviews", "Rows for human review.")
        self._scores = self._histogram("score", answers.meaning, answers.bins)
        self._request_scores = self._histogram(
            "request_score",
            f"The score of a random row of each request of less than {CANDIDATE_BYTES:,} bytes.",
            answers.bins,
        )
        self._log_bytes = self._counter("log_bytes", "Written to the prediction log.")
        self._log_faults = self._counter("log_faults", "Requests refused for the log.")
        self._log_seconds = self._histogram(
            "log_seconds", "From a prediction to its record being safe.", SECONDS
        )
        self._in_flight = self._gauge("in_flight", "Predictions being asked for.", "livesum")
        self._last_record = self._gauge(
            "log_last_record_timestamp_seconds", "When a record was last safe; 0 is never.", "max"
        )
        # The value is a time; `_Ages` turns it into an age.
        self._waiting = self._gauge(
            "log_waiting_seconds", "Age of the oldest record that is not safe yet.", "livemin"
        )
        self._checkpoints = self._gauge(
            "checkpoints_failing", "Workers that cannot write to the second place.", "livesum"
        )
        started = "When the newest worker started."
        self._gauge("start_time_seconds", started, "max")().set_to_current_time()
        self._release(release)
        self._count_from_zero(answers.decisions)

    def answered(self, path: str, status: int, seconds: float) -> None:
        self._requests(path, str(status)).inc()
        self._seconds(path).observe(seconds)

    def predicted(self, watched: float, decided: str | None, review: bool) -> None:
        if decided is not None:
            self._decisions(decided).inc()
        self._scores().observe(watched)
        if review:
            self._reviews().inc()

    def request_scored(self, watched: float) -> None:
        """Count the score of a random row of a request, which a canary compares.

        Rows of one request may be alike, requests are assigned to a version one by one: one row of
        each is a sample of independent draws, whatever the size of a request.
        """
        self._request_scores().observe(watched)

    def in_flight(self) -> AbstractContextManager[None]:
        """Count a current request while the block lasts."""
        tracked: AbstractContextManager[None] = self._in_flight().track_inprogress()
        return tracked

    def logged(self, written: int, seconds: float) -> None:
        self._log_bytes().inc(written)
        self._log_seconds().observe(seconds)
        self._last_record().set_to_current_time()

    def log_waits_since(self, moment: float | None) -> None:
        """Set the Unix time of the oldest record that is not on disk yet; None without one."""
        self._waiting().set(math.inf if moment is None else moment)

    def checkpoints_fail(self, failing: bool) -> None:
        """Set whether the ends of the log cannot be written to the second place."""
        self._checkpoints().set(failing)

    def log_failed(self) -> None:
        self._log_faults().inc()

    def exposition(self, log: LogState) -> bytes:
        """Return the metrics of all workers and the log's state, in Prometheus' text format."""
        shown = CollectorRegistry()
        shown.register(_Ages(self._counted()))
        shown.register(_Fixed(self._log_gauges(log)))
        return generate_latest(shown)

    def _counted(self) -> Collector:
        if SHARED not in os.environ:
            return self._registry
        _remove_dead_workers(Path(os.environ[SHARED]))
        return MultiProcessCollector(None)  # type: ignore[no-untyped-call]

    def _log_gauges(self, log: LogState) -> list[Metric]:
        writable = self._now("log_writable", "Whether a record can be written.", log.writable)
        if log.room is None:
            return [writable]
        return [
            writable,
            self._now("log_free_bytes", "Free on the log's disk.", log.room.free),
            self._now("log_disk_bytes", "Size of the log's disk.", log.room.size),
        ]

    def _now(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"slipway_{name}", text, labels=["model"])
        family.add_metric([self._model], float(value))
        return family

    def _gauge(self, name: str, text: str, mode: Any) -> Series:
        return self._series(
            Gauge(
                f"slipway_{name}", text, ["model"], registry=self._registry, multiprocess_mode=mode
            )
        )

    def _counter(self, name: str, text: str, *labels: str) -> Series:
        names = ["model", *labels]
        return self._series(Counter(f"slipway_{name}", text, names, registry=self._registry))

    def _histogram(self, name: str, text: str, buckets: Buckets, *labels: str) -> Series:
        names = ["model", *labels]
        return self._series(
            Histogram(f"slipway_{name}", text, names, registry=self._registry, buckets=buckets)
        )

    def _series(self, metric: Any) -> Series:
        # Finding a series by its labels takes longer than counting.
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

    def _count_from_zero(self, decisions: Iterable[str]) -> None:
        """Create the series with the value 0: a rate needs a first value."""
        for status in ("200", "422", "500", "503"):
            self._requests("/predict", status)
        self._requests(OTHER, "404")
        self._seconds("/predict")
        self._seconds(OTHER)
        for each in decisions:
            self._decisions(each)
        for series in (self._reviews, self._scores, self._request_scores):
            series()
        for series in (self._log_bytes, self._log_faults):
            series()
        self._in_flight()
        self._checkpoints()
        self._last_record()
        self.log_waits_since(None)


class _Fixed(Collector):
    """Collects given metrics."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


class _Ages(Collector):
    """Collects the metrics of another collector, with the age of the oldest waiting record."""

    def __init__(self, source: Collector) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        now = time.time()
        for metric in self._source.collect():
            if metric.name == WAITING:
                metric.samples = [
                    sample._replace(value=max(0.0, now - sample.value)) for sample in metric.samples
                ]
            yield metric


def _remove_dead_workers(folder: Path) -> None:
    """Remove the gauges of killed workers: they would never be decremented."""
    for path in folder.glob("gauge_live*.db"):
        process = int(path.stem.rpartition("_")[2])
        if not _is_alive(process):
            mark_process_dead(process)  # type: ignore[no-untyped-call]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user, and alive
        return True
    return True
