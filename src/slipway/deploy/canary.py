"""A share of the traffic for the candidate, compared every second with the version that runs."""

from __future__ import annotations

import math
import time
from importlib import import_module

from slipway.deploy.guard import GuardLost
from slipway.deploy.site import Site
from slipway.deploy.slot import Unfit, check_alive
from slipway.deploy.state import FULL, Traffic, other
from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.prove.canary import (
    FEWEST_ERRORS,
    UNANSWERED,
    Comparison,
    Histogram,
    Passed,
    Sample,
    compare,
    difference,
    read_sample,
)

MISSES = 3
"""So many looks in a row without an answer of the candidate are its end."""

GLANCE = 0.5
"""Seconds between two looks at what the proxy counted; every other one looks at both versions."""

NOTHING = Sample(0, 0, Histogram(), Histogram())

LITTLE_TRAFFIC = (
    "with so little traffic, raise `deploy.canary.share` or `max_seconds`, lower `min_requests`, "
    "or set `on_inconclusive: go`: then smoke test and shadow decide (docs/deploy.md, “The canary”)"
)


class Inconclusive(SlipwayError):
    """The canary saw too little traffic to compare two versions."""

    def __init__(self, what: str, details: str) -> None:
        super().__init__(what, LITTLE_TRAFFIC)
        self.details = details


def run_canary(site: Site, slot: str, tokens: str) -> tuple[str, str]:
    """Give the candidate its share until the canary's time is over, or evidence stops it.

    Returns
    -------
    The result in words, and as a section of Markdown.

    Raises
    ------
    Unfit
        It crossed a limit, or died.
    Inconclusive
        There was too little traffic, and the settings do not accept that.
    """
    settings = site.engine.settings.canary
    import_module("scipy.stats")  # takes seconds, in which the candidate would not be watched
    watch = _Watch(site, slot, tokens)
    share = max(1, round(FULL * settings.share))
    site.guard.share(Traffic(other(slot), slot, share))
    comparison = watch.until(settings.seconds)
    if not comparison.enough and settings.on_inconclusive == "extend":
        site.say(
            f"canary: {watch.counted()}, and {settings.min_requests:,} of each are needed: "
            f"it goes on for up to {settings.max_seconds:g} s"
        )
        comparison = watch.until(settings.max_seconds, or_enough=True)
    if comparison.enough:
        return f"{watch.counted()}: no limit crossed", table(comparison)
    words = (
        f"inconclusive: {watch.counted()}, and {settings.min_requests:,} of each are needed to "
        "compare them"
    )
    if settings.on_inconclusive != "go":
        raise Inconclusive(words, table(comparison))
    return f"{words}; it goes live all the same (`on_inconclusive: go`)", table(comparison)


class _Watch:
    """Both versions since the canary began."""

    def __init__(self, site: Site, slot: str, tokens: str) -> None:
        self._site = site
        self._slot = slot
        self._token = tokens.partition(",")[0].strip()
        self._misses = 0
        self._begun = time.monotonic()
        self.old, self.new = NOTHING, NOTHING
        servers = site.guard.servers()
        self._falls = servers[slot]["chkdown"]
        self._first_passed = Passed.of(servers[f"candidate/{slot}"])
        self._first_new = self._sample(slot)
        self._own = NOTHING
        try:
            self._first_old = self._sample(other(slot), _unanswered(servers[other(slot)]))
        except GuardLost:
            raise
        except SlipwayError:
            self._first_old = NOTHING

    def counted(self) -> str:
        return (
            f"{self._elapsed():.0f} s, {self.new.answered:,} requests answered by the new version, "
            f"{self.old.answered:,} by the old"
        )

    def until(self, seconds: float, *, or_enough: bool = False) -> Comparison:
        """Look until a time after the canary's begin, or until there was enough traffic.

        Raises
        ------
        Unfit
            The candidate crossed a limit, died or was down.
        """
        glances = range(1, math.ceil(max(0.0, seconds - self._elapsed()) / GLANCE) + 1)
        start = self._elapsed()
        comparison = self._look()
        for glance in track(glances, "canary"):
            moment = min(start + glance * GLANCE, seconds)
            time.sleep(max(0.0, moment - self._elapsed()))
            late = self._elapsed() > seconds  # a machine that is so slow looks less often
            if glance != len(glances) and (late or (glance % 2 and not self._fails())):
                continue
            comparison = self._look()
            if or_enough and comparison.enough and not self._misses:
                return comparison
        while self._misses:  # it does not end on a doubt
            time.sleep(GLANCE)
            comparison = self._look()
        return comparison

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    def _fails(self) -> bool:
        """Return whether the proxy has counted so many failures that both versions are compared."""
        servers = self._site.guard.servers()
        return self._passed(servers).failed >= FEWEST_ERRORS or self._has_fallen(servers)

    def _look(self) -> Comparison:
        """Compare what both have done until now."""
        servers = self._site.guard.servers()
        self._check_up(servers)
        # What the proxy counted comes first: a candidate that hangs takes long to be asked.
        self._look_at_old(servers)
        self.new = self._passed(servers).count(self._own)
        self._check_limits()
        try:
            self._own = difference(self._first_new, self._sample(self._slot))
            self._misses = 0
        except GuardLost:
            raise
        except SlipwayError as error:
            self._missed(error)
        self.new = self._passed(servers).count(self._own, fresh=not self._misses)
        return self._check_limits()

    def _look_at_old(self, servers: dict[str, dict[str, str]]) -> None:
        live = other(self._slot)
        try:
            self.old = difference(self._first_old, self._sample(live, _unanswered(servers[live])))
        except GuardLost:
            raise
        except SlipwayError:
            pass  # it does not answer: what it did until then is what there is

    def _check_limits(self) -> Comparison:
        comparison = compare(self.old, self.new, self._site.engine.settings.canary)
        if comparison.crossed:
            raise Unfit("; ".join(comparison.crossed), details=table(comparison))
        return comparison

    def _check_up(self, servers: dict[str, dict[str, str]]) -> None:
        if self._has_fallen(servers):
            check_alive(self._site.engine, self._slot)
            raise Unfit("it stopped answering the proxy's checks")

    def _has_fallen(self, servers: dict[str, dict[str, str]]) -> bool:
        return servers[self._slot]["chkdown"] != self._falls

    def _passed(self, servers: dict[str, dict[str, str]]) -> Passed:
        return Passed.of(servers[f"candidate/{self._slot}"]).since(self._first_passed)

    def _missed(self, error: SlipwayError) -> None:
        check_alive(self._site.engine, self._slot)
        self._misses += 1
        if self._misses >= MISSES:
            raise Unfit(f"it does not answer any more: {error}")

    def _sample(self, slot: str, unanswered: int = 0) -> Sample:
        name = self._site.engine.slot(slot).name
        status, text = self._site.guard.get(name, "/metrics", self._token)
        if status != 200:
            raise SlipwayError(f"{name}: /metrics answers {status}")
        try:
            return read_sample(text, unanswered)
        except ValueError as error:
            raise SlipwayError(f"{name}: {error}") from None


def _unanswered(server: dict[str, str]) -> int:
    """Return what a version got no answer to out, which it cannot count itself."""
    return sum(int(server[name] or 0) for name in UNANSWERED)


def table(comparison: Comparison) -> str:
    lines = ["### Canary", "", "| | old | new | limit | |", "|---|---:|---:|---:|---|"]
    for row in comparison.rows:
        mark = "❌" if row.crossed else ""
        lines.append(f"| {row.what} | {row.old} | {row.new} | {row.limit} | {mark} |")
    return "\n".join(lines)
