"""Monitoring of the inputs and the score: their rows in the report, and their alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from slipway.monitoring.alarms import Episode, episodes, onset, span_of
from slipway.monitoring.detect import SPANS, Detection, Rule, detect, null
from slipway.monitoring.distances import measure, psi
from slipway.monitoring.messages import MONTHS, Difference, describe, sized
from slipway.monitoring.report import Alarm, Column
from slipway.numbers import counted
from slipway.reference.profile import PREDICTED
from slipway.reference.reference import Reference, Series
from slipway.untrusted import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.monitoring.daily_counts import Day

Row = TypeVar("Row")

# Unseen values in a report, and characters of each.
UNSEEN_SHOWN, VALUE_SHOWN = 10, 1000

# Share and number of rows that break the schema from which a day alarms; the service refuses them.
MOST_BROKEN, FEWEST_BROKEN = 0.01, 10

# Without an alarm, the row describes the newest window of at most this span.
SHOWN_SPAN = SPANS.index(28)


@dataclass(frozen=True)
class Calendar:
    """The days that are monitored, without gaps: dates as datetime64[D], and counts.

    Days without traffic have None.
    """

    dates: np.ndarray
    days: Sequence[Day | None]

    @property
    def rows(self) -> np.ndarray:
        return np.array([day.rows if day else 0 for day in self.days], dtype="float64")

    def counts(self, series: Series) -> np.ndarray:
        """Return the counts of a series' cells, shape (days, cells)."""
        empty = np.zeros(len(series.names))
        return np.array([day.counts[series.name] if day else empty for day in self.days], float)

    def total(self, what: str, name: str) -> np.ndarray:
        """Return the `sums`, or the rows `outside` or `broken`, of each day, shape (days,)."""
        return np.array([getattr(day, what).get(name, 0.0) if day else 0.0 for day in self.days])


@dataclass(frozen=True)
class Monitored(Generic[Row]):
    """A series: its row in the report, its alarms, and the strength of each day (1: an alarm)."""

    row: Row
    alarms: list[Alarm]
    strength: np.ndarray


def monitor_column(
    series: Series,
    calendar: Calendar,
    unseen: Mapping[str, int],
    rule: Rule,
    reference: Reference,
) -> Monitored[Column]:
    """Monitor one series over all days."""
    counts = calendar.counts(series)
    expected = series.expect(calendar.dates)
    detection = detect(counts[None], expected, series.overdispersion, rule)
    hits, strength = _with_broken(detection, calendar, series, rule)
    alarmed = episodes(np.asarray(hits.any(axis=1)))
    windows = _Windows(series, calendar, counts, expected, unseen, rule, reference)
    alarms = [windows.alarm(each, hits[each.at], strength[each.at]) for each in alarmed]
    active = alarmed[-1] if alarmed and not alarmed[-1].over else None
    at = active.last if active else len(counts) - 1
    usable = ~np.isnan(detection.ratio[0, at])
    position = (
        span_of(hits[at], strength[at])
        if active
        else int(np.flatnonzero(usable)[usable[: SHOWN_SPAN + 1].sum() - 1])
        if usable.any()
        else SHOWN_SPAN
    )
    with np.errstate(invalid="ignore"):
        noticed = bool((detection.ratio[0, -1] > 1).any())
    row = windows.row(at, position).model_copy(
        update={
            "status": "drift" if active else "notice" if noticed else "ok",
            "ratio": float(np.nanmax(np.append(detection.ratio[0, at], 0.0))),
        }
    )
    if row.status == "ok":
        row = row.model_copy(update={"words": ""})
    return Monitored(row, alarms, np.nan_to_num(strength).max(axis=1))


def _with_broken(
    detection: Detection, calendar: Calendar, series: Series, rule: Rule
) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows above a limit, and the strength of each; shape (days, spans)."""
    rows = calendar.rows
    strength = np.minimum(detection.ratio[0], detection.psi[0] / max(rule.psi, 1e-9))
    hits = detection.hit[0].copy()
    strength = np.where(hits, np.maximum(strength, 1.0), strength)
    broken = calendar.total("broken", series.name)
    share = broken / np.maximum(rows, 1)
    wrong = (share >= MOST_BROKEN) & (broken >= FEWEST_BROKEN)
    hits[:, 0] |= wrong
    strength[:, 0] = np.where(wrong, np.fmax(strength[:, 0], share / MOST_BROKEN), strength[:, 0])
    return hits, strength


@dataclass(frozen=True)
class _Windows:
    """Describes windows of one series."""

    series: Series
    calendar: Calendar
    counts: np.ndarray
    expected: tuple[np.ndarray, np.ndarray, np.ndarray]
    unseen: Mapping[str, int]
    rule: Rule
    reference: Reference

    def alarm(self, each: Episode, over: np.ndarray, strength: np.ndarray) -> Alarm:
        dates = self.calendar.dates
        began = onset(self.counts, self.expected, self.series.overdispersion, each.at)
        row = self.row(each.at, span_of(over, strength))
        span = counted(row.days, "day")
        return Alarm(
            stream=self.series.name,
            since=str(dates[began]),
            at=str(dates[each.at]),
            until=str(dates[each.last]) if each.over else None,
            strength=round(float(np.nanmax(np.append(strength, 0.0))), 2),
            words=f"{row.words}; {sized(row.psi)} over {span}",
        )

    def row(self, at: int, position: int) -> Column:
        """Return the row of the window that ends on a day."""
        window = self._window(at, SPANS[position])
        counts = self.counts[window].sum(axis=0)
        shares, rows, weeks = self._expected(window)
        n = max(float(counts.sum()), 1.0)
        size = measure(counts, shares, np.asarray(rows))
        cells, overdispersion = len(counts), self.series.overdispersion
        span = np.array(SPANS[position])
        distribution = null(size, np.asarray(weeks), cells, overdispersion, span)
        difference = self._difference(window, counts / n, shares)
        unseen_share = difference.unseen_share
        unseen = list(difference.unseen.items())[:UNSEEN_SHOWN] if unseen_share else []
        words = [describe(difference), self._similar_month(counts, size.psi)]
        return Column(
            name=self.series.name,
            status="ok",
            psi=float(size.psi),
            p_value=float(np.nan_to_num(distribution.tail(size.distance), nan=1.0)),
            ratio=0.0,
            days=window.stop - window.start,
            rows=int(counts.sum()),
            missing_before=float(difference.before[-1]),
            missing_now=float(difference.now[-1]),
            unseen={shorten(value, VALUE_SHOWN): count for value, count in unseen},
            unseen_share=unseen_share,
            outside_share=self._sum("outside", window) / n,
            broken_share=self._sum("broken", window) / n,
            words="; ".join(filter(None, words)),
        )

    def _sum(self, what: str, window: slice) -> float:
        return float(self.calendar.total(what, self.series.name)[window].sum())

    def _window(self, at: int, span: int) -> slice:
        start = max(at - span + 1, 0)
        while start > 0 and self.counts[start : at + 1].sum() < self.rule.min_rows:
            start -= 1
        return slice(start, at + 1)

    def _expected(self, window: slice) -> tuple[np.ndarray, float, float]:
        shares, rows, weeks = (part[window] for part in self.expected)
        n = np.maximum(self.counts[window].sum(axis=1), 1e-9)
        total = n.sum()
        return (
            (n[:, None] * shares).sum(axis=0) / total,
            total / (n / rows).sum(),
            total / (n / weeks).sum(),
        )

    def _difference(self, window: slice, now: np.ndarray, before: np.ndarray) -> Difference:
        profile = self.series.profile
        held = {int(month[5:]) for month in self.reference.holdout}
        others = set(_months(self.calendar.dates[window])) & (set(self.series.months) - held)
        mean_before = mean_now = None
        deviation = profile.get("sd", 0.0) if profile["type"] == "number" else 0.0
        present = float(self.counts[window, :-1].sum())
        if profile["type"] == "number" and present and not others:
            mean_before = profile["mean"]
            mean_now = self._sum("sums", window) / present
        unseen = sorted(self.unseen.items(), key=lambda item: (-item[1], item[0]))
        return Difference(
            self.series.names,
            before,
            now,
            self.series.is_number,
            dict(unseen),
            mean_before,
            mean_now,
            deviation,
        )

    def _similar_month(self, counts: np.ndarray, size: np.ndarray) -> str:
        """Return the month of the history that is much nearer than the reference, if any."""
        if size < self.rule.psi or self.series.name in PREDICTED:
            return ""
        sizes = {month: psi(counts, then) for month, then in self.series.by_month.items()}
        nearest = min(sizes, key=lambda month: sizes[month], default="")
        if not nearest or sizes[nearest] > float(size) / 2:
            return ""
        return f"like {MONTHS[int(nearest[5:]) - 1]} of the past"


def _months(dates: np.ndarray) -> list[int]:
    from slipway.reference.reference import calendar_month

    return [int(month) for month in np.unique(calendar_month(dates))]
