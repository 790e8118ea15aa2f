"""A share of the traffic for the candidate, compared every second with the version that runs."""

from __future__ import annotations

import math
import time

from slipway.deploy.guard import GuardLost
from slipway.deploy.site import Site
from slipway.deploy.slot import Unfit, check_alive
from slipway.deploy.state import FULL, other
from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.prove.canary import Comparison, Histogram, Sample, compare, difference, read_sample

MISSES = 3
"""So many seconds in a row without a look at the candidate are its end."""

NOTHING = Sample(0, 0, Histogram(), Histogram())


def run_canary(site: Site, slot: str, tokens: str) -> tuple[str, str]:
    """Give the candidate its share for the canary's time.

    Returns
    -------
    What it showed, in words and as a section of Markdown.

    Raises
    ------
    Unfit
        It crossed a limit, or died.
    """
    settings = site.engine.settings.canary
    watch = _Watch(site, slot, tokens)
    share = max(1, round(FULL * settings.share))
    site.guard.share({slot: share, other(slot): FULL - share})
    start = time.monotonic()
    comparison = watch.look()
    for second in track(range(1, math.ceil(settings.seconds) + 1), "canary"):
        time.sleep(max(0.0, start + min(second, settings.seconds) - time.monotonic()))
        comparison = watch.look()
    while not watch.well:  # it does not end on a doubt
        time.sleep(1)
        comparison = watch.look()
    return _words(comparison, watch, settings.seconds), table(comparison)


class _Watch:
    """Both versions since the canary began."""

    def __init__(self, site: Site, slot: str, tokens: str) -> None:
        self._site = site
        self._slot = slot
        self._token = tokens.partition(",")[0].strip()
        self._misses = 0
        self.old, self.new = NOTHING, NOTHING
        servers = site.guard.servers()
        self._falls = servers[slot]["chkdown"]
        self._first_new = self._sample(slot, servers)
        try:
            self._first_old = self._sample(other(slot), servers)
        except GuardLost:
            raise
        except SlipwayError:
            self._first_old = NOTHING

    @property
    def well(self) -> bool:
        """Return whether the last look found the candidate answering."""
        return self._misses == 0

    def look(self) -> Comparison:
        """Compare what both have done until now.

        Raises
        ------
        Unfit
            The candidate crossed a limit, died or was down.
        """
        servers = self._site.guard.servers()
        try:
            self.new = difference(self._first_new, self._sample(self._slot, servers))
            self._misses = 0
        except GuardLost:
            raise
        except SlipwayError as error:
            self._missed(error)
        if servers[self._slot]["chkdown"] != self._falls:
            check_alive(self._site.engine, self._slot)
            raise Unfit("it stopped answering the proxy's checks")
        try:
            self.old = difference(self._first_old, self._sample(other(self._slot), servers))
        except GuardLost:
            raise
        except SlipwayError:
            pass  # it does not answer: what it did until then is what there is
        comparison = compare(self.old, self.new, self._site.engine.settings.canary)
        if comparison.crossed:
            raise Unfit("; ".join(comparison.crossed), details=table(comparison))
        return comparison

    def _missed(self, error: SlipwayError) -> None:
        check_alive(self._site.engine, self._slot)
        self._misses += 1
        if self._misses >= MISSES:
            raise Unfit(f"it does not answer any more: {error}")

    def _sample(self, slot: str, servers: dict[str, dict[str, str]]) -> Sample:
        server = servers[slot]
        unanswered = int(server["econ"] or 0) + int(server["eresp"] or 0)
        name = self._site.engine.slot(slot).name
        status, text = self._site.guard.get(name, "/metrics", self._token)
        if status != 200:
            raise SlipwayError(f"{name}: /metrics answers {status}")
        try:
            return read_sample(text, unanswered)
        except ValueError as error:
            raise SlipwayError(f"{name}: {error}") from None


def table(comparison: Comparison) -> str:
    lines = ["### Canary", "", "| | old | new | limit | |", "|---|---:|---:|---:|---|"]
    for row in comparison.rows:
        mark = "❌" if row.crossed else ""
        lines.append(f"| {row.what} | {row.old} | {row.new} | {row.limit} | {mark} |")
    return "\n".join(lines)


def _words(comparison: Comparison, watch: _Watch, seconds: float) -> str:
    counted = (
        f"{watch.new.requests:,} requests to the new version, {watch.old.requests:,} to the old"
    )
    if comparison.enough:
        return f"{seconds:g} s, {counted}: no limit crossed"
    return (
        f"{seconds:g} s, {counted}: too little traffic to compare them; no limit crossed by "
        "what there was"
    )
