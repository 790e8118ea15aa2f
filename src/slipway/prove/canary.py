"""Old and new on the same traffic: does the new release fail, refuse, lag or answer otherwise?

A limit is crossed only on evidence: the numbers must be unlikely for a release that keeps
it. One unlucky request of a hundred is none, unless the limit is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from slipway.settings import Canary

# How unlikely the numbers of a release that just keeps a limit must be before it is called crossed.
# Small, since a canary looks again and again.
ALPHA = 0.01

# One hiccup can fail the few requests that a candidate has in hand: that is one event, and no rate.
FEWEST_ERRORS = 3

# Of a share that is compared with that of the old version, again and again: refusals, errors.
ALPHA_OLD = 0.001

# Of the score distribution: real traffic comes in bursts of like rows, which is no drift.
ALPHA_SCORES = 0.001

SLOW_SHARE = 0.05
"""Latency is judged by the time that all but this share of the requests keep to (p95)."""

# A shorter time is never slow: a client does not notice, and other work on the machine makes it.
NEVER_SLOW = 0.010  # seconds

# Below this expected count in the smaller sample, bins are taken together.
FEWEST_EXPECTED = 5

PREDICT = "/predict"

# HAProxy's counters of what a server gave no whole answer to: no connection, none in time or none
# that is HTTP, ended by the caller who had waited, ended by the server.
UNANSWERED = ("econ", "eresp", "cli_abrt", "srv_abrt")


@dataclass(frozen=True)
class Histogram:
    """How many values fell into each bin.

    Attributes
    ----------
    edges
        Upper bounds of all bins but the last, which has none; ascending.
    counts
        Values in each bin (not added up), one more than `edges`.
    """

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = (0,)

    @property
    def total(self) -> int:
        return sum(self.counts)

    def above(self, limit: float) -> float:
        """Return how many values are above a limit; within a bin they are spread evenly."""
        reached, below = 0.0, 0.0
        for edge, count in zip(self.edges, self.counts, strict=False):
            if edge > limit:
                part = (limit - below) / (edge - below) if limit > below else 0.0
                return self.total - reached - part * count
            reached += count
            below = edge
        # Nobody knows how far the last bin reaches: what is in it is above all limits.
        return float(self.counts[-1])

    def quantile(self, share: float) -> float:
        """Return the value that this share of the values does not exceed; 0 of none.

        Notes
        -----
        Interpolated within its bin, as Prometheus' `histogram_quantile`; of the last bin it is
        the lower bound.
        """
        wanted, reached, below = share * self.total, 0, 0.0
        for edge, count in zip(self.edges, self.counts, strict=False):
            if count and reached + count >= wanted:
                return below + (edge - below) * (wanted - reached) / count
            reached += count
            below = edge
        return below if self.total else 0.0


@dataclass(frozen=True)
class Sample:
    """What one version did, from its start or between two looks.

    Attributes
    ----------
    requests
        Predictions asked for that have ended, with any outcome.
    errors
        Those of them that ended in a 5xx, or without an answer.
    refused
        Those that ended in a 4xx.
    seconds
        Time to answer.
    scores
        The probabilities given.
    restarts
        How often its counters began anew.
    logged
        Requests whose predictions were written to the log; None where that is not known.
    """

    requests: int
    errors: int
    seconds: Histogram
    scores: Histogram
    refused: int = 0
    restarts: int = 0
    logged: int | None = None

    @property
    def answered(self) -> int:
        """Requests that got a prediction: only these show what a version answers."""
        return self.requests - self.errors - self.refused


@dataclass(frozen=True)
class Passed:
    """What a proxy gave a version since its own start, and what came back.

    Attributes
    ----------
    given, waiting
        Requests, and those of them that have not ended yet.
    failed
        No connection, no answer in time, a broken one, or a 5xx.
    refused
        Answers with a 4xx.
    """

    given: int
    waiting: int
    failed: int
    refused: int

    @classmethod
    def of(cls, server: Mapping[str, str]) -> Passed:
        """Return what HAProxy's `show stat` counted of a server."""
        return cls(
            given=_number(server, "stot"),
            waiting=_number(server, "scur"),
            failed=_number(server, *UNANSWERED, "hrsp_5xx"),
            refused=_number(server, "hrsp_4xx"),
        )

    def since(self, before: Passed) -> Passed:
        return Passed(
            self.given - before.given,
            self.waiting,
            self.failed - before.failed,
            self.refused - before.refused,
        )

    def count(self, own: Sample, *, fresh: bool = False) -> Sample:
        """Return a version's own sample with the counts of the proxy in place of its own.

        A version that does not answer does not count that either.

        Parameters
        ----------
        fresh
            The version's own sample is newer than these counts. Then it has logged each request
            that it answered: an answer without a record is no prediction, and counts as an error.
        """
        ended = max(self.given - self.waiting, self.failed + self.refused)
        answered = ended - self.failed - self.refused
        predicted = own.scores.total if own.logged is None else own.logged
        empty = max(0, answered - predicted) if fresh else 0
        return replace(own, requests=ended, errors=self.failed + empty, refused=self.refused)


@dataclass(frozen=True)
class Row:
    """One line of the table: what was compared, and how it came out, in words and units."""

    what: str
    old: str
    new: str
    limit: str
    crossed: bool


@dataclass(frozen=True)
class Comparison:
    """What the canary said.

    Attributes
    ----------
    crossed
        A sentence with numbers for each limit that the new version crossed.
    enough
        Both versions answered as many requests as the comparison asks for.
    """

    crossed: list[str]
    enough: bool
    rows: list[Row]


def read_sample(metrics: str, unanswered: int = 0) -> Sample:
    """Return what the text of ``/metrics`` says of the predictions of one version.

    Parameters
    ----------
    unanswered
        Requests that the proxy gave to this version and got no answer to: no connection, or
        one that ended. The version cannot count those itself.

    Raises
    ------
    ValueError
        The text is not that of a service of Slipway.
    """
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family.samples for family in text_string_to_metric_families(metrics)}
    try:
        asked = [one for one in families["slipway_requests"] if _counts(one, "_total")]
        return Sample(
            requests=sum(int(one.value) for one in asked) + unanswered,
            errors=sum(int(one.value) for one in asked if one.labels["status"] >= "500")
            + unanswered,
            refused=sum(int(one.value) for one in asked if "400" <= one.labels["status"] < "500"),
            seconds=_histogram(families["slipway_request_seconds"], _counts),
            scores=_histogram(families["slipway_score"], lambda one, end: one.name.endswith(end)),
            logged=_count(families.get("slipway_log_seconds", [])),
        )
    except KeyError as missing:
        raise ValueError(f"{missing} is not in the metrics") from None


def difference(before: Sample, after: Sample) -> Sample:
    """Return what happened between two looks at a version.

    Counters that went back mean that the process was started anew in between: then all that
    the new one counted has happened since.
    """
    if after.requests < before.requests or _went_back(before.seconds, after.seconds):
        return replace(after, restarts=before.restarts + 1)
    return Sample(
        after.requests - before.requests,
        max(0, after.errors - before.errors),
        _less(after.seconds, before.seconds),
        _less(after.scores, before.scores),
        max(0, after.refused - before.refused),
        after.restarts,
        None if after.logged is None else max(0, after.logged - (before.logged or 0)),
    )


def compare(old: Sample, new: Sample, limits: Canary) -> Comparison:
    """Compare two versions over the same time."""
    tests = (_restarts, _errors, _refused, _latency, _scores)
    found = [test(old, new, limits) for test in tests]
    enough = min(old.answered, new.answered) >= limits.min_requests
    wanted = f"≥ {limits.min_requests:,}"
    traffic = Row("answered requests", f"{old.answered:,}", f"{new.answered:,}", wanted, False)
    return Comparison(
        [sentence for sentence, _ in found if sentence],
        enough,
        [traffic, *(row for _, row in found if row is not None)],
    )


def _restarts(old: Sample, new: Sample, _limits: Canary) -> tuple[str, Row | None]:
    if not new.restarts:
        return "", None
    times = "once" if new.restarts == 1 else f"{new.restarts} times"
    row = Row("restarts", str(old.restarts), str(new.restarts), "0", True)
    return f"the new version stopped and was started anew, {times}", row


def _errors(old: Sample, new: Sample, limits: Canary) -> tuple[str, Row]:
    # A candidate has less time to answer: what the old version took longer for counts as well.
    late = old.seconds.above(limits.patience_ms / 1000)
    before = min(1.0, _share(old.errors + late, old.requests))
    now, limit = _share(new.errors, new.requests), limits.max_error_share
    evidence = new.errors >= FEWEST_ERRORS or limit == 0
    crossed = now > before and evidence and unlikely(new.errors, new.requests, limit)
    if before > limit:  # the old version's share is an estimate too, and it is compared again
        failed = round(before * old.requests)
        crossed = (
            crossed and _more_often(old.requests, failed, new.requests, new.errors) < ALPHA_OLD
        )
    row = Row("errors", f"{before:.2%}", f"{now:.2%}", f"≤ {limit:.2%}", crossed)
    sentence = (
        f"errors: {new.errors:,} of {new.requests:,} requests failed ({now:.2%}); the limit is "
        f"{limit:.2%}, the old version had {before:.2%}"
    )
    return sentence if crossed else "", row


def _refused(old: Sample, new: Sample, limits: Canary) -> tuple[str, Row]:
    before, now = _share(old.refused, old.requests), _share(new.refused, new.requests)
    limit = before + limits.max_refused_share
    p_value = _more_often(old.requests, old.refused, new.requests, new.refused)
    crossed = now > limit and p_value < ALPHA_OLD
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
    if old.seconds.total and relative < limit:
        limit = relative
        why = f"{limits.max_latency_ratio:g} times the old version's {_ms(before)}"
        if relative == NEVER_SLOW:
            why = "the shortest time that is called slow"
    above = int(new.seconds.above(limit))
    crossed = now > limit and unlikely(above, new.seconds.total, SLOW_SHARE)
    row = Row("latency, p95", _ms(before), _ms(now), f"≤ {_ms(limit)}", crossed)
    sentence = f"latency: 95% of the requests took up to {_ms(now)}, above {_ms(limit)} ({why})"
    return sentence if crossed else "", row


def _scores(old: Sample, new: Sample, limits: Canary) -> tuple[str, Row]:
    size, p_value = moved(old.scores, new.scores)
    crossed = size > limits.max_score_psi and p_value < ALPHA_SCORES
    row = Row("scores, PSI", "", f"{size:.3f}", f"≤ {limits.max_score_psi:g}", crossed)
    sentence = (
        f"scores: the new version answers otherwise on the same traffic, PSI {size:.2f} (the limit "
        f"is {limits.max_score_psi:g}): mean {_mean(old.scores):.3f} → {_mean(new.scores):.3f}"
    )
    return sentence if crossed else "", row


def _more_often(old_requests: int, old: int, new_requests: int, new: int) -> float:
    """Return the p-value of Fisher's exact test that the new version has the larger share.

    Exact, since chance alone decides which version gets a request.
    """
    from scipy.stats import hypergeom

    if not old_requests or not new_requests:
        return 1.0
    return float(hypergeom.sf(new - 1, old_requests + new_requests, old + new, new_requests))


def unlikely(count: int, rows: int, share: float) -> bool:
    """Return whether so many of the rows are unlikely when the true share is at most `share`.

    Notes
    -----
    One-sided exact binomial test at `ALPHA`; of a share of zero a single one is evidence.
    """
    from scipy.special import bdtrc

    if count < 1:
        return False
    return share == 0 or float(bdtrc(count - 1, rows, share)) < ALPHA


def moved(old: Histogram, new: Histogram) -> tuple[float, float]:
    """Return how far a distribution moved, and how likely chance alone moves it as much.

    Returns
    -------
    PSI in nats less what chance adds to it, at least 0, and the p-value of the two-sample
    chi-square test. Without values on both sides that is 0 and 1.

    Notes
    -----
    Bins that are too rare to be tested are taken together. Chance adds about
    ``(bins - 1) (1/old + 1/new)`` to the PSI (a chi-square variable, scaled).
    """
    from scipy.stats import chi2_contingency

    if not old.total or not new.total:
        return 0.0, 1.0
    table = _together(np.array([old.counts, new.counts], dtype="float64"))
    if table.shape[1] < 2:
        return 0.0, 1.0
    # Half a value more in each bin: an empty one would make the index infinite.
    shares = (table + 0.5) / (table + 0.5).sum(axis=1, keepdims=True)
    raw = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    chance = (table.shape[1] - 1) * (1 / old.total + 1 / new.total)
    return max(0.0, raw - chance), float(chi2_contingency(table, correction=False).pvalue)


def _together(table: np.ndarray) -> np.ndarray:
    """Return the counts with neighbouring bins taken together until each can be tested."""
    fewest = FEWEST_EXPECTED / (table.sum(axis=1).min() / table.sum())
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


def _count(samples: list[Any]) -> int | None:
    """Return how many values a histogram has; None where there is none."""
    return next((int(one.value) for one in samples if one.name.endswith("_count")), None)


def _counts(one: Any, ending: str) -> bool:
    return bool(one.name.endswith(ending)) and one.labels.get("path") == PREDICT


def _histogram(samples: list[Any], belongs: Callable[[Any, str], bool]) -> Histogram:
    buckets = sorted(
        (float(one.labels["le"]), int(one.value)) for one in samples if belongs(one, "_bucket")
    )
    if not buckets:
        raise KeyError("bucket")
    reached = [count for _, count in buckets]
    counts = np.diff(reached, prepend=0).tolist()
    return Histogram(tuple(edge for edge, _ in buckets[:-1]), tuple(counts))


def _went_back(before: Histogram, after: Histogram) -> bool:
    return before.total > after.total


def _less(after: Histogram, before: Histogram) -> Histogram:
    if before.edges != after.edges:
        return after
    counts = (now - then for now, then in zip(after.counts, before.counts, strict=True))
    return Histogram(after.edges, tuple(counts))


def _mean(scores: Histogram) -> float:
    """Return the mean of probabilities, each taken as the middle of its bin."""
    bounds = np.array([0.0, *scores.edges, 1.0])
    middles = (bounds[1:] + bounds[:-1]) / 2
    return float(np.average(middles, weights=scores.counts)) if scores.total else 0.0


def _number(server: Mapping[str, str], *names: str) -> int:
    return sum(int(server.get(name) or 0) for name in names)


def _share(count: float, rows: int) -> float:
    return count / rows if rows else 0.0


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
