"""Performance by the labels that have arrived, and its estimate from the scores where none has.

Labels arrive late and not for all rows. Those that have arrived are compared with the holdout week
by week, and the evidence is accumulated over the weeks: one bad week may be chance, four are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.monitoring.estimate import ASSUMES, estimate
from slipway.monitoring.holdout_calibration import (
    Calibration,
    DayEffect,
    HoldoutCalibration,
    Shift,
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

if TYPE_CHECKING:
    import pandas as pd

    from slipway.settings import Evaluate, Params

SERIES = ("auc", "loss", "rate up", "rate down")

# Series whose alarms are a degradation of performance.
DEGRADATIONS = ("auc", "loss")

Metrics = Mapping[str, Any]


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
    holdout: HoldoutCalibration,
    params: Params,
    threshold: float,
    false_alarms_per_month: float,
    metrics: Metrics | None = None,
) -> LabelChecks:
    """Compare labelled predictions with the holdout, and estimate the metrics of all.

    Parameters
    ----------
    threshold
        Of the manifest.
    false_alarms_per_month
        Of all series together.
    metrics
        Of the holdout, as `holdout_metrics` returns them; None if they are not known.
    """
    if not predictions.rows:
        return LabelChecks()
    estimated = _estimate(predictions, holdout, threshold, params, metrics)
    if not len(predictions.labelled.labels):
        return LabelChecks(estimate=estimated)
    rows = weeks_of(predictions, params.drift.min_rows)
    weeks = [measure_week(week, holdout, params) for week in rows]
    windows = windows_between_alarms(false_alarms_per_month, len(SERIES), 7)
    evidence = evidence_by_series([week.shifts for week in weeks], holdout, params, windows)
    alarms = [alarm for name in SERIES for alarm in _alarms(name, evidence[name], weeks, holdout)]
    settings = params.evaluate.model_copy(update={"threshold": threshold})
    return LabelChecks(
        performance=_performance(
            predictions,
            _judged(weeks),
            alarms,
            selection_bias(predictions, params.prepare.max_label_missing),
            _with_holdout(predictions.labelled, settings, metrics),
            holdout,
            [_week(week, position, evidence) for position, week in enumerate(weeks)],
        ),
        concept=_concept(_judged(weeks), alarms),
        estimate=estimated,
        alarms=alarms,
    )


def holdout_calibration(
    reference: pd.DataFrame | None, manifest: Mapping[str, Any]
) -> HoldoutCalibration:
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
    return HoldoutCalibration.of(labels, scores, _days(rows, manifest))


def _days(rows: pd.DataFrame, manifest: Mapping[str, Any]) -> np.ndarray | None:
    """Return the day of each row in UTC; None if its time is not known."""
    time = manifest["event_time"]
    if time not in rows:
        return None
    times = rows[time].dt.tz_convert(None) if rows[time].dt.tz else rows[time]
    return np.asarray(times.to_numpy("datetime64[D]"))


def holdout_metrics(
    reference: pd.DataFrame | None,
    settings: Evaluate,
    threshold: float,
    manifest: Mapping[str, Any],
) -> dict[str, Any] | None:
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
    labels, scores = (rows[name].to_numpy("float64") for name in ("label", "score"))
    sample = by_day(labels, _days(rows, manifest))
    return measure(sample, scores, settings.model_copy(update={"threshold": threshold}))


def evidence_by_series(
    shifts: Sequence[Mapping[str, Shift]],
    holdout: HoldoutCalibration,
    params: Params,
    windows: float,
) -> dict[str, Evidence]:
    """Return the evidence of each series over the weeks, given the shifts of each week."""
    floors = {
        "auc": params.monitoring.auc_drop,
        "loss": params.monitoring.loss_excess,
        "rate": params.monitoring.rate_gap,
    }
    evidence = {}
    for series in SERIES:
        name, _, way = series.partition(" ")
        values = [week.get(name) for week in shifts]
        if way == "down":
            values = [shift and Shift(-shift.value, shift.sd) for shift in values]
        evidence[series] = accumulate(values, floors[name], holdout.error[name], windows)
    return evidence


def _labelled(reference: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the labelled rows, if they have both classes."""
    if reference is None or "label" not in reference:
        return None
    rows = reference[reference["label"].notna()]
    return rows if rows["label"].nunique() == 2 else None


def _without_rows(manifest: Mapping[str, Any]) -> HoldoutCalibration:
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
        evidence={name: float(evidence[name].values[position]) for name in SERIES},
    )


def _performance(
    predictions: WeeklyPredictions,
    judged: Sequence[MeasuredWeek],
    alarms: Sequence[Alarm],
    selection: Selection,
    metrics: dict[str, Metric],
    holdout: HoldoutCalibration,
    weeks: list[Week],
) -> Performance:
    degraded = [alarm for alarm in alarms if alarm.stream in DEGRADATIONS and alarm.until is None]
    labelled, rows = len(predictions.labelled.labels), predictions.rows
    coverage = labelled / max(rows, 1)
    sentences = [
        f"labels have arrived for {labelled:,} of {rows:,} predictions ({coverage:.0%})",
        *_auc(metrics.get("auc"), holdout),
        *([] if judged else ["no week has enough labels to be judged"]),
        *(alarm.words for alarm in degraded),
        *(["no performance degradation found"] if judged and not degraded else []),
        *([selection.words] if selection.words else []),
    ]
    return Performance(
        words=_sentences(sentences),
        status="inconclusive" if not judged else "worse" if degraded else "not worse",
        rows=rows,
        labelled=labelled,
        coverage=coverage,
        metrics=metrics,
        selection=selection,
        weeks=weeks,
    )


def _auc(metric: Metric | None, holdout: HoldoutCalibration) -> list[str]:
    if metric is None:
        return []
    before = metric.holdout.value if metric.holdout else holdout.auc
    compared = f", {before:.3f} on the holdout" if before else ""
    return [f"AUC {metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f}){compared}"]


def _with_holdout(
    labelled: Labelled, settings: Evaluate, holdout: Metrics | None
) -> dict[str, Metric]:
    """Return the metrics of labelled rows, with those of the holdout and the differences."""
    from slipway.training.evaluate import measure

    if not 0 < labelled.labels.sum() < len(labelled.labels):
        return {}
    measured = measure(by_day(labelled.labels, labelled.days), labelled.scores, settings)
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


def _concept(judged: Sequence[MeasuredWeek], alarms: Sequence[Alarm]) -> Concept:
    """Return whether rows with the same score have other labels than on the holdout."""
    active = [alarm for alarm in alarms if alarm.stream != "auc" and alarm.until is None]
    if not judged:
        return Concept(status="inconclusive", words="No week has enough labels to be judged.")
    unchanged = "no concept drift: rows with the same score have the label rate of the holdout"
    newest = judged[-1]
    return Concept(
        status="drift" if active else "quiet",
        words=_sentences([alarm.words for alarm in active] or [unchanged]),
        label_rate=newest.label_rate,
        expected_rate=newest.expected_rate,
        excess_loss=newest.shifts["loss"].value,
        weeks_judged=len(judged),
    )


def _alarms(
    series: str,
    evidence: Evidence,
    weeks: Sequence[MeasuredWeek],
    holdout: HoldoutCalibration,
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
                words=_alarm_words(series, inside, holdout),
            )
        )
    return alarms


def _alarm_words(series: str, weeks: Sequence[MeasuredWeek], holdout: HoldoutCalibration) -> str:
    rows = np.array([week.labels for week in weeks], dtype=float)

    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=rows))

    when = f"since the week of {weeks[0].week.first}"
    if series == "auc" and holdout.auc is not None:
        now = holdout.auc - mean([week.shifts["auc"].value for week in weeks])
        return f"{when}, AUC has decreased to {now:.3f}, from {holdout.auc:.3f} on the holdout"
    if series == "loss":
        excess = mean([week.shifts["loss"].value for week in weeks])
        return (
            f"{when}, log loss exceeds its expected value by {excess:.3f}: the scores are "
            "miscalibrated"
        )
    rate = mean([week.label_rate or 0.0 for week in weeks])
    expected = mean([week.expected_rate or 0.0 for week in weeks])
    word = "more" if series == "rate up" else "fewer"
    rates = f"{rate:.1%} instead of {expected:.1%}"
    return f"{when}, {word} rows are positive than the scores predict: {rates}"


def _estimate(
    predictions: WeeklyPredictions,
    holdout: HoldoutCalibration,
    threshold: float,
    params: Params,
    metrics: Metrics | None,
) -> Estimate:
    expected, weeks = estimate(
        predictions, holdout.calibration, threshold, params.evaluate.confidence
    )
    before = (metrics or {}).get("auc", {}).get("value", holdout.auc)
    compared = f" ({before:.3f} on the holdout)" if before else ""
    words = (
        f"Estimated from the scores alone, without labels: AUC {expected['auc'].value:.3f}"
        f"{compared}, if the calibration has not changed. Concept drift cannot be detected this "
        "way."
    )
    return Estimate(
        status="estimate",
        words=words,
        assumes=ASSUMES,
        rows=predictions.rows,
        metrics=expected,
        weeks=weeks,
    )


def _sentences(parts: Sequence[str]) -> str:
    return ". ".join(part[:1].upper() + part[1:] for part in parts) + "."
