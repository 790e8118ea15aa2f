"""The weeks of a log, and the metrics of their labelled rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from slipway.metrics.clusters import Clusters, Way
from slipway.metrics.registry import Options, Sample, metrics_of
from slipway.monitoring.labelled import WEEK, Labelled, WeeklyPredictions, week_of
from slipway.monitoring.report import Interval

if TYPE_CHECKING:
    from slipway.monitoring.holdout_calibration import Shift
    from slipway.monitoring.label_monitors import LabelMonitor
    from slipway.settings import Params
    from slipway.tasks import Task

# While the newest weeks have less than this part of the usual share of labels, more will arrive.
STILL_COMING = 0.5

DAY = np.timedelta64(1, "D")

# Of fewer days with labels an interval is wider than any chart.
FEWEST_DAYS = 3

Status = Literal["judged", "not over", "labels still coming", "too few labels"]


@dataclass(frozen=True)
class WeekRows:
    """The rows of a week, or of several weeks with few labels."""

    first: str
    last: str
    rows: int
    labelled: Labelled
    status: Status


@dataclass(frozen=True)
class MeasuredWeek:
    """A week with the metrics of its labelled rows, and its shifts from the holdout by series."""

    week: WeekRows
    label_rate: float | None = None
    expected_rate: float | None = None
    metrics: Mapping[str, Interval] = field(default_factory=dict)
    shifts: Mapping[str, Shift] = field(default_factory=dict)

    @property
    def labels(self) -> int:
        return len(self.week.labelled.labels)

    @property
    def is_judged(self) -> bool:
        return self.week.status == "judged"


def weeks_of(predictions: WeeklyPredictions, min_rows: int) -> list[WeekRows]:
    """Return the weeks of a log.

    A week is judged once it is over and as many of its labels have arrived as usual. A week with
    too few labels is merged with the next.
    """
    week = week_of(predictions.labelled.days)
    rows = predictions.counts.sum(axis=1)
    labelled = np.array([(week == first).sum() for first in predictions.weeks])
    shares = labelled / np.maximum(rows, 1)
    weeks: list[WeekRows] = []
    merged: list[int] = []
    for position, first in enumerate(predictions.weeks):
        merged.append(position)
        last = first + WEEK - DAY
        status: Status = "judged"
        if last > predictions.last:
            status = "not over"
        elif _still_coming(shares, position):
            status = "labels still coming"
        elif int(labelled[merged].sum()) < min_rows:
            status = "too few labels"
        is_newest = position == len(predictions.weeks) - 1
        if status == "too few labels" and not is_newest:
            continue
        part = predictions.labelled.rows(np.isin(week, predictions.weeks[merged]))
        start = str(predictions.weeks[merged[0]])
        weeks.append(WeekRows(start, str(last), int(rows[merged].sum()), part, status))
        merged = []
    return weeks


def measure_week(week: WeekRows, monitor: LabelMonitor, params: Params) -> MeasuredWeek:
    part = week.labelled
    if not len(part.labels):
        return MeasuredWeek(week)
    metrics: dict[str, Interval] = {}
    if week.status != "too few labels":
        metrics = _metrics(part, monitor.task, params)
    rate, expected = monitor.rates(part)
    return MeasuredWeek(
        week,
        label_rate=rate,
        expected_rate=expected,
        metrics=metrics,
        shifts=monitor.shifts(part) if week.status == "judged" else {},
    )


def _metrics(part: Labelled, task: Task, params: Params) -> dict[str, Interval]:
    model = task.predictions(part.scores, params.evaluate.threshold)
    options = Options(params.evaluate.confidence)
    # Too few days to estimate how they depend on their neighbours.
    days = Way.of(part.days.astype("int64"))
    if days.count < FEWEST_DAYS:
        return {}
    sample = Sample.of(part.labels, Clusters((days,)))
    several = len(np.unique(part.labels)) > 1
    return {
        name: Interval(**metric.estimate(sample, model, options).as_dict())
        for name, metric in metrics_of(task.name).items()
        if metric.may_be_primary and (several or not metric.needs_both_classes)
    }


def _still_coming(shares: np.ndarray, position: int) -> bool:
    """Return whether this and every later week has far fewer labels than the weeks before."""
    usual = [
        float(np.median(shares[:start])) for start in range(1, position + 1) if shares[:start].any()
    ]
    if not usual:
        return False
    later = shares[position:]
    return bool((later < STILL_COMING * usual[-1]).all())
