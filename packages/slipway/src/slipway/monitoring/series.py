"""The two series that are not columns: the number of predictions, and all columns together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from slipway.dataset.tables import read_columns
from slipway.errors import SlipwayError
from slipway.monitoring import volume
from slipway.monitoring.alarms import Episode, episodes
from slipway.monitoring.columns import Calendar, Monitored
from slipway.monitoring.counting import EPOCH
from slipway.monitoring.daily_counts import DailyCounts
from slipway.monitoring.report import Alarm, Joint, Volume
from slipway.numbers import counted
from slipway.reference import domain_classifier
from slipway.reference.profile import PREDICTED
from slipway.reference.reference import Reference, Series

if TYPE_CHECKING:
    from slipway.settings import Params

WEEK = 7

# Smallest window in which pairs of columns are compared.
FEWEST_ROWS = 200


def monitor_volume(
    calendar: Calendar, reference: Reference, factor: float, alpha: float
) -> Monitored[Volume]:
    """Monitor the number of predictions of each day; the first day may have started late."""
    rows = calendar.rows
    began = 1 if len(rows) > 1 else 0
    found = volume.compare_days(rows[began:], reference.volume["spread"], factor, alpha)
    pad = np.full(began, np.nan)
    days = volume.DailyVolume(
        np.append(pad, found.usual),
        np.append(pad, found.ratio),
        np.append(np.zeros(began, dtype=bool), found.hit),
    )
    limit = np.log(factor)
    with np.errstate(invalid="ignore"):
        size = np.abs(np.log((rows + 0.5) / (days.usual + 0.5))) / limit
    strength = np.where(
        days.hit, np.fmax(np.fmin(days.ratio, size), 1.0), np.fmin(days.ratio, size)
    )
    alarms = [_volume_alarm(each, calendar, days, strength) for each in episodes(days.hit)]
    usual, newest = days.usual[-1], int(rows[-1])
    known = not np.isnan(usual)
    words = (
        f"{counted(newest, 'prediction')} on {calendar.dates[-1]}; usual: {usual:,.0f}"
        if known
        else f"the usual number of predictions is known after {volume.FEWEST_DAYS} whole days"
    )
    active = bool(alarms) and alarms[-1].until is None
    row = Volume(
        name="volume",
        status="drift" if active else "ok" if known else "inconclusive",
        usual=max(float(usual), 0.0) if known else None,
        rows=newest,
        words=words,
    )
    return Monitored(row, alarms, np.nan_to_num(strength))


def _volume_alarm(
    each: Episode, calendar: Calendar, days: volume.DailyVolume, strength: np.ndarray
) -> Alarm:
    rows, usual = calendar.rows[each.at], days.usual[each.at]
    date = str(calendar.dates[each.at])
    number = "no predictions" if not rows else counted(int(rows), "prediction")
    return Alarm(
        stream="volume",
        since=date,
        at=date,
        until=str(calendar.dates[each.last]) if each.over else None,
        strength=round(float(strength[each.at]), 2),
        words=f"{number} on {date}, where {usual:,.0f} are usual",
    )


def monitor_joint(
    counts: DailyCounts,
    calendar: Calendar,
    reference: Reference,
    params: Params,
    alpha: float,
    path: Path,
) -> Monitored[Joint]:
    """Test whether the dependence of columns in the newest weeks differs from the holdout's.

    Only the newest days have a sample, so older weeks are not tested again.
    """
    settings = params.drift
    nothing = np.zeros(len(calendar.dates))
    if not path.is_file():
        words = f"{path}: no such file, so columns were not compared together: `dvc repro`"
        return Monitored(_joint("inconclusive", words), [], nothing)
    kept = _reference_rows(path, reference)
    missing = {
        name: series.missing for name, series in reference.series.items() if not series.is_number
    }
    kinds = domain_classifier.kinds_of(kept, missing)
    old = domain_classifier.design(kept, kinds)
    weeks = []
    for end in range(len(calendar.dates) - 1, -1, -WEEK):
        sample = _window(counts, calendar.dates[max(0, end - WEEK + 1) : end + 1])
        if sample is None:
            break
        new = domain_classifier.design({name: sample[name] for name in kept}, kinds)
        value = domain_classifier.auc(old, new, kinds)
        limit = domain_classifier.limit(reference.joint, len(new), len(old), alpha)
        weeks.append((end, value, limit))
    if not weeks:
        words = f"too few rows to compare the columns together: a week needs {FEWEST_ROWS}"
        return Monitored(_joint("inconclusive", words), [], nothing)
    return _of_weeks(weeks, calendar, settings.auc)


def _of_weeks(
    weeks: list[tuple[int, float, float]], calendar: Calendar, floor: float
) -> Monitored[Joint]:
    strength = np.zeros(len(calendar.dates))
    for end, value, limit in weeks:
        start = max(0, end - WEEK + 1)
        strength[start : end + 1] = _strength(value, limit, floor)
    _, value, limit = weeks[0]
    over = [_strength(*week[1:], floor) >= 1 for week in weeks]
    words = (
        "multivariate drift: a classifier on pairs of columns separates the log from the holdout "
        f"with AUC {value:.2f}"
    )
    alarms = []
    if over[0]:
        lasting = over.index(False) if False in over else len(over)
        began = max(0, weeks[lasting - 1][0] - WEEK + 1)
        alarms.append(
            Alarm(
                stream="joint",
                since=str(calendar.dates[began]),
                at=str(calendar.dates[weeks[lasting - 1][0]]),
                until=None,
                strength=round(float(strength[-1]), 2),
                words=f"{words}; past weeks explain {limit:.2f}",
            )
        )
    row = _joint("drift" if over[0] else "ok", words, value, limit)
    return Monitored(row, alarms, strength)


def _strength(value: float, limit: float, floor: float) -> float:
    """Return 0 for an AUC of 0.5, and 1 at the limit or the floor, whichever is larger."""
    return max(0.0, (value - 0.5) / max(limit - 0.5, floor - 0.5, 1e-9))


def _joint(
    status: Literal["ok", "drift", "inconclusive"],
    words: str,
    auc: float | None = None,
    limit: float | None = None,
) -> Joint:
    return Joint(name="joint", status=status, auc=auc, limit=limit, words=words)


def _window(counts: DailyCounts, dates: np.ndarray) -> Mapping[str, np.ndarray] | None:
    days = (dates - EPOCH).astype(int).tolist()
    parts = [counts.samples[day].columns for day in days if day in counts.samples]
    if not parts:
        return None
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return whole if len(next(iter(whole.values()))) >= FEWEST_ROWS else None


def _reference_rows(path: Path, reference: Reference) -> dict[str, np.ndarray]:
    """Return rows of the holdout in the form of the log's samples."""
    names = [name for name in reference.series if name not in PREDICTED]
    try:
        columns = read_columns([path], names)
    except SlipwayError as error:
        raise SlipwayError(str(error), "train the model again with `dvc repro`") from None
    rows = np.linspace(0, len(columns[names[0]]) - 1, domain_classifier.REFERENCE_ROWS).astype(int)
    some = np.unique(rows)
    return {name: coded(columns[name][some], reference.series[name]) for name in names}


def coded(values: np.ndarray, series: Series) -> np.ndarray:
    """Return a column in the form of samples: numbers unchanged, categories as cells."""
    if series.is_number:
        return values.astype("float64")
    cells = [
        series.missing if value is None else series.index.get(str(value), series.unseen)
        for value in values.tolist()
    ]
    return np.array(cells, dtype="int32")
