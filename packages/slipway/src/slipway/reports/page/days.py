"""The predictions by day, in memory that does not grow with the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway.dataset.csv_format import FOUND, Stated
from slipway.dataset.tables import read_columns
from slipway.errors import SlipwayError
from slipway.predictions.files import Skipped
from slipway.predictions.labels.store import read_labels

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.predictions.reader import Batch

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


def read_days(place: str, event_time: str | None, labels: Mapping[Any, float]) -> Traffic:
    """Return the predictions of each day, or why there are none.

    Parameters
    ----------
    event_time
        The input with the time of the event; None: the time of the request is used.
    labels
        0.0 or 1.0 by key, where known.
    """
    from slipway.predictions.reader import read_batches

    skipped, sums = Skipped(), defaultdict[str, _Sums](_Sums)
    inputs = [{"name": event_time, "type": "timestamp", "unique": False}] if event_time else []
    try:
        for batch in read_batches(place, skipped, inputs):
            _add(batch, event_time, labels, skipped, sums)
    except SlipwayError as error:
        return Traffic([], f"{error}.")
    days = [sums[day].as_row(day) for day in sorted(sums)]
    return Traffic(days, "" if days else f"{place}: no predictions yet.", skipped.sentences())


def _add(
    batch: Batch,
    event_time: str | None,
    labels: Mapping[Any, float],
    skipped: Skipped,
    sums: defaultdict[str, _Sums],
) -> None:
    """Add the records of a batch to the sums of their days."""
    import pyarrow.compute as pc

    from slipway.predictions.reader import INPUT, ROW, UNREADABLE, read_times

    table = batch.traffic
    # Without an event time, the time of the request is used.
    own = [table[f"{INPUT}{event_time}"]] if event_time else []
    times = pc.coalesce(*own, table["time"])
    moments = read_times(times.combine_chunks())
    readable = moments != UNREADABLE
    if not readable.all():
        first = table[ROW][int(np.argmin(readable))].as_py()
        skipped.untimed.add(int((~readable).sum()), partial(batch.where, first))
    days = moments.astype("datetime64[us]").astype("datetime64[D]").astype(str)
    scores = table["probability"].to_pylist()
    known = _labels(table["key"], labels)
    for row in np.flatnonzero(readable).tolist():
        sums[days[row]].add(scores[row], known[row])


def _labels(keys: pa.ChunkedArray, labels: Mapping[Any, float]) -> list[float | None]:
    if not labels:
        return [None] * len(keys)
    return [labels.get(orjson.loads(key)) for key in keys.to_pylist()]


def known_labels(
    files: Iterable[Path], store: str = "", stated: Stated = FOUND
) -> dict[Any, float]:
    """Return labels by key: from files of whole rows, then from what has arrived in a store.

    Rows without a key are not those of a prediction.
    """
    from slipway import project

    found: dict[Any, float] = {}
    for path in files if project.key_columns() else ():
        columns = read_columns([path], stated=stated)
        values = project.label(columns)
        known = ~np.isnan(values)
        keys = project.row_keys(columns)[known].tolist()
        found |= dict(zip(keys, values[known].tolist(), strict=True))
    if store:
        arrived = read_labels(store)
        found |= dict(zip(arrived["key"], arrived["label"].astype(float), strict=True))
    return found
