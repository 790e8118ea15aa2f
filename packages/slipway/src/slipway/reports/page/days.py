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
from slipway.dataset.periods import local_days
from slipway.dataset.tables import read_columns
from slipway.errors import SlipwayError
from slipway.predictions.answers import answers_of
from slipway.predictions.files import Skipped
from slipway.predictions.labels.store import read_labels
from slipway.reference.reference import zone_of
from slipway.schema.checks import InputSpec
from slipway.tasks import Task, task_of

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.manifest import Manifest
    from slipway.predictions.reader import Batch


@dataclass(frozen=True)
class Day:
    """The predictions of the events of a day (YYYY-MM-DD), in the time zone of the model.

    `label_rate` is None without labels.
    """

    day: str
    rows: int
    mean_score: float
    labels: int
    label_rate: float | None


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

    def of_day(self, day: str) -> Day:
        rate = self.positives / self.labels if self.labels else None
        return Day(day, self.rows, self.scores / self.rows, self.labels, rate)


@dataclass(frozen=True)
class Traffic:
    """The predictions by day, or why there are none.

    Parameters
    ----------
    days
        Each day on which predicted events were to happen.
    missing
        Why there are no days.
    faults
        A sentence for all of the log that was left out.
    """

    days: list[Day]
    missing: str = ""
    faults: Sequence[str] = ()


def read_days(place: str, manifest: Manifest, labels: Mapping[Any, float]) -> Traffic:
    """Return the predictions of each day, or why there are none.

    Parameters
    ----------
    manifest
        Of the model. Of other models, those that answered like this one are counted. Without an
        event time, the time of the request is used.
    labels
        By key, as the task of the model codes them, where known.
    """
    from slipway.predictions.reader import read_batches

    skipped, sums = Skipped(), defaultdict[str, _Sums](_Sums)
    time = manifest["event_time"]
    inputs: list[InputSpec] = []
    if time:
        inputs.append({"name": time, "type": "timestamp", "unique": False})
    try:
        for batch in read_batches(place, skipped, inputs):
            _add(batch, manifest, labels, skipped, sums)
    except SlipwayError as error:
        return Traffic([], f"{error}.")
    days = [sums[day].of_day(day) for day in sorted(sums)]
    return Traffic(days, "" if days else f"{place}: no predictions yet.", skipped.sentences())


def _add(
    batch: Batch,
    manifest: Manifest,
    labels: Mapping[Any, float],
    skipped: Skipped,
    sums: defaultdict[str, _Sums],
) -> None:
    """Add the records of a batch to the sums of their days."""
    import pyarrow.compute as pc

    from slipway.predictions.reader import INPUT, ROW, UNREADABLE, read_times

    table = batch.traffic
    # Without an event time, the time of the request is used.
    event_time = manifest["event_time"]
    own = [table[f"{INPUT}{event_time}"]] if event_time else []
    times = pc.coalesce(*own, table["time"])
    moments = read_times(times.combine_chunks())
    readable = moments != UNREADABLE
    if not readable.all():
        first = table[ROW][int(np.argmin(readable))].as_py()
        skipped.untimed.add(int((~readable).sum()), partial(batch.where, first))
    times_read = np.where(readable, moments, 0).astype("datetime64[us]")
    days = local_days(times_read, zone_of(manifest)).astype(str)
    task = task_of(manifest)
    scores = answers_of(task, manifest).scores(table)
    invalid = task.invalid(scores) & readable
    if invalid.any():
        first = table[ROW][int(np.argmax(invalid))].as_py()
        skipped.unscored.add(int(invalid.sum()), partial(batch.where, first))
    used = np.flatnonzero(readable & ~invalid)
    known = _labels(table["key"], labels)[used]
    watched, outcomes = _outcomes(task, manifest, scores[used], known)
    for row, score, outcome in zip(used.tolist(), watched.tolist(), outcomes.tolist(), strict=True):
        sums[days[row]].add(score, None if np.isnan(outcome) else outcome)


def _outcomes(
    task: Task, manifest: Manifest, scores: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the watched number of each row and the outcome that it predicts, NaN if unknown.

    The outcome is the label; of several classes, whether the decided one is right.
    """
    outcomes, known = labels.copy(), ~np.isnan(labels)
    if known.any():
        model = task.predictions(scores[known], manifest.get("threshold"))
        claims = model.claims(labels[known])
        outcomes[known] = labels[known] if claims is None else claims[0]
    return task.monitored(scores), outcomes


def _labels(keys: pa.ChunkedArray, labels: Mapping[Any, float]) -> np.ndarray:
    """Return the label of each key, NaN if it is not known, shape (rows,)."""
    if not labels:
        return np.full(len(keys), np.nan)
    return np.array([labels.get(orjson.loads(key), np.nan) for key in keys.to_pylist()])


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
        arrived = arrived[arrived["label"].notna()]
        found |= dict(zip(arrived["key"], arrived["label"], strict=True))
    return found
