"""The canary's rule: compare errors, refusals, latency and scores of two versions.

A limit is crossed only on evidence: the counts must be unlikely for a release that keeps it. One
failed request of a hundred is not evidence, unless the limit is zero.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from slipway.numbers import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prometheus_client.samples import Sample as Reading

    from slipway.settings import Canary

ALPHA = 0.0002
"""Significance level, at each look, of each test that compares two versions.

A canary looks every second, for a minute by default. By simulation (`make bench BENCH=canary`) all
tests together then stop at most 1 in 100 releases that do the same as the old version.
"""

ALPHA_LIMIT = 0.002
"""Level of the tests of one version against a fixed limit, from which a sound one is far away."""

# One event can fail all the requests that a candidate is answering at that moment.
MIN_ERRORS = 3

# Up to this number of rows a request, rows are taken for requests; a few more can be unanswered.
SINGLE_ROWS = 1.02
IN_FLIGHT = 5

SLOW_SHARE = 0.05
"""One minus the quantile of the latency that is compared (p95)."""

# A shorter latency is never slow: clients do not notice it, and other processes cause it.
NEVER_SLOW = 0.010  # seconds

# Bins with a smaller expected count in the smaller sample are merged.
MIN_EXPECTED = 5

PREDICT = "/predict"

# HAProxy's counters of requests without a whole answer: no connection, no valid answer in time,
# aborted by the waiting caller, aborted by the server.
UNANSWERED = ("econ", "eresp", "cli_abrt", "srv_abrt")


@dataclass(frozen=True)
class Histogram:
    """Counts by bin.

    Attributes
    ----------
    edges
        Upper bounds of all bins but the last, which is unbounded; ascending.
    counts
        Values in each bin (not cumulative), one more than `edges`.
    """

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = (0,)

    @property
    def total(self) -> int:
        return sum(self.counts)

    def on(self, edges: Sequence[float]) -> Histogram:
        """Return the counts between some of the edges."""
        ends = [*(self.edges.index(edge) + 1 for edge in edges), len(self.counts)]
        counts = [sum(self.counts[low:high]) for low, high in pairwise([0, *ends])]
        return Histogram(tuple(edges), tuple(counts))

    def above(self, limit: float) -> float:
        """Return the number of values above a limit, assuming that bins are uniform."""
        reached, below = 0.0, 0.0
        for edge, count in zip(self.edges, self.counts, strict=False):
            if edge > limit:
                part = (limit - below) / (edge - below) if limit > below else 0.0
                return self.total - reached - part * count
            reached += count
            below = edge
        # The last bin is unbounded: its values count as above every limit.
        return float(self.counts[-1])

    def quantile(self, share: float) -> float:
        """Return a quantile; 0 of an empty histogram.

        Notes
        -----
        Interpolated within its bin, as Prometheus' `histogram_quantile`; in the last bin it is the
        lower bound.
        """
        rank, reached, below = share * self.total, 0, 0.0
        for edge, count in zip(self.edges, self.counts, strict=False):
            if count and reached + count >= rank:
                return below + (edge - below) * (rank - reached) / count
            reached += count
            below = edge
        return below if self.total else 0.0


@dataclass(frozen=True)
class Sample:
    """The requests of one version, from its start or between two samples.

    Attributes
    ----------
    requests
        Requests for predictions that have ended.
    errors, refused
        Those that ended in a 5xx or without an answer, and those that ended in a 4xx.
    seconds
        Latency.
    scores
        Predicted probabilities of all rows.
    restarts
        How often its counters restarted.
    logged
        Requests whose predictions were written to the log; None if unknown.
    request_scores
        Predicted probability of one random row of each request; None of a version that does not
        report it.
    """

    requests: int = 0
    errors: int = 0
    seconds: Histogram = Histogram()
    scores: Histogram = Histogram()
    refused: int = 0
    restarts: int = 0
    logged: int | None = None
    request_scores: Histogram | None = None

    @property
    def answered(self) -> int:
        """Requests that got a prediction."""
        return self.requests - self.errors - self.refused

    def independent_scores(self) -> Histogram | None:
        """Return one score of each request; None if the version reports only those of all rows.

        Those of all rows are the same where requests have one row.
        """
        if self.request_scores is not None:
            return self.request_scores
        requests = self.answered if self.logged is None else self.logged
        single = self.scores.total <= SINGLE_ROWS * requests + IN_FLIGHT
        return self.scores if single else None


@dataclass(frozen=True)
class ProxyCounts:
    """The proxy's counters of one version, since the proxy's start.

    Attributes
    ----------
    sent, pending
        Requests, and those of them that have not ended.
    failed
        No connection, no answer in time, an invalid one, or a 5xx.
    refused
        Answers with a 4xx.
    """

    sent: int
    pending: int
    failed: int
    refused: int

    @classmethod
    def of(cls, server: Mapping[str, str]) -> ProxyCounts:
        """Return the counters of a server in HAProxy's `show stat`."""
        return cls(
            sent=_number(server, "stot"),
            pending=_number(server, "scur"),
            failed=_number(server, *UNANSWERED, "hrsp_5xx"),
            refused=_number(server, "hrsp_4xx"),
        )

    def since(self, before: ProxyCounts) -> ProxyCounts:
        return ProxyCounts(
            self.sent - before.sent,
            self.pending,
            self.failed - before.failed,
            self.refused - before.refused,
        )

    def replace_in(self, own: Sample, *, fresh: bool = False) -> Sample:
        """Return a version's own sample with the counts of the proxy.

        A version that does not answer does not count that request either.

        Parameters
        ----------
        fresh
            The version's own sample is newer than these counts. Then it has logged each request
            that it answered: an answer without a record is not a prediction but an error.
        """
        ended = max(self.sent - self.pending, self.failed + self.refused)
        answered = ended - self.failed - self.refused
        predicted = own.scores.total if own.logged is None else own.logged
        empty = max(0, answered - predicted) if fresh else 0
        return replace(own, requests=ended, errors=self.failed + empty, refused=self.refused)


@dataclass(frozen=True)
class Row:
    """One row of the table: the compared quantity with its values, as text with units."""

    name: str
    old: str
    new: str
    limit: str
    crossed: bool


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two versions.

    Attributes
    ----------
    crossed
        A sentence with numbers for each limit that the new version crossed.
    enough
        Both versions answered at least `min_requests` requests.
    not_compared
        Why the scores cannot be compared, as a sentence; empty if they are.
    """

    crossed: list[str]
    enough: bool
    rows: list[Row]
    not_compared: str = ""


def read_sample(metrics: str, unanswered: int = 0) -> Sample:
    """Return the sample of one version in the text of its ``/metrics``.

    Parameters
    ----------
    unanswered
        Requests that the proxy sent to this version without getting an answer. The version cannot
        count those itself.

    Raises
    ------
    ValueError
        The text has no metrics of Slipway.
    """
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family.samples for family in text_string_to_metric_families(metrics)}
    try:
        requests = [one for one in families["slipway_requests"] if _is_predict(one, "_total")]
        by_class = Counter[str]()
        for one in requests:
            by_class[one.labels["status"][:1]] += int(one.value)
        return Sample(
            requests=by_class.total() + unanswered,
            errors=by_class["5"] + unanswered,
            refused=by_class["4"],
            seconds=_histogram(families["slipway_request_seconds"], _is_predict),
            scores=_histogram(families["slipway_score"], lambda one, end: one.name.endswith(end)),
            logged=_count(families.get("slipway_log_seconds", [])),
            request_scores=_request_scores(families.get("slipway_request_score")),
        )
    except KeyError as missing:
        raise ValueError(f"{missing} is not in the metrics") from None


def difference(before: Sample, after: Sample) -> Sample:
    """Return what happened between two samples of a version.

    Counters that decreased mean that the process restarted in between; then all of the new sample
    has happened since.
    """
    if after.requests < before.requests or before.seconds.total > after.seconds.total:
        return replace(after, restarts=before.restarts + 1)
    return Sample(
        after.requests - before.requests,
        max(0, after.errors - before.errors),
        _less(after.seconds, before.seconds),
        _less(after.scores, before.scores),
        max(0, after.refused - before.refused),
        after.restarts,
        None if after.logged is None else max(0, after.logged - (before.logged or 0)),
        after.request_scores and _less(after.request_scores, before.request_scores or Histogram()),
    )


def compare(old: Sample, new: Sample, limits: Canary) -> Comparison:
    """Compare two versions over the same time."""
    tests = (_restarts, _errors, _refused, _latency, _scores)
    results = [test(old, new, limits) for test in tests]
    enough = min(old.answered, new.answered) >= limits.min_requests
    limit = f"≥ {limits.min_requests:,}"
    traffic = Row("answered requests", f"{old.answered:,}", f"{new.answered:,}", limit, False)
    return Comparison(
        [sentence for sentence, _ in results if sentence],
        enough,
        [traffic, *(row for _, row in results if row is not None)],
        _not_compared(old, new),
    )


def _not_compared(old: Sample, new: Sample) -> str:
    for name, sample in (("old", old), ("new", new)):
        if sample.independent_scores() is None:
            return (
                f"the {name} version was built by an earlier version of Slipway, which reports the "
                "scores of all rows; with several rows in a request these are not independent"
            )
    if not _aligned(old, new):
        return (
            "the predictions of both versions are counted in other bins, since they differ too "
            "much in size"
        )
    return ""


def _restarts(old: Sample, new: Sample, _limits: Canary) -> tuple[str, Row | None]:
    if not new.restarts:
        return "", None
    times = "once" if new.restarts == 1 else f"{new.restarts} times"
    row = Row("restarts", str(old.restarts), str(new.restarts), "0", True)
    return f"the new version restarted {times}", row


def _errors(old: Sample, new: Sample, limits: Canary) -> tuple[str, Row]:
    # A candidate has less time: requests for which the old version took longer count as its errors.
    late = old.seconds.above(limits.patience_ms / 1000)
    before = min(1.0, _share(old.errors + late, old.requests))
    now, limit = _share(new.errors, new.requests), limits.max_error_share
    evidence = new.errors >= MIN_ERRORS or limit == 0
    crossed = now > before and evidence and unlikely(new.errors, new.requests, limit)
    if before > limit:  # the old version's share is an estimate too
        failed = round(before * old.requests)
        crossed = crossed and _more_often(old.requests, failed, new.requests, new.errors) < ALPHA
    row = Row("errors", f"{before:.2%}", f"{now:.2%}", f"≤ {limit:.2%}", crossed)
    sentence = (
        f"errors: {new.errors:,} of {new.requests:,} requests failed ({now:.2%}); the limit is "
        f"{limit:.2%}, the old version had {before:.2%}"
    )
    return sentence if crossed else "", row


def _refused(old: Sample, new: Sample, limits: Canary) -> tuple[str, Row]:
    before, now = _share(old.refused, old.requests), _share(new.refused, new.requests)
    limit = before + limits.max_refused_share
    crossed = (
        now > limit and _more_often(old.requests, old.refused, new.requests, new.refused) < ALPHA
    )
    row = Row("refused (4xx)", f"{before:.2%}", f"{now:.2%}", f"≤ {limit:.2%}", crossed)
    sentence = (
        f"refused: {new.refused:,} of {new.requests:,} requests were answered with a 4xx "
        f"({now:.2%}); at the same time the old version refused {before:.2%}, and "
        f"{limits.max_refused_share:.2%} more is the limit"
    )
    return sentence if crossed else "", row


def _latency(old: Sample, new: Sample, limits: Canary) -> tuple[str, Row]:
    before, now = old.seconds.quantile(1 - SLOW_SHARE), new.seconds.quantile(1 - SLOW_SHARE)
    limit, why = limits.max_latency_ms / 1000, "the limit"
    relative = max(NEVER_SLOW, limits.max_latency_ratio * before)
    compared = bool(old.seconds.total) and relative < limit
    if compared:
        limit = relative
        why = f"{limits.max_latency_ratio:g} times the old version's {_ms(before)}"
        if relative == NEVER_SLOW:
            why = "shorter is never slow"
    crossed = now > limit and _is_slow(new.seconds, limit)
    if compared and not _is_slow(new.seconds, limits.max_latency_ms / 1000):
        # The old version's p95 is an estimate too.
        above, slow = round(new.seconds.above(limit)), round(old.seconds.above(limit))
        crossed = crossed and _more_often(old.seconds.total, slow, new.seconds.total, above) < ALPHA
    row = Row("latency, p95", _ms(before), _ms(now), f"≤ {_ms(limit)}", crossed)
    sentence = f"latency: 95% of the requests took up to {_ms(now)}, above {_ms(limit)} ({why})"
    return sentence if crossed else "", row


def _is_slow(seconds: Histogram, limit: float) -> bool:
    return unlikely(int(seconds.above(limit)), seconds.total, SLOW_SHARE)


def _scores(old: Sample, new: Sample, limits: Canary) -> tuple[str, Row]:
    aligned = _aligned(old, new)
    if aligned is None:
        return "", Row("scores, PSI", "", "not compared", f"≤ {limits.max_score_psi:g}", False)
    before, now = aligned
    shift = distribution_shift(before, now)
    crossed = shift.psi > limits.max_score_psi and shift.p_value < ALPHA
    row = Row("scores, PSI", "", f"{shift.psi:.3f}", f"≤ {limits.max_score_psi:g}", crossed)
    sentence = (
        f"scores: the distribution differs on the same traffic, PSI {shift.psi:.2f} (the limit is "
        f"{limits.max_score_psi:g}): "
        f"mean {plain(_mean(before), 3)} → {plain(_mean(now), 3)}"
    )
    return sentence if crossed else "", row


def _aligned(old: Sample, new: Sample) -> tuple[Histogram, Histogram] | None:
    """Return the independent scores of both versions in bins that both have.

    Those of predicted numbers follow from each model's own ones.
    """
    before, now = old.independent_scores(), new.independent_scores()
    if before is None or now is None:
        return None
    edges = sorted({*before.edges} & {*now.edges})
    if not edges and before.total and now.total:
        return None
    return before.on(edges), now.on(edges)


def _more_often(old_requests: int, old: int, new_requests: int, new: int) -> float:
    """Return the p-value of Fisher's exact test that the new version has the larger share.

    Exact, since the proxy assigns each request to a version at random.
    """
    from scipy.stats import hypergeom

    if not old_requests or not new_requests:
        return 1.0
    return float(hypergeom.sf(new - 1, old_requests + new_requests, old + new, new_requests))


def unlikely(count: int, rows: int, share: float) -> bool:
    """Return whether a count is unlikely when the true share is at most `share`.

    Notes
    -----
    One-sided exact binomial test at `ALPHA_LIMIT`; for a share of zero, one is evidence.
    """
    from scipy.special import bdtrc

    if count < 1:
        return False
    return share == 0 or float(bdtrc(count - 1, rows, share)) < ALPHA_LIMIT


@dataclass(frozen=True)
class Shift:
    """How far two distributions of scores are apart.

    Attributes
    ----------
    psi
        Population stability index in nats, without what chance adds; at least 0.
    p_value
        Of the two-sample chi-square test.
    """

    psi: float = 0.0
    p_value: float = 1.0


def distribution_shift(old: Histogram, new: Histogram) -> Shift:
    """Return the shift between independent scores of two versions; none if a side is empty.

    Notes
    -----
    Bins that are too rare to be tested are merged. Without a shift the expected PSI is about
    ``(bins - 1) (1/old + 1/new)`` (a scaled chi-square variable), which is subtracted.
    """
    from scipy.special import chdtrc

    if not old.total or not new.total:
        return Shift()
    table = _merge_rare(np.array([old.counts, new.counts], dtype="float64"))
    bins = table.shape[1]
    if bins < 2:
        return Shift()
    # Half a count more in each bin: an empty one would make the index infinite.
    before, now = (table + 0.5) / (table + 0.5).sum(axis=1, keepdims=True)
    log_ratio = np.log(now / before)
    psi = float(((now - before) * log_ratio).sum()) - (bins - 1) * (1 / old.total + 1 / new.total)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return Shift(max(0.0, psi), float(chdtrc(bins - 1, statistic)))


def _merge_rare(table: np.ndarray) -> np.ndarray:
    """Return the counts with neighbouring bins merged until each can be tested."""
    fewest = MIN_EXPECTED / (table.sum(axis=1).min() / table.sum())
    bins: list[np.ndarray] = []
    waiting = np.zeros(2)
    for column in table.T:
        waiting = waiting + column
        if waiting.sum() >= fewest:
            bins.append(waiting)
            waiting = np.zeros(2)
    if waiting.sum() and bins:
        bins[-1] = bins[-1] + waiting
    return np.array(bins).T.reshape(2, -1)


def _count(samples: list[Reading]) -> int | None:
    """Return the total of a histogram; None without one."""
    return next((int(one.value) for one in samples if one.name.endswith("_count")), None)


def _request_scores(samples: list[Reading] | None) -> Histogram | None:
    if samples is None:
        return None
    return _histogram(samples, lambda one, end: one.name.endswith(end))


def _is_predict(one: Reading, ending: str) -> bool:
    return bool(one.name.endswith(ending)) and one.labels.get("path") == PREDICT


def _histogram(samples: list[Reading], belongs: Callable[[Reading, str], bool]) -> Histogram:
    buckets = sorted(
        (float(one.labels["le"]), int(one.value)) for one in samples if belongs(one, "_bucket")
    )
    if not buckets:
        raise KeyError("bucket")
    reached = [count for _, count in buckets]
    counts = np.diff(reached, prepend=0).tolist()
    return Histogram(tuple(edge for edge, _ in buckets[:-1]), tuple(counts))


def _less(after: Histogram, before: Histogram) -> Histogram:
    if before.edges != after.edges:
        return after
    counts = (now - then for now, then in zip(after.counts, before.counts, strict=True))
    return Histogram(after.edges, tuple(counts))


def _mean(scores: Histogram) -> float:
    """Return the mean, from the middles of the bins; the outer ones are as wide as the next."""
    edges = scores.edges
    if not edges:
        return 0.0
    low = 2 * edges[0] - edges[min(1, len(edges) - 1)]
    bounds = np.array([low, *edges, 2 * edges[-1] - edges[-2:][0]])
    middles = (bounds[1:] + bounds[:-1]) / 2
    return float(np.average(middles, weights=scores.counts)) if scores.total else 0.0


def _number(server: Mapping[str, str], *names: str) -> int:
    return sum(int(server.get(name) or 0) for name in names)


def _share(count: float, rows: int) -> float:
    return count / rows if rows else 0.0


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
