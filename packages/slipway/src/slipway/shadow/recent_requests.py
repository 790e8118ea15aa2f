"""The newest requests of a prediction log."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

from slipway.errors import SlipwayError
from slipway.predictions.lines import Records
from slipway.predictions.record import Record

# Days of the log that are searched for a model that no longer answers.
MAX_DAYS = 31


@dataclass(frozen=True)
class RecentRequests:
    """The newest requests of one model.

    Attributes
    ----------
    live
        sha256 of the model that answered.
    records
        Of the log, oldest first.
    others
        Number of records of other models in the same days, by sha256.
    faults
        A sentence for each part of the log that was left out.
    """

    live: str
    records: list[Record]
    others: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class _Entry(NamedTuple):
    id: str
    order: int
    record: Record


def recent_requests(url: str | Path, rows: int, live: str = "") -> RecentRequests:
    """Return the newest `rows` requests that a model answered, or fewer if there are no more.

    The log is read from its newest day back to the model's first day. At most `rows` records of
    each model are in memory.

    Parameters
    ----------
    live
        sha256 of the model; that of the newest record if empty.
    """
    log = Records(str(url))
    held: dict[str, list[_Entry]] = {}
    seen: Counter[str] = Counter()
    order = count()
    # Files that are not named after a day may have records of any day: they are read first.
    for days, day in enumerate(sorted(log.days(), key=lambda day: day or "9999", reverse=True)):
        before = seen[live]
        for record in log.of_day(day):
            model = record["model"]
            seen[model] += 1
            heap = held.setdefault(model, [])
            entry = _Entry(record["id"], next(order), record)
            if len(heap) < rows:
                heapq.heappush(heap, entry)
            elif record["id"] > heap[0][0]:
                heapq.heapreplace(heap, entry)
        live = live or (max(held, key=lambda model: max(held[model])[0]) if held else "")
        if not day:
            continue
        complete = len(held.get(live, ())) >= rows
        began_later = held.get(live) and seen[live] == before
        if complete or began_later or days >= MAX_DAYS:
            break
    if not held.get(live):
        of_model = f" of model {live[:12]}" if live else ""
        raise SlipwayError(
            f"{url}: no prediction{of_model} in this log",
            "name the log of the live service with --log",
        )
    del seen[live]
    records = [record for _, _, record in sorted(held[live])]
    return RecentRequests(live, records, dict(seen), log.skipped.sentences())
