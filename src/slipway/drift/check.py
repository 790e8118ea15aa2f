"""The verb: read the log, watch every stream, say what there is to say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.drift.columns import Calendar, Judged, judge_column
from slipway.drift.detect import Rule
from slipway.drift.faults import faults, stretch
from slipway.drift.reference import SCORE, Reference
from slipway.drift.report import Report, Status, to_html, to_markdown
from slipway.drift.runs import alpha_for
from slipway.drift.streams import judge_joint, judge_volume
from slipway.drift.tallies import Tallies
from slipway.drift.windows import EPOCH, read_log_by_day
from slipway.drift.words import ends, listed, season
from slipway.errors import SlipwayError
from slipway.score import MODEL, read_manifest
from slipway.tables import write_json

if TYPE_CHECKING:
    from slipway.drift.arrived import Join
    from slipway.settings import Params

REFERENCE_FILE = "reference.parquet"

# Streams besides the columns: all columns together, the traffic, and what labels say.
JOINT, VOLUME = "joint", "volume"

Row = dict[str, Any]


def drift(
    params: Params,
    log: str = "",
    model: Path = MODEL,
    json: Path | None = None,
    markdown: Path | None = None,
    html: Path | None = None,
    now: datetime | None = None,
) -> Report:
    """Check a prediction log against a model's manifest; write the report where asked.

    A log that cannot be read is an answer too (`no answer`), so that whoever waits for the
    report gets one.

    Raises
    ------
    SlipwayError
        The model has no manifest, or one that does not remember the past.
    """
    manifest = read_manifest(model)
    reference = Reference.of(manifest)
    place = log or log_place(params)
    try:
        report = check(place, manifest, reference, params, model, now or datetime.now(UTC))
    except SlipwayError as error:
        reason = ": ".join(filter(None, [str(error), error.do]))
        report = Report("no answer", reason, reference.model, place)
    if json is not None:
        write_json(report.as_dict(), json)
    for path, render in ((markdown, to_markdown), (html, to_html)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(report), "utf-8")
    return report


def log_place(params: Params) -> str:
    """Return where the service of this repository writes its log."""
    return os.environ.get("SLIPWAY_LOG") or params.serve.log


def check(
    log: str,
    manifest: Mapping[str, Any],
    reference: Reference,
    params: Params,
    model: Path,
    now: datetime,
) -> Report:
    """Compare the predictions of one model with what its manifest remembers.

    Raises
    ------
    SlipwayError
        The log, or the labels, cannot be read.
    """
    labels = _Labels(manifest, params, model)
    settings = params.drift
    tallies = read_log_by_day(log, reference, now, settings.memory_mb, labels.take)
    days, elsewhere = stretch(tallies, settings.min_rows)
    about = _about(log, reference, manifest, params, tallies, now)
    if elsewhere:
        about["faults"].append(
            f"{elsewhere:,} predictions are for days months away from the others; they were not "
            "compared."
        )
    calendar = _calendar(tallies, days, now)
    if problem := _problem(tallies, calendar, settings.min_rows):
        return Report("no answer", problem, **about)
    first, last = str(calendar.dates[0]), str(calendar.dates[-1])
    about |= {"rows": int(calendar.rows.sum()), "first": first, "last": last}
    about["season"] = _season(reference, calendar)
    streams = len(reference.streams) + 2 + labels.streams
    rate = settings.false_alarms_per_month
    alpha = alpha_for(rate, streams)
    rule = Rule(alpha, settings.psi, settings.min_rows)
    judged = [
        judge_column(stream, calendar, tallies.unseen.get(name, {}), rule, reference)
        for name, stream in reference.streams.items()
    ]
    volume = judge_volume(calendar, reference, settings.volume, alpha)
    joint = judge_joint(tallies, calendar, reference, params, alpha, model / REFERENCE_FILE)
    harm = labels.look(rate * labels.streams / streams)
    others = {JOINT: joint, VOLUME: volume}
    found = _assemble(judged, others, harm, calendar)
    return _answer(Report("quiet", "", **about, **found), tallies, settings.silent_days, now)


def _about(
    log: str,
    reference: Reference,
    manifest: Mapping[str, Any],
    params: Params,
    tallies: Tallies,
    now: datetime,
) -> Row:
    return {
        "model": reference.model,
        "log": log,
        "other_models": tallies.others,
        "reference": {
            "months": list(reference.holdout),
            "rows": manifest["reference"][SCORE]["rows"],
        },
        "settings": params.drift.model_dump(),
        "faults": faults(tallies, reference, now),
    }


def _calendar(tallies: Tallies, days: list[int], now: datetime) -> Calendar:
    """Return the days that are over, from the first to the last.

    The newest day of the log may still be growing, and so is today.
    """
    today = (now - datetime(1970, 1, 1, tzinfo=UTC)).days
    if not days:
        return Calendar(np.empty(0, "datetime64[D]"), [])
    end = min(today, days[-1])
    every = range(days[0], end if end > days[0] else days[-1] + 1)
    dates = EPOCH + np.array(every)
    return Calendar(dates, [tallies.days.get(day) for day in every])


def _problem(tallies: Tallies, calendar: Calendar, wanted: int) -> str:
    """Return why nothing can be said, or nothing."""
    if too_many := tallies.skipped.too_many():
        return f"{too_many}."
    rows = int(calendar.rows.sum())
    if rows >= wanted:
        return ""
    if rows:
        return (
            f"too few rows: {rows:,} predictions of this model, and a window wants {wanted:,} "
            "(drift.min_rows in params.yaml). Wait for more traffic."
        )
    if tallies.others:
        return "no traffic of this model: every record in the log is another model's."
    if tallies.ahead or tallies.early:
        return "no event of the log has a time that can be meant: look at the clocks."
    return "no traffic: the log has no predictions. Is the service running, and is this its log?"


def _season(reference: Reference, calendar: Calendar) -> Row:
    missing = reference.without_season(calendar.dates)
    words = ""
    if missing:
        words = (
            f"The past that the model knows has no {season(missing)}: those days are compared with "
            f"{ends(list(reference.holdout))}, so part of what moved may be the season."
        )
    return {"have": sorted(reference.months), "missing": missing, "words": words}


def _assemble(
    judged: list[Judged], others: Mapping[str, Judged], harm: Row, calendar: Calendar
) -> Row:
    rows = [each.row for each in judged]
    order = ("drift", "notice", "ok")
    columns = sorted(rows, key=lambda row: (order.index(row["status"]), -row["psi"]))
    everything = [*judged, *others.values()]
    alarms = [alarm for each in everything for alarm in each.alarms] + harm.pop("alarms")
    strength = {each.row["name"]: each.strength for each in everything}
    days = [
        {
            "day": str(date),
            "rows": int(rows_),
            "streams": {name: round(float(values[at]), 3) for name, values in strength.items()},
        }
        for at, (date, rows_) in enumerate(zip(calendar.dates, calendar.rows, strict=True))
    ]
    return {
        "columns": columns,
        "score": next(row for row in rows if row["name"] == SCORE),
        "joint": others[JOINT].row,
        "volume": others[VOLUME].row,
        "days": days,
        "alarms": sorted(alarms, key=lambda alarm: (str(alarm["at"]), str(alarm["stream"]))),
        **harm,
    }


def _answer(report: Report, tallies: Tallies, silent_days: int, now: datetime) -> Report:
    """Give a report its status and its sentence."""
    from dataclasses import replace

    status: Status = "drift" if report.active() else "quiet"
    words = _sentence(report)
    last = tallies.written[1]
    if last and datetime.fromisoformat(last) < now - timedelta(days=silent_days):
        words = (
            f"no traffic since {last[:10]}: whether the model still meets what it knows is not "
            f"known. Is the service running, and is this its log? Until then: {words}"
        )
        return replace(report, status="no answer", words=words)
    return replace(report, status=status, words=words)


def _sentence(report: Report) -> str:
    compared = (
        f"{report.rows:,} predictions for {report.first} to {report.last} compared with "
        f"{report.reference['rows']:,} rows of {ends(report.reference['months'])}"
    )
    names = {row["name"] for row in report.columns}
    drifted = [row for row in report.columns if row["status"] == "drift"]
    noticed = sum(row["status"] == "notice" for row in report.columns)
    small = f"; {noticed} moved a little" if noticed else ""
    rest = [alarm for alarm in report.active() if alarm["stream"] not in names]
    told = "".join(f" {alarm['words'][:1].upper()}{alarm['words'][1:]}." for alarm in rest)
    if not drifted:
        return f"{compared}: none of {len(report.columns)} columns moved far{small}.{told}"
    since = {alarm["stream"]: alarm["since"] for alarm in report.active()}
    first = listed([f"`{row['name']}` (since {since[row['name']]})" for row in drifted])
    far = f"{len(drifted)} of {len(report.columns)} columns moved far{small}"
    return f"{compared}: {far}: {first}.{told}"


class _Labels:
    """Brings labels that have arrived to the predictions as they are read, and looks at both."""

    def __init__(self, manifest: Mapping[str, Any], params: Params, model: Path) -> None:
        from slipway.drift.arrived import Join
        from slipway.drift.performance import STREAMS
        from slipway.labels.store import labels_place, read_labels

        self.streams = len(STREAMS)
        self._manifest, self._params, self._model = manifest, params, model
        labels = read_labels(labels_place(params))
        self._any = len(labels) > 0
        self._join: Join = Join(labels, manifest["threshold"])

    def take(self, keys: Any, days: np.ndarray, scores: np.ndarray) -> None:
        """Add predictions; without labels nobody asks for their keys."""
        known = keys.to_numpy(zero_copy_only=False) if self._any else None
        self._join.add(known, EPOCH + days, scores)

    def look(self, rate: float) -> Row:
        """Return what labels, and scores without labels, say; see `look_at_labels`."""
        import pandas as pd

        from slipway.drift.performance import holdout_metrics, look_at_labels, memory_of

        path = self._model / REFERENCE_FILE
        reference = pd.read_parquet(path) if path.is_file() else None
        threshold = self._manifest["threshold"]
        return look_at_labels(
            self._join.arrived(),
            memory_of(reference, self._manifest),
            self._params,
            threshold,
            rate,
            holdout_metrics(reference, self._params.evaluate, threshold),
        )
