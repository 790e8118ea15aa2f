"""The two streams that are no columns: how much traffic there is, and all columns together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.drift import joint
from slipway.drift.alarms import Episode, episodes
from slipway.drift.columns import Calendar, Judged
from slipway.drift.reference import SCORE, Reference, Stream
from slipway.drift.tallies import Tallies
from slipway.drift.volume import FEWEST_DAYS, Volume, watch_volume
from slipway.drift.windows import EPOCH
from slipway.errors import SlipwayError
from slipway.tables import read_columns

if TYPE_CHECKING:
    from slipway.settings import Params

WEEK = 7

# Rows of a window, below which pairs of columns cannot be told apart from luck.
FEWEST_ROWS = 200


def judge_volume(calendar: Calendar, reference: Reference, factor: float, alpha: float) -> Judged:
    """Watch how many predictions each day has; the first day may have begun anywhere."""
    rows = calendar.rows
    began = 1 if len(rows) > 1 else 0
    found = watch_volume(rows[began:], reference.volume["spread"], factor, alpha)
    pad = np.full(began, np.nan)
    seen = Volume(
        np.append(pad, found.usual),
        np.append(pad, found.ratio),
        np.append(np.zeros(began, dtype=bool), found.hit),
    )
    limit = np.log(factor)
    with np.errstate(invalid="ignore"):
        size = np.abs(np.log((rows + 0.5) / (seen.usual + 0.5))) / limit
    strength = np.where(
        seen.hit, np.fmax(np.fmin(seen.ratio, size), 1.0), np.fmin(seen.ratio, size)
    )
    alarms = [_volume_alarm(each, calendar, seen, strength) for each in episodes(seen.hit)]
    known = not np.isnan(seen.usual[-1])
    words = (
        f"{int(rows[-1]):,} predictions on {calendar.dates[-1]}; usual: {seen.usual[-1]:,.0f}"
        if known
        else f"how many predictions are usual is known after {FEWEST_DAYS} whole days"
    )
    active = bool(alarms) and alarms[-1]["until"] is None
    row = {
        "name": "volume",
        "status": "drift" if active else "ok" if known else "no answer",
        "usual": float(seen.usual[-1]) if known else None,
        "rows": int(rows[-1]),
        "words": words,
    }
    return Judged(row, alarms, np.nan_to_num(strength))


def _volume_alarm(
    each: Episode, calendar: Calendar, seen: Volume, strength: np.ndarray
) -> dict[str, Any]:
    rows, usual = calendar.rows[each.at], seen.usual[each.at]
    date = str(calendar.dates[each.at])
    way = "no predictions" if not rows else f"{rows:,.0f} predictions"
    return {
        "stream": "volume",
        "since": date,
        "at": date,
        "until": str(calendar.dates[each.last]) if each.over else None,
        "strength": round(float(strength[each.at]), 2),
        "words": f"{way} on {date}, where {usual:,.0f} are usual",
    }


def judge_joint(
    tallies: Tallies,
    calendar: Calendar,
    reference: Reference,
    params: Params,
    alpha: float,
    path: Path,
) -> Judged:
    """Ask of the newest weeks whether their columns go together as the holdout's do.

    Only the newest days have rows, so older weeks are not asked again.
    """
    settings = params.drift
    nothing = np.zeros(len(calendar.dates))
    if not path.is_file():
        words = f"{path}: no such file, so columns were not compared together: `dvc repro`"
        return Judged(_joint_row("no answer", words), [], nothing)
    kept = _reference_rows(path, reference)
    missing = {
        name: len(stream.names) - 1
        for name, stream in reference.streams.items()
        if stream.profile["type"] == "category"
    }
    kinds = joint.kinds_of(kept, missing)
    old = joint.design(kept, kinds)
    weeks = []
    for end in range(len(calendar.dates) - 1, -1, -WEEK):
        sample = _window(tallies, calendar.dates[max(0, end - WEEK + 1) : end + 1])
        if sample is None:
            break
        new = joint.design({name: sample[name] for name in kept}, kinds)
        value = joint.auc(old, new, kinds)
        limit = joint.limit(reference.joint, len(new), len(old), alpha)
        weeks.append((end, value, limit))
    if not weeks:
        words = f"too few rows to compare the columns together: a week wants {FEWEST_ROWS}"
        return Judged(_joint_row("no answer", words), [], nothing)
    return _told(weeks, calendar, settings.auc)


def _told(weeks: list[tuple[int, float, float]], calendar: Calendar, floor: float) -> Judged:
    strength = np.zeros(len(calendar.dates))
    for end, value, limit in weeks:
        start = max(0, end - WEEK + 1)
        strength[start : end + 1] = _strength(value, limit, floor)
    _, value, limit = weeks[0]
    over = [_strength(*week[1:], floor) >= 1 for week in weeks]
    words = f"rows can be told from the holdout's with AUC {value:.2f} by how columns go together"
    alarms = []
    if over[0]:
        lasting = over.index(False) if False in over else len(over)
        began = max(0, weeks[lasting - 1][0] - WEEK + 1)
        alarms.append(
            {
                "stream": "joint",
                "since": str(calendar.dates[began]),
                "at": str(calendar.dates[weeks[lasting - 1][0]]),
                "until": None,
                "strength": round(float(strength[-1]), 2),
                "words": f"{words}; past weeks explain {limit:.2f}",
            }
        )
    row = _joint_row("drift" if over[0] else "ok", words) | {"auc": value, "limit": limit}
    return Judged(row, alarms, strength)


def _strength(value: float, limit: float, floor: float) -> float:
    """Return 1 at the limit, or at the smallest AUC that matters if that is more; 0 at chance."""
    return max(0.0, (value - 0.5) / max(limit - 0.5, floor - 0.5, 1e-9))


def _joint_row(status: str, words: str) -> dict[str, Any]:
    return {"name": "joint", "status": status, "auc": None, "limit": None, "words": words}


def _window(tallies: Tallies, dates: np.ndarray) -> Mapping[str, np.ndarray] | None:
    days = (dates - EPOCH).astype(int).tolist()
    parts = [tallies.samples[day].columns for day in days if day in tallies.samples]
    if not parts:
        return None
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return whole if len(next(iter(whole.values()))) >= FEWEST_ROWS else None


def _reference_rows(path: Path, reference: Reference) -> dict[str, np.ndarray]:
    """Return rows of the holdout in the form of the log's samples."""
    names = [name for name in reference.streams if name != SCORE]
    try:
        columns = read_columns([path], names)
    except SlipwayError as error:
        raise SlipwayError(str(error), "build the model again with `dvc repro`") from None
    rows = np.linspace(0, len(columns[names[0]]) - 1, joint.REFERENCE_ROWS).astype(int)
    some = np.unique(rows)
    return {name: coded(columns[name][some], reference.streams[name]) for name in names}


def coded(values: np.ndarray, stream: Stream) -> np.ndarray:
    """Return a column as samples hold it: numbers as they are, categories as cells."""
    if stream.profile["type"] == "number":
        return values.astype("float64")
    unseen, missing = len(stream.names) - 2, len(stream.names) - 1
    cells = [
        missing if each is None else stream.index.get(str(each), unseen) for each in values.tolist()
    ]
    return np.array(cells, dtype="int32")
