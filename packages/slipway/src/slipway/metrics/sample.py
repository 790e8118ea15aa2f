"""The labelled rows that models are measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipway.metrics.clusters import Clusters
from slipway.tasks.predictions import Predictions

__all__ = ["Predictions", "Sample"]


@dataclass(frozen=True)
class Sample:
    """Labelled rows, in periods that were each scored by another fit of the same procedure.

    Attributes
    ----------
    labels
        As the task reads them, without missing ones, shape (rows,).
    clusters
        The rows that depend on each other.
    periods
        The rows of each period, one after the other. A metric of the sample is the mean of its
        values on the periods, weighted by their rows.
    """

    labels: np.ndarray
    clusters: Clusters
    periods: tuple[slice, ...]

    @classmethod
    def of(cls, labels: np.ndarray, clusters: Clusters | None = None) -> Sample:
        """Return one period of rows; without clusters, rows do not depend on each other."""
        return cls(labels, clusters or Clusters(), (slice(0, len(labels)),))

    @property
    def rows(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Sample:
        """Return some rows, given by their positions in ascending sequence."""
        ends = np.searchsorted(rows, [period.stop for period in self.periods]).tolist()
        periods = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        return Sample(
            self.labels[rows],
            self.clusters.take(rows),
            tuple(period for period in periods if period.stop > period.start),
        )

    def keep(self, periods: Sequence[slice]) -> tuple[Sample, np.ndarray | slice]:
        """Return the rows of some periods, and their positions."""
        if len(periods) == len(self.periods):
            return self, slice(None)
        rows = np.concatenate([np.arange(period.start, period.stop) for period in periods])
        return self.take(rows), rows
