"""The predictions day by day, read from the log as a stream: memory does not grow with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.errors import SlipwayError
from slipway.labels import read_labels
from slipway.tables import read_columns

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

CHUNK = 20_000  # records in memory at once


@dataclass
class _Sums:
    rows: int = 0
    scores: float = 0.0
    labels: int = 0
    positives: float = 0.0

    def add(self, part: Mapping[Any, Any]) -> None:
        self.rows += int(part["rows"])
        self.scores += float(part["scores"])
        self.labels += int(part["labels"])
        self.positives += float(part["positives"])

    def as_row(self, day: str) -> Row:
        return {
            "day": day,
            "rows": self.rows,
            "mean_score": self.scores / self.rows,
            "labels": self.labels,
            "label_rate": self.positives / self.labels if self.labels else None,
        }


def read_days(place: str, event_time: str, labels: Mapping[Any, float]) -> tuple[list[Row], str]:
    """Return the predictions of each day, or why there are none.

    Parameters
    ----------
    labels
        0.0 or 1.0 by key, where known.

    Returns
    -------
    A row for each day (UTC) on which the predicted events were to happen: `day`, `rows`,
    `mean_score`, `labels` and `label_rate` (None without labels); and a sentence, or ''.
    """
    from slipway.records import Records

    sums: defaultdict[str, _Sums] = defaultdict(_Sums)
    try:
        for chunk in _chunks(Records(place)):
            for day, part in _of_chunk(chunk, event_time, labels).iterrows():
                sums[str(day)].add(part.to_dict())
    except SlipwayError as error:
        return [], f"{error}."
    days = [sums[day].as_row(day) for day in sorted(sums)]
    return days, "" if days else f"{place}: no predictions yet."


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


def _of_chunk(records: list[Row], event_time: str, labels: Mapping[Any, float]) -> pd.DataFrame:
    import pandas as pd

    # Where the event has no time of its own, the time of asking stands for it.
    times = [record["input"].get(event_time) or record["time"] for record in records]
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(times, utc=True, format="ISO8601").strftime("%Y-%m-%d"),
            "score": [record["probability"] for record in records],
            "label": [labels.get(record["key"], np.nan) for record in records],
        }
    )
    by_day = frame.groupby("day")
    return by_day.agg(
        rows=("score", "size"),
        scores=("score", "sum"),
        labels=("label", "count"),
        positives=("label", "sum"),
    )


def _chunks(records: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(records)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
