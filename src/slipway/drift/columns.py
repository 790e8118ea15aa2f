"""Every column and the score, watched over the days of the log: a row and the alarms of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.drift.alarms import Episode, episodes, since, span_of
from slipway.drift.detect import SPANS, Rule, Watched, null, watch
from slipway.drift.effect import measure, psi
from slipway.drift.reference import SCORE, UNSEEN, Reference, Stream
from slipway.drift.words import MONTHS, Moved, sized, what_moved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.drift.tallies import Day

UNSEEN_SHOWN = 10

# Rows of a day that break the schema, from which on the day alarms: the service refuses all such.
MOST_BROKEN, FEWEST_BROKEN = 0.01, 10

# What is not an alarm is told of the newest window up to this long.
SHOWN_SPAN = SPANS.index(28)

Row = dict[str, Any]


@dataclass(frozen=True)
class Calendar:
    """The days that are judged, without gaps.

    Parameters
    ----------
    dates
        datetime64[D], shape (days,).
    days
        What was counted; None for a day without traffic.
    """

    dates: np.ndarray
    days: Sequence[Day | None]

    @property
    def rows(self) -> np.ndarray:
        return np.array([day.rows if day else 0 for day in self.days], dtype="float64")

    def counts(self, stream: Stream) -> np.ndarray:
        """Return the counts of a stream's cells, shape (days, cells)."""
        empty = np.zeros(len(stream.names))
        return np.array([day.counts[stream.name] if day else empty for day in self.days], float)

    def total(self, what: str, name: str) -> np.ndarray:
        """Return the `sums`, the rows `outside` or those `broken` of each day, shape (days,)."""
        return np.array([getattr(day, what).get(name, 0.0) if day else 0.0 for day in self.days])


@dataclass(frozen=True)
class Judged:
    """One stream: its row in the report, its alarms, and how near each day came to one."""

    row: Row
    alarms: list[Row]
    strength: np.ndarray


def judge_column(
    stream: Stream,
    calendar: Calendar,
    unseen: Mapping[str, int],
    rule: Rule,
    reference: Reference,
) -> Judged:
    """Watch one stream over all days and tell what is to be told."""
    counts = calendar.counts(stream)
    expected = stream.expect(calendar.dates)
    watched = watch(counts[None], expected, stream.wobble, rule)
    hits, strength = _with_broken(watched, calendar, stream, rule)
    found = episodes(np.asarray(hits.any(axis=1)))
    teller = _Teller(stream, calendar, counts, expected, unseen, rule, reference)
    alarms = [teller.alarm(each, hits[each.at], strength[each.at]) for each in found]
    active = found[-1] if found and not found[-1].over else None
    at = active.last if active else len(counts) - 1
    usable = ~np.isnan(watched.ratio[0, at])
    position = (
        span_of(hits[at], strength[at])
        if active
        else int(np.flatnonzero(usable)[usable[: SHOWN_SPAN + 1].sum() - 1])
        if usable.any()
        else SHOWN_SPAN
    )
    row = teller.row(at, position)
    with np.errstate(invalid="ignore"):
        noticed = bool((watched.ratio[0, -1] > 1).any())
    row["status"] = "drift" if active else "notice" if noticed else "ok"
    row["ratio"] = float(np.nanmax(np.append(watched.ratio[0, at], 0.0)))
    if row["status"] == "ok":
        row["words"] = ""
    return Judged(row, alarms, np.nan_to_num(strength).max(axis=1))


def _with_broken(
    watched: Watched, calendar: Calendar, stream: Stream, rule: Rule
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is over a limit, and how near each window came to it; shape (days, spans)."""
    rows = calendar.rows
    strength = np.minimum(watched.ratio[0], watched.psi[0] / max(rule.psi, 1e-9))
    hits = watched.hit[0].copy()
    strength = np.where(hits, np.maximum(strength, 1.0), strength)
    broken = calendar.total("broken", stream.name)
    share = broken / np.maximum(rows, 1)
    wrong = (share >= MOST_BROKEN) & (broken >= FEWEST_BROKEN)
    hits[:, 0] |= wrong
    strength[:, 0] = np.where(wrong, np.fmax(strength[:, 0], share / MOST_BROKEN), strength[:, 0])
    return hits, strength


@dataclass(frozen=True)
class _Teller:
    stream: Stream
    calendar: Calendar
    counts: np.ndarray
    expected: tuple[np.ndarray, np.ndarray, np.ndarray]
    unseen: Mapping[str, int]
    rule: Rule
    reference: Reference

    def alarm(self, each: Episode, over: np.ndarray, strength: np.ndarray) -> Row:
        dates = self.calendar.dates
        position = span_of(over, strength)
        began = since(self.counts, self.expected, self.stream.wobble, each.at)
        told = self.row(each.at, position)
        span = "1 day" if told["days"] == 1 else f"{told['days']} days"
        words = f"{told['words']}; {sized(told['psi'])} over {span}"
        return {
            "stream": self.stream.name,
            "since": str(dates[began]),
            "at": str(dates[each.at]),
            "until": str(dates[each.last]) if each.over else None,
            "strength": round(float(np.nanmax(np.append(strength, 0.0))), 2),
            "words": words,
        }

    def row(self, at: int, position: int) -> Row:
        """Return what is to be told of the window that ends on a day."""
        window = self._window(at, SPANS[position])
        counts = self.counts[window].sum(axis=0)
        shares, rows, weeks = self._wanted(window)
        n = max(float(counts.sum()), 1.0)
        size = measure(counts, shares, np.asarray(rows))
        calm = null(
            size, np.asarray(weeks), len(counts), self.stream.wobble, np.array(SPANS[position])
        )
        moved = self._moved(window, counts / n, shares)
        share_of_unseen = (
            float(moved.now[moved.names.index(UNSEEN)]) if UNSEEN in moved.names else 0.0
        )
        return {
            "name": self.stream.name,
            "status": "ok",
            "psi": float(size.psi),
            "p_value": float(calm.tail(size.distance)),
            "ratio": 0.0,
            "days": window.stop - window.start,
            "rows": int(counts.sum()),
            "missing_before": float(moved.before[-1]),
            "missing_now": float(moved.now[-1]),
            "unseen": dict(list(moved.unseen.items())[:UNSEEN_SHOWN]) if share_of_unseen else {},
            "unseen_share": share_of_unseen,
            "outside_share": float(self.calendar.total("outside", self.stream.name)[window].sum())
            / n,
            "broken_share": float(self.calendar.total("broken", self.stream.name)[window].sum())
            / n,
            "words": "; ".join(filter(None, [what_moved(moved), self._like(counts, size.psi)])),
        }

    def _window(self, at: int, span: int) -> slice:
        start = max(at - span + 1, 0)
        while start > 0 and self.counts[start : at + 1].sum() < self.rule.min_rows:
            start -= 1
        return slice(start, at + 1)

    def _wanted(self, window: slice) -> tuple[np.ndarray, float, float]:
        shares, rows, weeks = (part[window] for part in self.expected)
        n = np.maximum(self.counts[window].sum(axis=1), 1e-9)
        total = n.sum()
        return (
            (n[:, None] * shares).sum(axis=0) / total,
            total / (n / rows).sum(),
            total / (n / weeks).sum(),
        )

    def _moved(self, window: slice, now: np.ndarray, before: np.ndarray) -> Moved:
        profile = self.stream.profile
        is_number = profile["type"] == "number"
        held = {int(month[5:]) for month in self.reference.holdout}
        others = set(_months(self.calendar.dates[window])) & (set(self.stream.months) - held)
        mean_before = mean_now = None
        present = float(self.counts[window, :-1].sum())
        if is_number and present and not others:
            mean_before = profile["mean"]
            mean_now = float(self.calendar.total("sums", self.stream.name)[window].sum()) / present
        unseen = sorted(self.unseen.items(), key=lambda item: (-item[1], item[0]))
        return Moved(
            self.stream.names,
            before,
            now,
            is_number,
            dict(unseen),
            mean_before,
            mean_now,
            profile.get("sd", 0.0),
        )

    def _like(self, counts: np.ndarray, size: np.ndarray) -> str:
        """Return which month of the past it is like, if one is much nearer than the reference."""
        if size < self.rule.psi or self.stream.name == SCORE:
            return ""
        found = {month: psi(counts, then) for month, then in self.stream.by_month.items()}
        nearest = min(found, key=lambda month: found[month], default="")
        if not nearest or found[nearest] > float(size) / 2:
            return ""
        return f"like {MONTHS[int(nearest[5:]) - 1]} of the past"


def _months(dates: np.ndarray) -> list[int]:
    from slipway.drift.reference import calendar_month

    return [int(month) for month in np.unique(calendar_month(dates))]
