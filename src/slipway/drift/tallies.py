"""What is kept of a log: counts of each day, and of the newest days some rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from slipway.log_files import Count, Skipped

# Names of values never seen before that are kept for each column; others are only counted.
NAMES_KEPT = 1000

# The name of all others.
MORE = "others"

# Rows of one day that the joint test may look at, and days of which rows are kept.
SAMPLE_A_DAY, SAMPLE_DAYS = 300, 35


@dataclass
class Day:
    """What was seen of one day: counts of each stream's cells, and what does not fit."""

    rows: int
    counts: dict[str, np.ndarray]
    sums: dict[str, float]
    outside: dict[str, int]
    broken: dict[str, int]

    def add(self, other: Day) -> None:
        self.rows += other.rows
        for name, counts in other.counts.items():
            self.counts[name] += counts
        for what in ("sums", "outside", "broken"):
            mine = getattr(self, what)
            for name, value in getattr(other, what).items():
                mine[name] = mine.get(name, 0) + value


@dataclass(frozen=True)
class Sample:
    """Rows of one day, drawn by lot, so that they do not depend on how the log was read.

    Parameters
    ----------
    lots
        One for each row, shape (rows,); the smallest win.
    columns
        By stream, each of shape (rows,).
    """

    lots: np.ndarray
    columns: Mapping[str, np.ndarray]

    def and_later(self, other: Sample) -> Sample:
        """Return what both keep, in their order."""
        lots = np.concatenate([self.lots, other.lots])
        won = winners(lots)
        both = {
            name: np.concatenate([values, other.columns[name]])[won]
            for name, values in self.columns.items()
        }
        return Sample(lots[won], both)


def winners(lots: np.ndarray) -> np.ndarray:
    """Return the rows that a day keeps, in their order, shape (`SAMPLE_A_DAY`,) or fewer."""
    if len(lots) <= SAMPLE_A_DAY:
        return np.arange(len(lots))
    return np.sort(np.argpartition(lots, SAMPLE_A_DAY)[:SAMPLE_A_DAY])


@dataclass
class Tallies:
    """A log, read once.

    Parameters
    ----------
    days
        By day of the event, as days since 1970.
    others
        Records of other models.
    unseen
        Names of values that the reference does not have, and their rows, by stream.
    samples
        Some rows by day; the newest days only.
    written
        First and last time that a record was written.
    skipped
        What of the log was not used.
    records
        Those that were counted once, whatever their model.
    lacking
        By input that must have a value: records without one, and where the first is.
    """

    days: dict[int, Day] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)
    samples: dict[int, Sample] = field(default_factory=dict)
    written: tuple[str, str] = ("", "")
    skipped: Skipped = field(default_factory=Skipped)
    records: int = 0
    wrong: dict[str, int] = field(default_factory=dict)
    lacking: dict[str, Count] = field(default_factory=dict)
    ahead: int = 0
    early: int = 0
    undated: int = 0
    back: int = 0

    def merge(self, part: Tallies) -> None:
        """Add what another block of the log holds, which is later in it."""
        for each, day in part.days.items():
            if each in self.days:
                self.days[each].add(day)
            else:
                self.days[each] = day
        for each, sample in part.samples.items():
            known = self.samples.get(each)
            self.samples[each] = known.and_later(sample) if known else sample
        for each in sorted(self.samples)[:-SAMPLE_DAYS]:
            del self.samples[each]
        _merge_names(self.others, part.others, MORE)
        for name, counts in part.unseen.items():
            _merge_names(self.unseen[name], counts)
        for name, count in part.wrong.items():
            self.wrong[name] = self.wrong.get(name, 0) + count
        for name in ("records", "ahead", "early", "undated", "back"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        if part.written[0]:
            first, last = self.written
            self.written = (
                min(first or part.written[0], part.written[0]),
                max(last, part.written[1]),
            )


def _merge_names(mine: dict[str, int], theirs: dict[str, int], rest: str = "") -> None:
    """Add counts by name; names that are too many are counted together as `rest`, if at all."""
    for name, count in theirs.items():
        kept = name if name in mine or len(mine) < NAMES_KEPT else rest
        if kept:
            mine[kept] = mine.get(kept, 0) + count
