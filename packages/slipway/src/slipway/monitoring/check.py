"""The drift check: read the log, monitor every series, report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.dataset.tables import write_json
from slipway.documents.html import to_html
from slipway.documents.markdown import to_markdown
from slipway.errors import SlipwayError
from slipway.manifest import MODEL, read_manifest
from slipway.monitoring.alarm_calibration import alpha_for
from slipway.monitoring.columns import Calendar, Monitored, monitor_column
from slipway.monitoring.counting import EPOCH, Form, count_by_day, numbers_of
from slipway.monitoring.daily_counts import DailyCounts, local_day
from slipway.monitoring.detect import Rule
from slipway.monitoring.document import drift_document
from slipway.monitoring.group_codes import Slicer
from slipway.monitoring.messages import ends, listed, season
from slipway.monitoring.protected import GroupChecks, GroupMonitor
from slipway.monitoring.report import (
    Column,
    Day,
    DriftReport,
    ReferenceRows,
    Season,
    make_report,
    without_answer,
)
from slipway.monitoring.series import monitor_joint, monitor_volume
from slipway.numbers import counted
from slipway.reference.profile import SCORE
from slipway.reference.reference import Reference
from slipway.tasks import task_of
from slipway.untrusted import shorten

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from slipway.manifest import Manifest
    from slipway.monitoring.labelled import WeeklyPredictions
    from slipway.monitoring.performance import LabelChecks
    from slipway.settings import Params

REFERENCE_FILE = "reference.parquet"


def drift(
    params: Params,
    log: str = "",
    model: Path = MODEL,
    json: Path | None = None,
    markdown: Path | None = None,
    html: Path | None = None,
    now: datetime | None = None,
    slicer: Slicer | None = None,
) -> DriftReport:
    """Compare a prediction log with a model's manifest; write the report to the files given.

    If the log cannot be read, the report is inconclusive.

    Parameters
    ----------
    slicer
        Returns the protected groups of rows; None if there are none.

    Raises
    ------
    SlipwayError
        The model has no manifest, or the manifest has no reference history.
    """
    manifest = read_manifest(model)
    reference = Reference.of(manifest)
    place = log or log_place(params)
    try:
        time = now or datetime.now(UTC)
        report = _Check(place, manifest, reference, params, model, time, slicer).run()
    except SlipwayError as error:
        reason = ": ".join(filter(None, [str(error), error.do]))
        report = without_answer(reason, reference.model, place)
    if json is not None:
        write_json(report.as_json(), json)
    document = drift_document(report, foot=[f"model `{report.model[:12]}`"])
    for path, render in ((markdown, to_markdown), (html, to_html)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(document), "utf-8")
    return report


def log_place(params: Params) -> str:
    """Return the folder or address of this repository's prediction log."""
    return os.environ.get("SLIPWAY_LOG") or params.serve.log


@dataclass(frozen=True)
class _Check:
    log: str
    manifest: Manifest
    reference: Reference
    params: Params
    model: Path
    now: datetime
    slicer: Slicer | None

    def run(self) -> DriftReport:
        """Return the report.

        Raises
        ------
        SlipwayError
            The log or the labels cannot be read.
        """
        labels = _Labels(self.manifest, self.params, self.model)
        form = Form.of(self.manifest)
        groups, not_watched = self._groups()
        settings, reference = self.params.drift, self.reference
        counts = count_by_day(
            self.log,
            reference,
            self.now,
            settings.memory_mb,
            form,
            labels.add,
            keys=labels.any,
            coder=groups.coder if groups else None,
        )
        days, elsewhere = counts.latest_span(settings.min_rows)
        today = np.datetime64(local_day(self.now, reference), "D")
        calendar = _calendar(counts, days, today)
        parts = self._facts(counts, elsewhere, [*labels.faults, *not_watched])
        if problem := _problem(counts, calendar, settings.min_rows):
            return make_report("inconclusive", problem, reference.model, self.log, **parts)
        of_groups = groups.series if groups else 0
        monitored = len(reference.series) + 2 + labels.series + of_groups
        rate = settings.false_alarms_per_month
        alpha = alpha_for(rate, monitored)
        rule = Rule(alpha, settings.psi, settings.min_rows)
        columns = [
            monitor_column(series, calendar, counts.unseen.get(name, {}), rule, reference)
            for name, series in reference.series.items()
        ]
        volume = monitor_volume(calendar, reference, settings.volume, alpha)
        path = self.model / REFERENCE_FILE
        joint = monitor_joint(counts, calendar, reference, self.params, alpha, path)
        checks = labels.check(rate * labels.series / monitored)
        watched = GroupChecks()
        if groups:
            by_label = labels.predictions()
            watched = groups.check(calendar, by_label, rate * of_groups / monitored)
        everything: list[Monitored[Any]] = [*columns, joint, volume]
        alarms = [alarm for each in everything for alarm in each.alarms] + checks.alarms
        alarms += watched.alarms
        parts |= {
            "rows": int(calendar.rows.sum()),
            "first": str(calendar.dates[0]),
            "last": str(calendar.dates[-1]),
            "season": _season(reference, calendar),
            "columns": _ranked([each.row for each in columns]),
            "score": next(each.row for each in columns if each.row.name == SCORE),
            "joint": joint.row,
            "volume": volume.row,
            "days": _days(everything, calendar),
            "alarms": sorted(alarms, key=lambda alarm: (alarm.at, alarm.stream)),
            "performance": checks.performance,
            "estimate": checks.estimate,
            "concept": checks.concept,
            "groups": list(watched.groups),
        }
        waits = _newest_waits(counts, calendar, today, settings.min_rows)
        return self._conclude(parts, counts, waits)

    def _groups(self) -> tuple[GroupMonitor | None, list[str]]:
        """Return the monitor of protected groups, or why they are not watched."""
        if self.slicer is None:
            return None, []
        try:
            path = self.model / REFERENCE_FILE
            return GroupMonitor(self.manifest, self.params, path, self.slicer), []
        except SlipwayError as error:
            return None, [f"Protected groups are not watched: {error}."]

    def _facts(
        self, counts: DailyCounts, elsewhere: int, of_labels: Sequence[str]
    ) -> dict[str, object]:
        faults = [*counts.faults(self.reference, self.now), *of_labels]
        if elsewhere:
            faults.append(
                f"{counted(elsewhere, 'prediction is', 'predictions are')} for days months away "
                "from the others, and not compared."
            )
        rows = self.manifest["reference"][SCORE]["rows"]
        return {
            "other_models": {shorten(name, 200): rows for name, rows in counts.others.items()},
            "reference": ReferenceRows(months=list(self.reference.holdout), rows=rows),
            "settings": self.params.drift.model_dump(),
            "faults": faults,
        }

    def _conclude(self, parts: dict[str, object], counts: DailyCounts, waits: str) -> DriftReport:
        """Return the report with its status and its summary."""
        report = make_report("quiet", "-", self.reference.model, self.log, **parts)
        words = " ".join(filter(None, [_summary(report), waits]))
        last, limit = counts.written[1], timedelta(days=self.params.drift.silent_days)
        if last and datetime.fromisoformat(last) < self.now - limit:
            since = local_day(datetime.fromisoformat(last), self.reference)
            words = (
                f"no traffic since {since}: drift cannot be assessed. Check that the service "
                f"is running and that this is its log. Until then: {words}"
            )
            return report.model_copy(update={"status": "inconclusive", "words": words})
        status = "drift" if report.active() else "quiet"
        return report.model_copy(update={"status": status, "words": words})


def _calendar(counts: DailyCounts, days: Sequence[int], today: np.datetime64) -> Calendar:
    """Return the days that are over, from the first to the last.

    The newest day of the log may still be growing, and so is today.
    """
    if not days:
        return Calendar(np.empty(0, "datetime64[D]"), [])
    end = min(int(numbers_of(today)), days[-1])
    every = range(days[0], end if end > days[0] else days[-1] + 1)
    return Calendar(EPOCH + np.array(every), [counts.days.get(day) for day in every])


def _newest_waits(
    counts: DailyCounts, calendar: Calendar, today: np.datetime64, min_rows: int
) -> str:
    """Return that the newest day is not compared, if it is over and has enough rows by itself.

    Of live traffic it is today or yesterday; of a batch it may be half of the rows.
    """
    after = [day for day in counts.days if calendar.dates[-1] < EPOCH + day < today - 1]
    rows = sum(counts.days[day].rows for day in after)
    if len(after) != 1 or rows < min_rows:
        return ""
    return (
        f"Not compared: {counted(rows, 'prediction')} of {EPOCH + after[0]}, the newest day, which "
        "may still be growing until the log has a later one."
    )


def _problem(counts: DailyCounts, calendar: Calendar, min_rows: int) -> str:
    """Return why drift cannot be assessed, or an empty text."""
    if too_many := counts.skipped.too_many():
        return f"{too_many}."
    rows = int(calendar.rows.sum())
    if rows >= min_rows:
        return ""
    if rows:
        return (
            f"too few rows: {counted(rows, 'prediction')} of this model, and a window needs "
            f"{min_rows:,} (drift.min_rows in params.yaml). Wait for more traffic."
        )
    if counts.others:
        return "no traffic of this model: every record in the log is of another model."
    if counts.ahead or counts.early:
        return "no event of the log has a plausible time: check the clocks."
    return (
        "no traffic: the log has no predictions. Check that the service is running and that this "
        "is its log."
    )


def _season(reference: Reference, calendar: Calendar) -> Season:
    missing = reference.without_season(calendar.dates)
    words = ""
    if missing and not reference.months:
        words = (
            "The training data have no event time, so the model has no reference history: all days "
            "are compared with the holdout, and part of the difference may be seasonal."
        )
    elif missing:
        words = (
            f"The reference history has no {season(missing)}: those days are compared with "
            f"{ends(list(reference.holdout))}, so part of the difference may be seasonal."
        )
    return Season(have=sorted(reference.months), missing=missing, words=words)


def _ranked(rows: Sequence[Column]) -> list[Column]:
    order = ("drift", "notice", "ok")
    return sorted(rows, key=lambda row: (order.index(row.status), -row.psi))


def _days(monitored: Sequence[Monitored[Any]], calendar: Calendar) -> list[Day]:
    strength = {each.row.name: each.strength for each in monitored}
    return [
        Day(
            day=str(date),
            rows=int(rows),
            streams={name: round(float(values[at]), 3) for name, values in strength.items()},
        )
        for at, (date, rows) in enumerate(zip(calendar.dates, calendar.rows, strict=True))
    ]


def _summary(report: DriftReport) -> str:
    compared = (
        f"{counted(report.rows, 'prediction')} for {report.first} to {report.last} compared with "
        f"{counted(report.reference.rows, 'row')} of {ends(report.reference.months)}"
    )
    names = {row.name for row in report.columns}
    drifted = [row for row in report.columns if row.status == "drift"]
    noticed = sum(row.status == "notice" for row in report.columns)
    small = f"; {noticed} with a small difference" if noticed else ""
    others = [alarm.words for alarm in report.active() if alarm.stream not in names]
    more = "".join(f" {words[:1].upper()}{words[1:]}." for words in others)
    if not drifted:
        return f"{compared}: none of {counted(len(report.columns), 'column')} drifted{small}.{more}"
    since = {alarm.stream: alarm.since for alarm in report.active()}
    first = listed([f"`{row.name}` (since {since[row.name]})" for row in drifted])
    return (
        f"{compared}: {len(drifted)} of {counted(len(report.columns), 'column')} drifted"
        f"{small}: {first}.{more}"
    )


class _Labels:
    """Joins labels that have arrived with the predictions as they are read."""

    def __init__(self, manifest: Manifest, params: Params, model: Path) -> None:
        from slipway.monitoring.labelled import Join
        from slipway.monitoring.performance import label_monitor
        from slipway.predictions.labels.store import labels_place, read_labels

        task = task_of(manifest)
        self._reference = _predicted(model / REFERENCE_FILE, manifest)
        self._manifest, self._params = manifest, params
        self._monitor = label_monitor(self._reference, manifest, task)
        self.series = len(self._monitor.series)
        labels = read_labels(labels_place(params), task)
        unknown = labels["label"].isna()
        self.faults = _unknown(labels["stored"][unknown].tolist())
        labels = labels[~unknown]
        self.any = len(labels) > 0
        self._join = Join(labels, self._monitor.edges)

    def add(
        self,
        keys: pa.ChunkedArray | None,
        days: np.ndarray,
        scores: np.ndarray,
        watched: np.ndarray,
        groups: np.ndarray | None,
    ) -> None:
        """Add predictions; without labels their keys are not needed."""
        known = None if keys is None else keys.to_numpy(zero_copy_only=False)
        self._join.add(known, days, scores, watched, groups)

    def predictions(self) -> WeeklyPredictions:
        return self._join.predictions()

    def check(self, rate: float) -> LabelChecks:
        """Return the parts of the report that are about labels; see `check_labels`."""
        from slipway.monitoring.performance import check_labels, holdout_metrics

        settings = self._params.evaluate
        before = holdout_metrics(self._reference, settings, self._monitor, self._manifest)
        return check_labels(self._join.predictions(), self._monitor, self._params, rate, before)


def _predicted(path: Path, manifest: Manifest) -> pd.DataFrame | None:
    """Return labels, predictions and times of the stored rows of the holdout, if there are any."""
    import pandas as pd
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    # Of the inputs there may be thousands.
    wanted, stored = {"label", manifest["event_time"]}, pq.read_schema(path).names
    names = [name for name in stored if name in wanted or name.startswith(SCORE)]
    return pd.read_parquet(path, columns=names)


def _unknown(labels: Sequence[Any]) -> list[str]:
    """Return a sentence about labels that the model cannot predict."""
    if not len(labels):
        return []
    names = list(dict.fromkeys(map(str, labels)))
    sentence = (
        f"{counted(len(labels), 'label is', 'labels are')} of classes that this model does not "
        f"have, and not compared ({listed(names)})."
    )
    return [sentence]
