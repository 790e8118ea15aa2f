"""The counts of a log by day of the event, and a sample of rows of each of the newest days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from slipway.numbers import counted
from slipway.predictions.files import Count, Skipped

if TYPE_CHECKING:
    from slipway.reference.reference import Reference

# Unseen values of a column, and other models, that are counted by name; the rest is summed.
NAMES_KEPT = 1000

# The name of that rest.
MORE = "others"

# Rows of a day in its sample, and days that have a sample.
SAMPLE_A_DAY, SAMPLE_DAYS = 300, 35

# An event later than this after now is taken for an error of a clock.
AHEAD = timedelta(days=366)

# Days without traffic that split a log: as many as the longest window has.
GAP = 56


@dataclass
class Day:
    """The counts of one day: of each series' cells, and of values that do not fit.

    `groups` has those of protected groups by attribute, shape (groups + 1, decisions).
    """

    rows: int
    counts: dict[str, np.ndarray] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    groups: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, other: Day) -> None:
        self.rows += other.rows
        for name, counts in other.counts.items():
            self.counts[name] += counts
        for name, counts in other.groups.items():
            self.groups[name] = self.groups.get(name, 0) + counts
        for what in ("sums", "outside", "broken"):
            mine = getattr(self, what)
            for name, value in getattr(other, what).items():
                mine[name] = mine.get(name, 0) + value


@dataclass(frozen=True)
class Sample:
    """A random sample of the rows of a day, which does not depend on how the log was read.

    The rows with the smallest sampling keys, the hashes of their ids, are kept. Arrays have shape
    (rows,).
    """

    keys: np.ndarray
    columns: Mapping[str, np.ndarray]

    def merged(self, later: Sample) -> Sample:
        """Return the sample of both, in the order of the log."""
        keys = np.concatenate([self.keys, later.keys])
        kept = smallest(keys)
        columns = {
            name: np.concatenate([values, later.columns[name]])[kept]
            for name, values in self.columns.items()
        }
        return Sample(keys[kept], columns)


def smallest(keys: np.ndarray) -> np.ndarray:
    """Return the positions of the smallest `SAMPLE_A_DAY` keys, ascending."""
    if len(keys) <= SAMPLE_A_DAY:
        return np.arange(len(keys))
    return np.sort(np.argpartition(keys, SAMPLE_A_DAY)[:SAMPLE_A_DAY])


@dataclass
class DailyCounts:
    """The counts of a whole log.

    Days are numbered since 1970, by the event, in the time zone of the model. `others` counts
    records of other models, `unseen` values that the reference does not have by series, `wrong`
    values of a wrong type and `lacking` missing required values by input; `written` has the first
    and last time of writing. `ahead`, `early`, `undated` and `back` count events too far in the
    future, before the training data and without a time, and how often the clock of the service
    went back.
    """

    days: dict[int, Day] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)
    samples: dict[int, Sample] = field(default_factory=dict)
    written: tuple[str, str] = ("", "")
    skipped: Skipped = field(default_factory=Skipped)
    wrong: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, Count] = field(default_factory=dict)
    ahead: int = 0
    early: int = 0
    undated: int = 0
    back: int = 0

    def merge(self, part: DailyCounts) -> None:
        """Add the counts of a later part of the log."""
        for number, day in part.days.items():
            if number in self.days:
                self.days[number].add(day)
            else:
                self.days[number] = day
        for number, sample in part.samples.items():
            known = self.samples.get(number)
            self.samples[number] = known.merged(sample) if known else sample
        for number in sorted(self.samples)[:-SAMPLE_DAYS]:
            del self.samples[number]
        _add_names(self.others, part.others, MORE)
        for name, counts in part.unseen.items():
            _add_names(self.unseen.setdefault(name, {}), counts)
        for name, count in part.wrong.items():
            self.wrong[name] = self.wrong.get(name, 0) + count
        self.skipped.merge(part.skipped)
        for name, lacking in part.lacking.items():
            self.lacking.setdefault(name, Count()).merge(lacking)
        for name in ("ahead", "early", "undated", "back"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        if part.written[0]:
            first, last = self.written
            start = min(first or part.written[0], part.written[0])
            self.written = (start, max(last, part.written[1]))

    def faults(self, reference: Reference, now: datetime) -> list[str]:
        """Return a sentence for each problem of the log, the most serious first."""
        return [*self.skipped.sentences(), *self._faults(reference, now)]

    def _faults(self, reference: Reference, now: datetime) -> Iterator[str]:
        for name, count in sorted(self.wrong.items()):
            kind = next(each["type"] for each in reference.inputs if each["name"] == name)
            yield f"`{name}` is not a {kind} in {counted(count, 'record')}; there it is missing."
        if self.ahead:
            latest = latest_day(reference, now)
            yield (
                f"{counted(self.ahead, 'event is', 'events are')} after {latest}; "
                "not counted. Check the clocks and the years."
            )
        if self.early:
            yield (
                f"{counted(self.early, 'event is', 'events are')} before {reference.starts}, the "
                "first month of the model's data; not counted. Check the clocks."
            )
        if self.undated:
            yield (
                f"{counted(self.undated, 'record has', 'records have')} no event time; the time of "
                "the request is used instead."
            )
        if self.back:
            yield (
                f"the service's clock went back {counted(self.back, 'time')}; event times are not "
                "affected."
            )
        for name, lacking in sorted(self.lacking.items()):
            yield (
                f"`{name}` is missing in {counted(lacking.number, 'record')}, and the model's "
                "schema requires it: written by an older schema, or another program. The first: "
                f"{lacking.first}."
            )

    def latest_span(self, min_rows: int) -> tuple[list[int], int]:
        """Return the days of the newest span of traffic, and the rows of all other days.

        Days that are months away from all others come from a wrong clock or an earlier replay.
        """
        days = sorted(self.days)
        if not days:
            return [], 0
        cuts = np.flatnonzero(np.diff(days) > GAP) + 1
        spans = [span.tolist() for span in np.split(np.array(days), cuts)]
        sizes = [sum(self.days[day].rows for day in span) for span in spans]
        enough = [position for position, size in enumerate(sizes) if size >= min_rows]
        chosen = enough[-1] if enough else int(np.argmax(sizes))
        return spans[chosen], sum(sizes) - sizes[chosen]


def local_day(moment: datetime, reference: Reference) -> date:
    """Return the day of a moment in the time zone of the model."""
    return moment.astimezone(ZoneInfo(reference.time_zone)).date()


def latest_day(reference: Reference, now: datetime) -> date:
    """Return the last day on which an event is plausible."""
    return local_day(now + AHEAD, reference)


def _add_names(mine: dict[str, int], theirs: dict[str, int], rest: str = "") -> None:
    """Add counts by name; beyond `NAMES_KEPT` names they are counted as `rest`, if it is given."""
    for name, count in theirs.items():
        kept = name if name in mine or len(mine) < NAMES_KEPT else rest
        if kept:
            mine[kept] = mine.get(kept, 0) + count
