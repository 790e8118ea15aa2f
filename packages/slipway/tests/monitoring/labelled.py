"""Made-up predictions with labels, of a model with AUC 0.75 that is right, or no longer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from slipway.manifest import Manifest
from slipway.monitoring.holdout_calibration import HoldoutCalibration
from slipway.monitoring.label_monitors import BinaryMonitor
from slipway.monitoring.labelled import Join, WeeklyPredictions
from slipway.monitoring.performance import evidence_by_series, holdout_calibration
from slipway.monitoring.sequential_test import windows_between_alarms
from slipway.settings import Params, read_params

START = np.datetime64("2024-01-01")  # a Monday

THRESHOLD = 0.3

# A false alarm in ten months, on average and at the most.
RATE = 0.1

WEEKS = 52

MANIFEST: Manifest = {
    "event_time": "asked_for",
    "threshold": THRESHOLD,
    "holdout": {"rows": 10_000, "positives": 3_060},
}

MONITOR = BinaryMonitor(holdout_calibration(None, MANIFEST), THRESHOLD)

SERIES, EDGES = MONITOR.series, MONITOR.edges

# What a row's label follows instead of its score: slope and intercept that keep the label rate.
CHANGES = {"AUC -0.045": (0.77, 0.05), "AUC -0.20": (0.19, 0.175)}


def draw(
    rng: np.random.Generator,
    rows: int,
    week: int = 0,
    *,
    change: str = "",
    days: int = 7,
    rest: float = 0.0,
    moved: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and days of some rows.

    Parameters
    ----------
    change
        One of `CHANGES`: other labels for the same rows.
    rest
        How much the odds of a day differ from those of the next, for the same scores.
    moved
        How far the rows themselves have moved, in standard deviations.
    """
    signal = rng.normal(moved, 1, rows)
    day = np.sort(rng.integers(0, days, rows))
    slope, more = CHANGES.get(change, (1.0, 0.0))
    mood = rng.normal(0, rest, days)[day] if rest else 0.0
    odds = -1.0 + more + 1.05 * slope * signal + mood
    labels = (rng.random(rows) < sigmoid(odds)).astype(float)
    return labels, sigmoid(-1.0 + 1.05 * signal), START + 7 * week + day


def calibration(
    rng: np.random.Generator, rest: float = 0.0, rows: int = 10_000
) -> HoldoutCalibration:
    """The calibration of a month's holdout."""
    return HoldoutCalibration.of(*draw(rng, rows, week=-5, days=30, rest=rest))


def log_of(
    weeks: list[tuple[np.ndarray, np.ndarray, np.ndarray]], known: list[np.ndarray] | None = None
) -> WeeklyPredictions:
    """Predictions of some weeks; `known` masks the rows whose label has arrived."""
    labels, scores, days = (np.concatenate(part) for part in zip(*weeks, strict=True))
    mask = np.ones(len(labels), dtype=bool) if known is None else np.concatenate(known)
    keys = np.array([f"k{number}" for number in range(len(labels))], dtype=object)
    join = Join(labels_of(keys[mask], labels[mask]), EDGES)
    join.add(keys, days, scores)
    return join.predictions()


def join(frame: pd.DataFrame, labels: pd.DataFrame) -> WeeklyPredictions:
    """Join the predictions of `slipway.predictions.reader.read_log` with labels."""
    both = Join(labels, EDGES)
    times = pd.to_datetime(frame[f"input.{MANIFEST['event_time']}"], utc=True, format="ISO8601")
    days = times.dt.tz_convert(None).to_numpy("datetime64[D]")
    both.add(frame["key"].to_numpy(object), days, frame["probability"].to_numpy("float64"))
    return both.predictions()


def labels_of(keys: Any, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"key": keys, "label": labels.astype("int8")})


def params() -> Params:
    return read_params()


def sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))


def years_with_an_alarm(years: int, rows: int, rest: float) -> int:
    """Return in how many years, in which nothing changes, there is an alarm; weekly looks."""
    return sum(first_alarm(seed, rows, WEEKS, rest) <= WEEKS for seed in range(years))


def first_alarm(seed: int, rows: int, weeks: int, rest: float = 0.0, change: str = "") -> float:
    """Return the week of the first alarm, from 1; infinite if there is none."""
    rng = np.random.default_rng(seed)
    known = calibration(rng, rest)
    shifts = [
        known.shifts(*draw(rng, rows, week, rest=rest, change=change)) for week in range(weeks)
    ]
    windows = windows_between_alarms(RATE, len(SERIES), 7)
    evidence = evidence_by_series(shifts, BinaryMonitor(known, THRESHOLD), params(), windows)
    hit = np.any([evidence[name].values >= 1 for name in SERIES], axis=0)
    return float(np.argmax(hit) + 1) if hit.any() else np.inf
