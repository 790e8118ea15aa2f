"""What is kept of a log: counts of each day, and of the newest days some rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from slipway.drift.records import Line

# Names of values never seen before that are kept for each column; others are only counted.
NAMES_KEPT = 1000

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
        Columns of some rows by day; the newest days only.
    written
        First and last time that a record was written.
    """

    days: dict[int, Day] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)
    samples: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    written: tuple[str, str] = ("", "")
    records: int = 0
    torn: int = 0
    unreadable: int = 0
    first_unreadable: Line | None = None
    wrong: dict[str, int] = field(default_factory=dict)
    ahead: int = 0
    early: int = 0
    timeless: int = 0
    back: int = 0

    def merge(self, part: Tallies, random: np.random.Generator) -> None:
        """Add what another block of the log holds, which is later in it."""
        for each, day in part.days.items():
            before = self.days.get(each)
            _merge_sample(self, part, each, before.rows if before else 0, day.rows, random)
            if before is None:
                self.days[each] = day
            else:
                before.add(day)
        for each in sorted(self.samples)[:-SAMPLE_DAYS]:
            del self.samples[each]
        for model, count in part.others.items():
            self.others[model] = self.others.get(model, 0) + count
        for name, strangers in part.unseen.items():
            _merge_names(self.unseen[name], strangers)
        for name, count in part.wrong.items():
            self.wrong[name] = self.wrong.get(name, 0) + count
        for name in ("records", "torn", "unreadable", "ahead", "early", "timeless", "back"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.first_unreadable = self.first_unreadable or part.first_unreadable
        if part.written[0]:
            first, last = self.written
            self.written = (
                min(first or part.written[0], part.written[0]),
                max(last, part.written[1]),
            )


def _merge_sample(
    whole: Tallies, part: Tallies, each: int, before: int, now: int, random: np.random.Generator
) -> None:
    """Keep rows of both in proportion to what they stand for."""
    if each not in part.samples:
        return
    if each not in whole.samples:
        whole.samples[each] = part.samples[each]
        return
    old, new = whole.samples[each], part.samples[each]
    sizes = [len(next(iter(some.values()))) for some in (old, new)]
    wanted = min(SAMPLE_A_DAY, sum(sizes))
    fresh = min(sizes[1], max(wanted - sizes[0], round(wanted * now / (before + now))))
    keep_old = np.sort(random.permutation(sizes[0])[: wanted - fresh])
    keep_new = np.sort(random.permutation(sizes[1])[:fresh])
    whole.samples[each] = {
        name: np.concatenate([old[name][keep_old], new[name][keep_new]]) for name in old
    }


def _merge_names(mine: dict[str, int], theirs: dict[str, int]) -> None:
    for name, count in theirs.items():
        if name in mine or len(mine) < NAMES_KEPT:
            mine[name] = mine.get(name, 0) + count
