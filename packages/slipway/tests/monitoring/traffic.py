"""A model's memory of made-up rows, and prediction logs that do or do not look like them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from slipway.dataset.tables import write_columns
from slipway.predictions.record import VERSION
from slipway.predictions.writer import Ids
from slipway.project import Columns
from slipway.reference import domain_classifier
from slipway.reference.history import reference_history
from slipway.reference.profile import profile_columns

MODEL = "a" * 64

WRITTEN = "2024-06-01T12:00:00.000000Z"

PAST = np.arange(np.datetime64("2024-03-01"), np.datetime64("2024-06-01"))

HOLDOUT = "2024-05"

START = np.datetime64("2024-06-01")

# The day after the last of a log of five weeks.
NOW = datetime(2024, 7, 7, 5, 23, tzinfo=UTC)

IDS = Ids()

NUMBERS = ("temperature", "amount", "visits", "rain", "wind")


def draw(rng: np.random.Generator, rows: int, together: float = 0.6) -> dict[str, np.ndarray]:
    """Columns of every awkward kind: ties, gaps, tails, many values; `score` among them.

    Temperature and wind go `together`, without a trace in either alone.
    """
    many = 1 / np.arange(1, 41)
    temperature = rng.normal(0, 1, rows)
    wind = together * temperature + np.sqrt(1 - together**2) * rng.normal(0, 1, rows)
    temperature = (10 + 5 * temperature).astype("float32")
    temperature[rng.random(rows) < 0.1] = np.nan
    return {
        "temperature": temperature,
        "amount": rng.lognormal(0, 1, rows).astype("float32"),
        "visits": rng.poisson(3, rows).astype("float32"),
        "rain": np.where(rng.random(rows) < 0.8, 0, rng.random(rows)).astype("float32"),
        "wind": wind.astype("float32"),
        "colour": rng.choice(np.array(["red", "green", "blue"], object), rows),
        "town": rng.choice(
            np.array([f"t{i}" for i in range(40)], object), rows, p=many / many.sum()
        ),
        "score": rng.beta(2, 6, rows).astype("float32").astype("float64"),
    }


def moments_of(days: np.ndarray, rows_a_day: int, zone: str) -> np.ndarray:
    """Return moments in UTC, from midnight to midnight of each day in a time zone."""
    offsets = np.arange(rows_a_day) * (24 * 3600 // rows_a_day)
    local = (days.astype("datetime64[s]")[:, None] + offsets.astype("timedelta64[s]")).ravel()
    aware = (each.replace(tzinfo=ZoneInfo(zone)) for each in local.tolist())
    return np.array([each.astimezone(UTC).replace(tzinfo=None) for each in aware], "datetime64[s]")


def remember(
    rng: np.random.Generator, folder: Path, rows_a_day: int = 100, zone: str = "UTC"
) -> dict[str, Any]:
    """Write `reference.parquet` of a model that was measured on May; return its manifest.

    Its rows are spread over the days of a time zone; as in training, their times are in UTC.
    """
    columns = draw(rng, rows_a_day * len(PAST))
    times = moments_of(PAST, rows_a_day, zone)
    held = np.repeat(PAST, rows_a_day) >= np.datetime64(HOLDOUT)
    holdout = {name: values[held] for name, values in columns.items()}
    reference = profile_columns(holdout)
    towns = np.unique(columns["town"].astype(str), return_inverse=True)[1]
    colours = np.unique(columns["colour"].astype(str), return_inverse=True)[1]
    coded = {name: columns[name].astype("float64") for name in NUMBERS}
    coded |= {"colour": colours, "town": towns}
    missing = {"colour": 3, "town": 40}
    weeks = domain_classifier.past_weeks(coded, times.astype("datetime64[D]"), missing)
    label = (rng.random(held.sum()) < holdout["score"]).astype("float64")
    asked = {"asked_for": times[held].astype("datetime64[us]")}
    folder.mkdir(parents=True, exist_ok=True)
    write_columns(holdout | asked | {"label": label}, folder / "reference.parquet")
    return {
        "version": 1,
        "time_zone": zone,
        "model": {"sha256": MODEL},
        "key": "id",
        "event_time": "asked_for",
        "threshold": 0.3,
        "holdout": {"months": [HOLDOUT], "rows": len(label), "positives": int(label.sum())},
        "inputs": [_input("id", "string", unique=True), _input("asked_for", "timestamp")]
        + [_input(name, "number", nullable=name == "temperature") for name in NUMBERS]
        + [_input(name, "string") for name in ("colour", "town")],
        "reference": reference,
        "past": reference_history(columns, times, reference) | {"joint": weeks},
    }


def write_log(
    folder: Path,
    columns: Columns,
    days: np.ndarray | None = None,
    model: str = MODEL,
    **fields: Any,
) -> None:
    """Write rows as the service would have; `days` of the events, five weeks if not given.

    Events are at noon of these days, in UTC, or at the moments given instead.
    """
    count = len(columns["score"])
    if days is None:
        days = START + (np.arange(count) * 35 // count)
    if days.dtype == "datetime64[D]":
        days = days.astype("datetime64[s]") + np.timedelta64(12, "h")
    names = [name for name in columns if name != "score"]
    rows = [
        {"id": f"20240601-{model[:2].upper()}{i}-JFK", "asked_for": f"{days[i]}Z"}
        | {name: _plain(columns[name][i]) for name in names}
        for i in range(count)
    ]
    keys = [row["id"] for row in rows]
    written = f"{NOW.date()}T01:00:00.000000Z"
    write_records(folder, rows, keys, columns["score"], model, **({"time": written} | fields))


def write_records(
    folder: Path,
    rows: list[dict[str, Any]],
    keys: Iterable[str],
    scores: np.ndarray,
    model: str,
    **fields: Any,
) -> None:
    """Write records of one model; `fields` override those of a record."""
    folder.mkdir(exist_ok=True)
    with (folder / f"2024-06-01_{model[:8]}.jsonl").open("ab") as file:
        for row, key, score in zip(rows, keys, scores, strict=True):
            record = {
                "version": VERSION,
                "id": IDS.next(NOW),
                "time": WRITTEN,
                "key": key,
                "probability": float(score),
                "decision": bool(score >= 0.3),
                "review": False,
                "model": model,
                "data": "d",
                "commit": "c",
                "input": row,
            }
            file.write(orjson.dumps(record | fields) + b"\n")


def _input(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    dtypes = {"number": "float32", "string": "object", "timestamp": "datetime64[us]"}
    known = {"name": name, "type": kind, "dtype": dtypes[kind], "nullable": False, "unique": False}
    return known | {"rules": []} | fields


def _plain(value: Any) -> Any:
    if isinstance(value, np.floating):
        return None if np.isnan(value) else float(str(value))
    return value
