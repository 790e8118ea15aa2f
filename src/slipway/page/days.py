"""The predictions day by day, read from the log as a stream: memory does not grow with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.errors import SlipwayError
from slipway.labels.store import read_labels
from slipway.tables import read_columns
from slipway.times import time_or_none

if TYPE_CHECKING:
    from slipway.records import Records

Row = dict[str, Any]


@dataclass
class _Sums:
    rows: int = 0
    scores: float = 0.0
    labels: int = 0
    positives: float = 0.0

    def add(self, score: float, label: float | None) -> None:
        self.rows += 1
        self.scores += score
        if label is not None:
            self.labels += 1
            self.positives += label

    def as_row(self, day: str) -> Row:
        return {
            "day": day,
            "rows": self.rows,
            "mean_score": self.scores / self.rows,
            "labels": self.labels,
            "label_rate": self.positives / self.labels if self.labels else None,
        }


@dataclass(frozen=True)
class Traffic:
    """The predictions by day, or why there are none.

    Parameters
    ----------
    days
        A row for each day (UTC) on which the predicted events were to happen: `day`, `rows`,
        `mean_score`, `labels` and `label_rate` (None without labels).
    missing
        Why there are no days.
    faults
        A sentence for all of the log that was left out.
    """

    days: list[Row]
    missing: str = ""
    faults: Sequence[str] = ()


def read_days(place: str, event_time: str, labels: Mapping[Any, float]) -> Traffic:
    """Return the predictions of each day, or why there are none.

    Parameters
    ----------
    labels
        0.0 or 1.0 by key, where known.
    """
    from slipway.records import Records

    try:
        records = Records(place)
        sums = _sums(records, event_time, labels)
    except SlipwayError as error:
        return Traffic([], f"{error}.")
    faults = records.skipped.sentences()
    if too_many := records.skipped.too_many():
        return Traffic([], f"{place}: {too_many}.", faults)
    days = [sums[day].as_row(day) for day in sorted(sums)]
    return Traffic(days, "" if days else f"{place}: no predictions yet.", faults)


def _sums(records: Records, event_time: str, labels: Mapping[Any, float]) -> dict[str, _Sums]:
    sums: defaultdict[str, _Sums] = defaultdict(_Sums)
    for place, record in records.placed():
        # Where the event has no time of its own, the time of asking stands for it.
        given = record["input"].get(event_time)
        time = time_or_none(record["time"] if given is None else given)
        if time is None:
            records.skipped.untimed.add(1, partial(records.where, place))
            continue
        sums[f"{time:%Y-%m-%d}"].add(record["probability"], labels.get(record["key"]))
    return sums


def known_labels(files: Iterable[Path], store: str = "") -> dict[Any, float]:
    """Return labels by key: from files of whole rows, then from what has arrived in a store."""
    from slipway import contract

    found: dict[Any, float] = {}
    for path in files:
        columns = read_columns([path])
        values = contract.label(columns)
        known = ~np.isnan(values)
        keys = columns[contract.key()][known].tolist()
        found |= dict(zip(keys, values[known].tolist(), strict=True))
    if store:
        arrived = read_labels(store)
        found |= dict(zip(arrived["key"], arrived["label"].astype(float), strict=True))
    return found
