"""What is wrong with a log, in sentences; and which of its days are one stretch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from slipway.drift.windows import AHEAD

if TYPE_CHECKING:
    from slipway.drift.reference import Reference
    from slipway.drift.tallies import Tallies

# Days without traffic that end a stretch of the log: no window is longer.
GAP = 56


def faults(tallies: Tallies, reference: Reference, now: datetime) -> list[str]:
    """Return every fault of a log that was read, the worst first."""
    return list(_faults(tallies, reference, now))


def _faults(tallies: Tallies, reference: Reference, now: datetime) -> Iterator[str]:
    yield from tallies.skipped.sentences()
    for name, count in sorted(tallies.wrong.items()):
        kind = next(each["type"] for each in reference.inputs if each["name"] == name)
        yield f"`{name}` holds what is no {kind} in {count:,} records; they count as missing."
    if tallies.ahead:
        yield (
            f"{tallies.ahead:,} events lie after {(now + AHEAD).date()}; they were not counted. "
            "Is a clock wrong, or a year?"
        )
    if tallies.early:
        yield (
            f"{tallies.early:,} events lie before {reference.starts}, where the model's data "
            "begin; they were not counted. Is a clock wrong?"
        )
    if tallies.undated:
        yield (
            f"{tallies.undated:,} records have no time of their event; the time of writing stands "
            "for it."
        )
    if tallies.back:
        yield f"the service's clock went back {tallies.back:,} times; events have their own times."
    for name, lacking in sorted(tallies.lacking.items()):
        yield (
            f"`{name}` is missing in {lacking.number:,} records, and the model's schema asks for "
            f"it: an older schema, or another program, wrote them. The first: {lacking.first}."
        )


def stretch(tallies: Tallies, min_rows: int) -> tuple[list[int], int]:
    """Return the days of the newest stretch of traffic, and the rows of all other days.

    Days that stand alone, months from the others, are a wrong clock or an earlier replay.
    """
    days = sorted(tallies.days)
    if not days:
        return [], 0
    cuts = np.flatnonzero(np.diff(days) > GAP) + 1
    parts = [part.tolist() for part in np.split(np.array(days), cuts)]
    sizes = [sum(tallies.days[day].rows for day in part) for part in parts]
    enough = [position for position, size in enumerate(sizes) if size >= min_rows]
    chosen = enough[-1] if enough else int(np.argmax(sizes))
    return parts[chosen], sum(sizes) - sizes[chosen]
