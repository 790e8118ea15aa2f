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

WEEK = np.timedelta64(7, "D")

MONDAY = np.datetime64("1970-01-05")


def by_day(labels: np.ndarray, days: np.ndarray | None) -> Sample:
    """Return labelled rows of which those of one day depend on each other.

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

    All arrays have shape (rows,), but the scores of several classes (rows, classes): labels and
    scores as the task has them, the day of the event, and the watched number. `groups` are the
    codes of protected groups, shape (rows, attributes); None if there are none.
    """

    labels: np.ndarray
    scores: np.ndarray
    days: np.ndarray
    watched: np.ndarray
    groups: np.ndarray | None = None

    def rows(self, rows: np.ndarray) -> Labelled:
        parts = (self.labels, self.scores, self.days, self.watched)
        groups = None if self.groups is None else self.groups[rows]
        labels, scores, days, watched = (part[rows] for part in parts)
        return Labelled(labels, scores, days, watched, groups)


@dataclass(frozen=True)
class WeeklyPredictions:
    """All predictions of one model by week of the event, and those that are labelled.

    `weeks` are Mondays, shape (weeks,). `counts` and `sums` are of all predictions and their
    watched numbers, by week and cell of that number, shape (weeks, cells). `edges` are those of the
    cells; a threshold is one of them. `last` is the newest day of an event.
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

    def __init__(self, labels: pd.DataFrame, edges: np.ndarray) -> None:
        import pandas as pd

        self._keys = pd.Index(labels["key"])
        self._labels = labels["label"].to_numpy("float64")
        self._edges = edges
        self._matches: list[tuple[np.ndarray, ...]] = []
        self._counts: dict[int, np.ndarray] = {}
        self._sums: dict[int, np.ndarray] = {}
        self._last = np.datetime64("0001-01-01", "D")

    def add(
        self,
        keys: Any | None,
        days: np.ndarray,
        scores: np.ndarray,
        watched: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> None:
        """Add predictions in the order of the log.

        Parameters
        ----------
        keys
            Shape (rows,); without them the predictions are not joined with labels.
        scores
            As the task has them.
        watched
            The number of each row that is watched; the scores if None.
        groups
            The codes of protected groups, shape (rows, attributes).
        """
        watched = scores if watched is None else watched
        if not len(scores):
            return
        days = days.astype("datetime64[D]")
        if keys is not None:
            at = self._keys.get_indexer(np.asarray(keys, dtype=object))
            known = at >= 0
            parts = (scores[known].astype("float64"), days[known], watched[known])
            codes = np.empty((len(days), 0), int) if groups is None else groups
            self._matches.append((at[known], *parts, codes[known]))
        self._last = max(self._last, days.max())
        week, cell = _week(days), np.searchsorted(self._edges, watched, side="right")
        size = len(self._edges) + 1
        for each in np.unique(week).tolist():
            inside = week == each
            counts = np.bincount(cell[inside], minlength=size)
            sums = np.bincount(cell[inside], weights=watched[inside], minlength=size)
            self._counts[each] = self._counts.get(each, 0) + counts
            self._sums[each] = self._sums.get(each, 0.0) + sums

    def predictions(self) -> WeeklyPredictions:
        """Return the predictions that were added."""
        at, scores, days, watched, groups = (
            np.concatenate([part[field] for part in self._matches] or [np.empty(0)])
            for field in range(5)
        )
        # The label belongs to the latest prediction of a key.
        _, first = np.unique(at[::-1], return_index=True)
        kept = np.sort(len(at) - 1 - first)
        labels = self._labels[at[kept].astype(int)]
        weeks = sorted(self._counts)
        size = len(self._edges) + 1
        empty = np.empty((0, size))
        return WeeklyPredictions(
            labelled=Labelled(
                labels,
                scores[kept],
                days[kept].astype("datetime64[D]"),
                watched[kept],
                groups[kept],
            ),
            weeks=MONDAY + np.array(weeks, dtype=int) * WEEK,
            counts=np.array([self._counts[week] for week in weeks]) if weeks else empty,
            sums=np.array([self._sums[week] for week in weeks]) if weeks else empty,
            edges=self._edges,
            last=self._last,
        )


def week_of(days: np.ndarray) -> np.ndarray:
    """Return the Monday of each day, shape (rows,)."""
    return np.asarray(MONDAY + _week(days.astype("datetime64[D]")) * WEEK)


def _week(days: np.ndarray) -> np.ndarray:
    return np.asarray((days - MONDAY) // WEEK)
