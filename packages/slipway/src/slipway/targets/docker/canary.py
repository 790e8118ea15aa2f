"""A canary: the candidate gets a share of the traffic and is compared with the live version."""

from __future__ import annotations

import math
import time
from importlib import import_module

from slipway.documents.document import Section, Table
from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.release.canary import (
    MIN_ERRORS,
    UNANSWERED,
    Comparison,
    ProxyCounts,
    Sample,
    compare,
    difference,
    read_sample,
)
from slipway.release.outcome import CheckFailed
from slipway.settings import Canary
from slipway.targets.docker.lease import LeaseLost, Servers
from slipway.targets.docker.session import Session
from slipway.targets.docker.slot import check_running
from slipway.targets.docker.state import FULL, Traffic, other

MAX_MISSES = 3
"""Samples in a row without an answer of the candidate that fail it."""

POLL_SECONDS = 0.5
"""Between two reads of the proxy's counters; every other one compares both versions."""

LITTLE_TRAFFIC = (
    "with little traffic, raise `deploy.canary.share` or `max_seconds`, lower `min_requests`, or "
    "set `on_inconclusive: go`: then smoke test and shadow decide (docs/deploy.md, “The canary”)"
)

NOT_COMPARED = (
    "deploy it once with SLIPWAY_ON_INCONCLUSIVE=go: errors, refusals and latency are compared all "
    "the same, scores by the shadow comparison (docs/deploy.md, “The canary”)"
)


class Inconclusive(SlipwayError):
    """The canary could not compare two versions."""

    def __init__(self, what: str, do: str, details: list[Section]) -> None:
        super().__init__(what, do)
        self.details = details


def run_canary(session: Session, slot: str, tokens: str) -> tuple[str, list[Section]]:
    """Give the candidate its share until the canary's time is over, or evidence stops it.

    Returns
    -------
    The result in words, and its section of the summary.

    Raises
    ------
    CheckFailed
        The candidate crossed a limit, or died.
    Inconclusive
        As `conclude`.
    """
    settings = session.engine.settings.canary
    import_module("scipy.stats")  # takes seconds, in which the candidate would not be compared
    watch = _Watch(session, slot, tokens)
    share = max(1, round(FULL * settings.share))
    session.lease.share(Traffic(other(slot), slot, share))
    comparison = watch.run(settings.seconds)
    extend = settings.on_inconclusive == "extend" and not comparison.not_compared
    if not comparison.enough and extend:
        session.steps.log(
            f"canary: {watch.counts()}, and {settings.min_requests:,} of each are needed: "
            f"it continues for up to {settings.max_seconds:g} s"
        )
        comparison = watch.run(settings.max_seconds, until_enough=True)
    return conclude(comparison, watch.counts(), settings), table_of(comparison)


def conclude(comparison: Comparison, counts: str, settings: Canary) -> str:
    """Return the result of a canary that crossed no limit, in words.

    Raises
    ------
    Inconclusive
        Not all was compared, and the settings do not accept that.
    """
    if comparison.not_compared:
        message, do = f"inconclusive: {comparison.not_compared}", NOT_COMPARED
    elif not comparison.enough:
        needed = f"{settings.min_requests:,} of each are needed to compare them"
        message, do = f"inconclusive: {counts}, and {needed}", LITTLE_TRAFFIC
    else:
        return f"{counts}: no limit crossed"
    if settings.on_inconclusive != "go":
        raise Inconclusive(message, do, table_of(comparison))
    return f"{message}; it goes live nevertheless (`on_inconclusive: go`)"


class _Watch:
    """Both versions since the start of the canary."""

    def __init__(self, session: Session, slot: str, tokens: str) -> None:
        self._session = session
        self._slot = slot
        self._token = tokens.partition(",")[0].strip()
        self._misses = 0
        self._started = time.monotonic()
        self._old, self._new = Sample(), Sample()
        self._own = Sample()
        servers = session.lease.servers()
        self._first_downs = servers[slot]["chkdown"]
        self._first_counts = ProxyCounts.of(servers[f"candidate/{slot}"])
        self._first_new = self._sample(slot)
        try:
            self._first_old = self._sample(other(slot), _unanswered(servers[other(slot)]))
        except LeaseLost:
            raise
        except SlipwayError:
            self._first_old = Sample()

    def counts(self) -> str:
        return (
            f"{self._elapsed():.0f} s, {self._new.answered:,} requests answered by the new version "
            f"and {self._old.answered:,} by the old"
        )

    def run(self, seconds: float, *, until_enough: bool = False) -> Comparison:
        """Compare until a time after the canary's start, or until there was enough traffic.

        Raises
        ------
        CheckFailed
            The candidate crossed a limit, died or was down.
        """
        start = self._elapsed()
        polls = range(1, math.ceil(max(0.0, seconds - start) / POLL_SECONDS) + 1)
        comparison = self._compare()
        for poll in track(polls, "canary"):
            due = min(start + poll * POLL_SECONDS, seconds)
            time.sleep(max(0.0, due - self._elapsed()))
            late = self._elapsed() > seconds  # a slow machine compares less often
            if poll != len(polls) and (late or (poll % 2 and not self._fails())):
                continue
            comparison = self._compare()
            if until_enough and comparison.enough and not self._misses:
                return comparison
        while self._misses:  # it does not end without an answer of the candidate
            time.sleep(POLL_SECONDS)
            comparison = self._compare()
        return comparison

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _fails(self) -> bool:
        """Return whether the proxy's counters are a reason to compare both versions now."""
        servers = self._session.lease.servers()
        return self._counts(servers).failed >= MIN_ERRORS or self._was_down(servers)

    def _compare(self) -> Comparison:
        """Compare what both versions have done until now."""
        servers = self._session.lease.servers()
        if self._was_down(servers):
            check_running(self._session.engine.slot(self._slot))
            raise CheckFailed("it stopped answering the proxy's checks")
        # The proxy's counters first: a candidate that hangs takes long to answer.
        self._read_old(servers)
        self._new = self._counts(servers).replace_in(self._own)
        self._check_limits()
        try:
            self._own = difference(self._first_new, self._sample(self._slot))
            self._misses = 0
        except LeaseLost:
            raise
        except SlipwayError as error:
            self._miss(error)
        self._new = self._counts(servers).replace_in(self._own, fresh=not self._misses)
        return self._check_limits()

    def _read_old(self, servers: Servers) -> None:
        live = other(self._slot)
        try:
            self._old = difference(self._first_old, self._sample(live, _unanswered(servers[live])))
        except LeaseLost:
            raise
        except SlipwayError:
            pass  # it does not answer: its last sample counts

    def _check_limits(self) -> Comparison:
        comparison = compare(self._old, self._new, self._session.engine.settings.canary)
        if comparison.crossed:
            raise CheckFailed("; ".join(comparison.crossed), table_of(comparison))
        return comparison

    def _was_down(self, servers: Servers) -> bool:
        return servers[self._slot]["chkdown"] != self._first_downs

    def _counts(self, servers: Servers) -> ProxyCounts:
        return ProxyCounts.of(servers[f"candidate/{self._slot}"]).since(self._first_counts)

    def _miss(self, error: SlipwayError) -> None:
        check_running(self._session.engine.slot(self._slot))
        self._misses += 1
        if self._misses >= MAX_MISSES:
            raise CheckFailed(f"it no longer answers: {error}")

    def _sample(self, slot: str, unanswered: int = 0) -> Sample:
        name = self._session.engine.slot(slot).name
        status, text = self._session.lease.get(name, "/metrics", self._token)
        if status != 200:
            raise SlipwayError(f"{name}: /metrics answers {status}")
        try:
            return read_sample(text, unanswered)
        except ValueError as error:
            raise SlipwayError(f"{name}: {error}") from None


def _unanswered(server: dict[str, str]) -> int:
    """Return the requests that got no answer of a version, which cannot count those itself."""
    return sum(int(server[name] or 0) for name in UNANSWERED)


def table_of(comparison: Comparison) -> list[Section]:
    """Return the section of the summary."""
    rows = [
        [row.name, row.old, row.new, row.limit, "❌" if row.crossed else ""]
        for row in comparison.rows
    ]
    table = Table(["", "old", "new", "limit", ""], rows, frozenset({1, 2, 3}))
    return [Section("Canary", [table])]
