"""Performance by the labels that have arrived, and its estimate from the scores where none has.

Labels arrive late and not for all rows. Those that have arrived are compared with the holdout week
by week, and the evidence is accumulated over the weeks: one bad week may be chance, four are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from slipway.dataset.periods import local_days
from slipway.errors import SlipwayError
from slipway.metrics.registry import metrics_of
from slipway.monitoring.holdout_calibration import (
    Calibration,
    DayEffect,
    HoldoutCalibration,
    Shift,
)
from slipway.monitoring.label_monitors import (
    BinaryMonitor,
    LabelMonitor,
    Metrics,
    QuantileMonitor,
    RegressionMonitor,
    multiclass_monitor,
)
from slipway.monitoring.label_selection import selection_bias
from slipway.monitoring.labelled import Labelled, WeeklyPredictions, by_day
from slipway.monitoring.report import (
    Alarm,
    Concept,
    Estimate,
    Interval,
    Metric,
    Performance,
    Selection,
    Week,
)
from slipway.monitoring.report import Shift as ReportedShift
from slipway.monitoring.sequential_test import (
    Evidence,
    accumulate,
    episodes,
    windows_between_alarms,
)
from slipway.monitoring.weeks import MeasuredWeek, measure_week, weeks_of
from slipway.numbers import counted
from slipway.reference.profile import SCORE
from slipway.reference.reference import zone_of
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.quantile import Quantile
from slipway.tasks.regression import Regression

if TYPE_CHECKING:
    import pandas as pd

    from slipway.manifest import Manifest
    from slipway.settings import Evaluate, Params
    from slipway.tasks import Task


@dataclass(frozen=True)
class LabelChecks:
    """The parts of the report that are about labels.

    `performance` and `concept` are None while no label has arrived, `estimate` without
    predictions.
    """

    performance: Performance | None = None
    concept: Concept | None = None
    estimate: Estimate | None = None
    alarms: list[Alarm] = field(default_factory=list)


def check_labels(
    predictions: WeeklyPredictions,
    monitor: LabelMonitor,
    params: Params,
    false_alarms_per_month: float,
    metrics: Metrics | None = None,
) -> LabelChecks:
    """Compare labelled predictions with the holdout, and estimate the metrics of all.

    Parameters
    ----------
    monitor
        The holdout, as labelled rows are compared with it.
    false_alarms_per_month
        Of all series together.
    metrics
        Of the holdout, as `holdout_metrics` returns them; None if they are not known.
    """
    if not predictions.rows:
        return LabelChecks()
    estimated = monitor.estimate(predictions, params.evaluate.confidence, metrics)
    if not len(predictions.labelled.labels):
        return LabelChecks(estimate=estimated)
    rows = weeks_of(predictions, params.drift.min_rows)
    weeks = [measure_week(week, monitor, params) for week in rows]
    windows = windows_between_alarms(false_alarms_per_month, len(monitor.series), 7)
    evidence = evidence_by_series([week.shifts for week in weeks], monitor, params, windows)
    alarms = [
        alarm for name in monitor.series for alarm in _alarms(name, evidence[name], weeks, monitor)
    ]
    return LabelChecks(
        performance=_performance(
            predictions,
            _judged(weeks),
            alarms,
            selection_bias(predictions, params.prepare.max_label_missing),
            _with_holdout(predictions.labelled, monitor, params.evaluate, metrics),
            monitor,
            [_week(week, position, evidence) for position, week in enumerate(weeks)],
        ),
        concept=_concept(_judged(weeks), alarms, monitor),
        estimate=estimated,
        alarms=alarms,
    )


def label_monitor(reference: pd.DataFrame | None, manifest: Manifest, task: Task) -> LabelMonitor:
    """Return the holdout, as labelled rows of a task are compared with it.

    Parameters
    ----------
    reference
        Rows of the holdout with the columns `score` and `label`, and the event time.

    Raises
    ------
    SlipwayError
        The rows are missing and needed.
    """
    return MONITORS[task.name](reference, manifest, task)


def _binary(reference: pd.DataFrame | None, manifest: Manifest, _task: Task) -> LabelMonitor:
    return BinaryMonitor(holdout_calibration(reference, manifest), manifest["threshold"])


def _multiclass(reference: pd.DataFrame | None, manifest: Manifest, task: Task) -> LabelMonitor:
    rows = _needed(reference)
    labels = rows["label"].to_numpy("float64")
    return multiclass_monitor(task, labels, scores_of(rows, task), days_of_rows(rows, manifest))


def _regression(reference: pd.DataFrame | None, manifest: Manifest, task: Task) -> LabelMonitor:
    return RegressionMonitor.of(task, *_numbers(reference, manifest, task))


def _quantile(reference: pd.DataFrame | None, manifest: Manifest, task: Task) -> LabelMonitor:
    return QuantileMonitor.of(task, *_numbers(reference, manifest, task))


def _numbers(
    reference: pd.DataFrame | None, manifest: Manifest, task: Task
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return labels, scores and days of the labelled rows."""
    rows = _needed(reference)
    labels = rows["label"].to_numpy("float64")
    return labels, scores_of(rows, task), days_of_rows(rows, manifest)


MONITORS = {
    Binary.name: _binary,
    Multiclass.name: _multiclass,
    Regression.name: _regression,
    Quantile.name: _quantile,
}


def _needed(reference: pd.DataFrame | None) -> pd.DataFrame:
    rows = _labelled(reference)
    if rows is None:
        raise SlipwayError(
            "the model's reference.parquet lacks labelled rows of the holdout, which later labels "
            "are compared with",
            "train the model again with `dvc repro`",
        )
    return rows


def scores_of(rows: pd.DataFrame, task: Task) -> np.ndarray:
    """Return the scores of the holdout, as the task has them."""
    if not task.classes:
        return rows[SCORE].to_numpy("float64")
    return rows[[f"{SCORE}_{code}" for code in range(len(task.classes))]].to_numpy("float64")


def holdout_calibration(reference: pd.DataFrame | None, manifest: Manifest) -> HoldoutCalibration:
    """Return the calibration and day effects of the holdout.

    Parameters
    ----------
    reference
        Rows of the holdout with the columns `score` and `label`, and the event time. Without them,
        or without both classes, the scores are used without calibration.
    """
    rows = _labelled(reference)
    if rows is None:
        return _without_rows(manifest)
    labels, scores = (rows[name].to_numpy("float64") for name in ("label", "score"))
    return HoldoutCalibration.of(labels, scores, days_of_rows(rows, manifest))


def days_of_rows(rows: pd.DataFrame, manifest: Manifest) -> np.ndarray | None:
    """Return the day of each row in the time zone of the model; None if its time is not known."""
    time = manifest["event_time"]
    if time not in rows:
        return None
    times = rows[time].dt.tz_convert(None) if rows[time].dt.tz else rows[time]
    return local_days(times.to_numpy(), zone_of(manifest))


def holdout_metrics(
    reference: pd.DataFrame | None,
    settings: Evaluate,
    monitor: LabelMonitor,
    manifest: Manifest,
) -> Metrics | None:
    """Return the metrics of a model on its own rows of the holdout, as `measure` does.

    A report in the repository may be of a newer model.

    Parameters
    ----------
    reference, manifest
        As in `holdout_calibration`.
    """
    from slipway.training.evaluate import measure

    rows = _labelled(reference)
    if rows is None:
        return None
    sample = by_day(rows["label"].to_numpy("float64"), days_of_rows(rows, manifest))
    if monitor.threshold is not None:
        settings = settings.model_copy(update={"threshold": monitor.threshold})
    return measure(sample, scores_of(rows, monitor.task), settings, monitor.task)


def evidence_by_series(
    shifts: Sequence[Mapping[str, Shift]],
    monitor: LabelMonitor,
    params: Params,
    windows: float,
) -> dict[str, Evidence]:
    """Return the evidence of each series over the weeks, given the shifts of each week."""
    floors = monitor.floors(params.monitoring)
    evidence = {}
    for series in monitor.series:
        name, _, way = series.partition(" ")
        values = [week.get(name) for week in shifts]
        if way == "down":
            values = [shift and Shift(-shift.value, shift.sd) for shift in values]
        evidence[series] = accumulate(values, floors[name], monitor.error[name], windows)
    return evidence


def _labelled(reference: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the labelled rows, if they have several labels."""
    if reference is None or "label" not in reference:
        return None
    rows = reference[reference["label"].notna()]
    return rows if rows["label"].nunique() > 1 else None


def _without_rows(manifest: Manifest) -> HoldoutCalibration:
    """Return what follows from the manifest alone: the holdout's rows and its label rate."""
    holdout = manifest["holdout"]
    rate = holdout["positives"] / max(holdout["rows"], 1)
    error = float(np.sqrt(max(rate * (1 - rate), 1e-6) / max(holdout["rows"], 1)))
    effects = {name: DayEffect() for name in ("auc", "loss", "rate")}
    # The log loss of a row varies about twice as much as its label; the AUC is not known.
    errors = {"auc": error, "loss": 2 * error, "rate": error}
    return HoldoutCalibration(Calibration.identity(), None, effects, errors)


def _judged(weeks: Sequence[MeasuredWeek]) -> list[MeasuredWeek]:
    return [week for week in weeks if week.is_judged]


def _week(week: MeasuredWeek, position: int, evidence: Mapping[str, Evidence]) -> Week:
    rows = week.week
    return Week(
        first=rows.first,
        last=rows.last,
        rows=rows.rows,
        labelled=week.labels,
        status=rows.status,
        coverage=week.labels / max(rows.rows, 1),
        label_rate=week.label_rate,
        expected_rate=week.expected_rate,
        metrics=dict(week.metrics),
        shifts={
            name: ReportedShift(value=shift.value, sd=shift.sd)
            for name, shift in week.shifts.items()
        },
        evidence={name: float(each.values[position]) for name, each in evidence.items()},
    )


def _performance(
    predictions: WeeklyPredictions,
    judged: Sequence[MeasuredWeek],
    alarms: Sequence[Alarm],
    selection: Selection,
    metrics: dict[str, Metric],
    monitor: LabelMonitor,
    weeks: list[Week],
) -> Performance:
    degraded = [
        alarm for alarm in alarms if alarm.stream in monitor.degradations and alarm.until is None
    ]
    labelled, rows = len(predictions.labelled.labels), predictions.rows
    coverage = labelled / max(rows, 1)
    sentences = [
        f"labels have arrived for {labelled:,} of {counted(rows, 'prediction')} ({coverage:.0%})",
        *_headline(metrics.get(monitor.headline), monitor),
        *([] if judged else ["no week has enough labels to be judged"]),
        *(alarm.words for alarm in degraded),
        *(["no performance degradation found"] if judged and not degraded else []),
        *([selection.words] if selection.words else []),
    ]
    return Performance(
        words=_sentences(sentences),
        status="inconclusive" if not judged else "worse" if degraded else "not worse",
        headline=monitor.headline,
        rate=monitor.rate,
        rows=rows,
        labelled=labelled,
        coverage=coverage,
        metrics=metrics,
        selection=selection,
        weeks=weeks,
    )


def _headline(metric: Metric | None, monitor: LabelMonitor) -> list[str]:
    if metric is None:
        return []
    before = metric.holdout.value if metric.holdout else monitor.before
    about = metrics_of(monitor.task.name)[monitor.headline]
    compared = f", {about.shown(before)} on the holdout" if before else ""
    low, high = about.shown(metric.low), about.shown(metric.high)
    return [f"{about.label} {about.shown(metric.value)} ({low} to {high}){compared}"]


def _with_holdout(
    labelled: Labelled, monitor: LabelMonitor, settings: Evaluate, holdout: Metrics | None
) -> dict[str, Metric]:
    """Return the metrics of labelled rows, with those of the holdout and the differences."""
    from slipway.training.evaluate import measure

    if len(np.unique(labelled.labels)) < 2:
        return {}
    if monitor.threshold is not None:
        settings = settings.model_copy(update={"threshold": monitor.threshold})
    sample = by_day(labelled.labels, labelled.days)
    measured = measure(sample, labelled.scores, settings, monitor.task)
    return {name: _metric(now, (holdout or {}).get(name)) for name, now in measured.items()}


def _metric(now: Mapping[str, float], before: Mapping[str, float] | None) -> Metric:
    value, low, high = now["value"], now["low"], now["high"]
    if not before:
        return Metric(value=value, low=low, high=high, holdout=None, difference=None)
    by = float(np.hypot(high - low, before["high"] - before["low"])) / 2
    gap = value - before["value"]
    return Metric(
        value=value,
        low=low,
        high=high,
        holdout=Interval(**before),
        difference=Interval(value=gap, low=gap - by, high=gap + by),
    )


def _concept(
    judged: Sequence[MeasuredWeek], alarms: Sequence[Alarm], monitor: LabelMonitor
) -> Concept:
    """Return whether rows with the same score have other labels than on the holdout."""
    active = [alarm for alarm in alarms if alarm.stream in monitor.concept and alarm.until is None]
    if not judged:
        return Concept(status="inconclusive", words="No week has enough labels to be judged.")
    newest = judged[-1]
    return Concept(
        status="drift" if active else "quiet",
        words=_sentences([alarm.words for alarm in active] or [monitor.unchanged]),
        label_rate=newest.label_rate,
        expected_rate=newest.expected_rate,
        excess_loss=newest.shifts["loss"].value if "loss" in newest.shifts else None,
        weeks_judged=len(judged),
    )


def _alarms(
    series: str,
    evidence: Evidence,
    weeks: Sequence[MeasuredWeek],
    monitor: LabelMonitor,
) -> list[Alarm]:
    name = series.partition(" ")[0]
    alarms = []
    for since, at, until in episodes(evidence):
        inside = [week for week in weeks[since : at + 1] if name in week.shifts]
        alarms.append(
            Alarm(
                stream=series,
                since=weeks[since].week.first,
                at=weeks[at].week.last,
                until=None if until is None else weeks[until].week.last,
                strength=round(float(evidence.values[at]), 2),
                words=_alarm_words(series, inside, monitor),
            )
        )
    return alarms


def _alarm_words(series: str, weeks: Sequence[MeasuredWeek], monitor: LabelMonitor) -> str:
    rows = np.array([week.labels for week in weeks], dtype=float)

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=rows))

    rates = mean([week.label_rate or 0.0 for week in weeks])
    expected = mean([week.expected_rate or 0.0 for week in weeks])
    words = monitor.alarm(
        series, lambda name: mean([week.shifts[name].value for week in weeks]), (rates, expected)
    )
    return f"since the week of {weeks[0].week.first}, {words}"


def _sentences(parts: Sequence[str]) -> str:
    return ". ".join(part[:1].upper() + part[1:] for part in parts) + "."
