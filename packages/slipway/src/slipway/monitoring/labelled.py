"""Predictions joined with their labels, in memory that does not grow with the log.

Of a prediction without a label only counts are kept, by week and by cell of the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.metrics.clusters import DAY, Clusters, Way
from slipway.metrics.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

CELLS = 1000

WEEK = np.timedelta64(7, "D")

MONDAY = np.datetime64("1970-01-05")


def by_day(labels: np.ndarray, days: np.ndarray | None) -> Sample:
    """Return labelled rows of which those of one day, in UTC, depend on each other.

    Parameters
    ----------
    days
        datetime64[D], shape (rows,); without it, rows are taken to be independent.
    """
    if days is None:
        return Sample.of(labels)
    way = Way.of(days.astype("datetime64[D]").astype("int64"), ordered=True, name=DAY)
    return Sample.of(labels, Clusters((way,)))


@dataclass(frozen=True)
class Labelled:
    """Labelled predictions, the latest of each key.

    All arrays have shape (rows,): labels of 0 and 1, probabilities, and the day of the event.
    """

    labels: np.ndarray
    scores: np.ndarray
    days: np.ndarray

    def rows(self, rows: np.ndarray) -> Labelled:
        return Labelled(self.labels[rows], self.scores[rows], self.days[rows])


@dataclass(frozen=True)
class WeeklyPredictions:
    """All predictions of one model by week of the event, and those that are labelled.

    `weeks` are Mondays, shape (weeks,). `counts` and `sums` are of all predictions and their
    scores, by week and cell of the score, shape (weeks, cells). `edges` are those of the cells; the
    threshold is one of them. `last` is the newest day of an event.
    """

    labelled: Labelled
    weeks: np.ndarray
    counts: np.ndarray
    sums: np.ndarray
    edges: np.ndarray
    last: np.datetime64

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    def in_cells(self, scores: np.ndarray) -> np.ndarray:
        """Return the counts of some scores by cell, shape (cells,)."""
        cell = np.searchsorted(self.edges, scores, side="right")
        return np.bincount(cell, minlength=len(self.edges) + 1)


class Join:
    """Joins predictions with labels (as `read_labels` returns them), batch by batch."""

    def __init__(self, labels: pd.DataFrame, threshold: float) -> None:
        import pandas as pd

        self._keys = pd.Index(labels["key"])
        self._labels = labels["label"].to_numpy("float64")
        self._edges = np.unique([*np.linspace(0, 1, CELLS + 1)[1:-1], threshold])
        self._matches: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._counts: dict[int, np.ndarray] = {}
        self._sums: dict[int, np.ndarray] = {}
        self._last = np.datetime64("0001-01-01", "D")

    def add(self, keys: Any | None, days: np.ndarray, scores: np.ndarray) -> None:
        """Add predictions in the order of the log, each of shape (rows,).

        Without `keys` they are not joined with labels.
        """
        if not len(scores):
            return
        days = days.astype("datetime64[D]")
        if keys is not None:
            at = self._keys.get_indexer(np.asarray(keys, dtype=object))
            known = at >= 0
            self._matches.append((at[known], scores[known].astype("float64"), days[known]))
        self._last = max(self._last, days.max())
        week, cell = _week(days), np.searchsorted(self._edges, scores, side="right")
        size = len(self._edges) + 1
        for each in np.unique(week).tolist():
            inside = week == each
            counts = np.bincount(cell[inside], minlength=size)
            sums = np.bincount(cell[inside], weights=scores[inside], minlength=size)
            self._counts[each] = self._counts.get(each, 0) + counts
            self._sums[each] = self._sums.get(each, 0.0) + sums

    def predictions(self) -> WeeklyPredictions:
        """Return the predictions that were added."""
        at, scores, days = (
            np.concatenate([part[field] for part in self._matches] or [np.empty(0)])
            for field in range(3)
        )
        # The label belongs to the latest prediction of a key.
        _, first = np.unique(at[::-1], return_index=True)
        kept = np.sort(len(at) - 1 - first)
        labels = self._labels[at[kept].astype(int)]
        weeks = sorted(self._counts)
        size = len(self._edges) + 1
        empty = np.empty((0, size))
        return WeeklyPredictions(
            labelled=Labelled(labels, scores[kept], days[kept].astype("datetime64[D]")),
            weeks=MONDAY + np.array(weeks, dtype=int) * WEEK,
            counts=np.array([self._counts[week] for week in weeks]) if weeks else empty,
            sums=np.array([self._sums[week] for week in weeks]) if weeks else empty,
            edges=self._edges,
            last=self._last,
        )


def join(frame: pd.DataFrame, labels: pd.DataFrame, manifest: dict[str, Any]) -> WeeklyPredictions:
    """Join the predictions of `slipway.predictions.reader.read_log` with labels."""
    import pandas as pd

    both = Join(labels, manifest["threshold"])
    time = manifest["event_time"]
    column = "time" if time is None else f"input.{time}"
    times = pd.to_datetime(frame[column], utc=True, format="ISO8601")
    days = times.dt.tz_convert(None).to_numpy("datetime64[D]")
    both.add(frame["key"].to_numpy(object), days, frame["probability"].to_numpy("float64"))
    return both.predictions()


def week_of(days: np.ndarray) -> np.ndarray:
    """Return the Monday of each day, shape (rows,)."""
    return np.asarray(MONDAY + _week(days.astype("datetime64[D]")) * WEEK)


def _week(days: np.ndarray) -> np.ndarray:
    return np.asarray((days - MONDAY) // WEEK)
