"""The last requests of a prediction log."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
from slipway.records import Records

# Days of the log in which a model is looked for that has answered nothing since.
LOOK_BACK = 31


@dataclass(frozen=True)
class Newest:
    """What one model was asked last.

    Attributes
    ----------
    live
        sha256 of the model that answered.
    records
        As the log has them, oldest first.
    others
        Records of other models met on the way, by sha256.
    faults
        A sentence for all of the log that was left out on the way.
    """

    live: str
    records: list[dict[str, Any]]
    others: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def newest(url: str | Path, rows: int, live: str = "") -> Newest:
    """Return the last `rows` requests that a model answered, or as many as there are.

    The log is read from its newest day back to the day on which the model began, and no more
    than `rows` records of each model are held.

    Parameters
    ----------
    live
        sha256 of the model; that of the newest record if empty.

    Raises
    ------
    SlipwayError
        There is no such folder, a file of it is damaged, or there is no record of that model.
    """
    log = Records(str(url))
    held: dict[str, list[tuple[str, int, dict[str, Any]]]] = {}
    seen: Counter[str] = Counter()
    order = count()
    # Files that are not named after a day may hold any: they come with the newest.
    for days, day in enumerate(sorted(log.days(), key=lambda day: day or "9999", reverse=True)):
        before = seen[live]
        for record in log.of_day(day):
            model = record["model"]
            seen[model] += 1
            heap = held.setdefault(model, [])
            entry = (record["id"], next(order), record)
            if len(heap) < rows:
                heapq.heappush(heap, entry)
            elif record["id"] > heap[0][0]:
                heapq.heapreplace(heap, entry)
        live = live or (max(held, key=lambda model: max(held[model])[0]) if held else "")
        if not day:
            continue
        complete = len(held.get(live, ())) >= rows
        began_later = held.get(live) and seen[live] == before
        if complete or began_later or days >= LOOK_BACK:
            break
    if not held.get(live):
        of_whom = f" of model {live[:12]}" if live else ""
        raise SlipwayError(
            f"{url}: no prediction{of_whom} in this log",
            "name the log of the service that answers now with --log",
        )
    del seen[live]
    records = [record for _, _, record in sorted(held[live])]
    return Newest(live, records, dict(seen), log.skipped.sentences())
