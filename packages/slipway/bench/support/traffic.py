"""Made-up rows for the drift benchmark: ten numbers and five categories, as real columns are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from slipway.dataset.tables import write_columns
from slipway.reference import domain_classifier
from slipway.reference.history import reference_history
from slipway.reference.profile import profile_columns

VALUES = (2, 3, 5, 12, 40)

NUMBERS = [f"x{number}" for number in range(10)]
CATEGORIES = [f"c{values}" for values in VALUES]

Columns = dict[str, Any]


def draw(rng: np.random.Generator, rows: int, together: float = 0.6) -> Columns:
    """Return columns: normal ones (two of them go `together`), tails, ties, gaps, categories."""
    x0 = rng.normal(size=rows)
    x1 = together * x0 + np.sqrt(1 - together**2) * rng.normal(size=rows)
    gaps = rng.normal(size=rows)
    gaps[rng.random(rows) < 0.1] = np.nan
    columns: Columns = {
        "x0": x0,
        "x1": x1,
        "x2": rng.lognormal(size=rows),
        "x3": rng.gamma(2, size=rows),
        "x4": rng.standard_t(3, size=rows),
        "x5": np.where(rng.random(rows) < 0.5, rng.normal(-2, 1, rows), rng.normal(2, 1, rows)),
        "x6": rng.poisson(3, rows).astype(float),
        "x7": np.where(rng.random(rows) < 0.8, 0.0, rng.random(rows)),
        "x8": rng.random(rows),
        "x9": gaps,
    }
    columns = {name: values.astype("float32") for name, values in columns.items()}
    for name, values in zip(CATEGORIES, VALUES, strict=True):
        shares = 1 / np.arange(1, values + 1)
        codes = rng.choice(values, rows, p=shares / shares.sum())
        columns[name] = np.array([f"v{code}" for code in range(values)], object)[codes]
    return columns


def moved(rng: np.random.Generator, rows: int, scenario: str) -> Columns:
    """Return columns that differ from `draw` as a scenario states."""
    columns = draw(rng, rows, 0.0 if scenario == "columns no longer together" else 0.6)
    if scenario.startswith("x0"):
        columns["x0"] += np.float32(float(scenario.split("+")[1].split(" ", maxsplit=1)[0]))
    elif scenario.startswith("c3 moves"):
        points = float(scenario.split("by ")[1].split(" ", maxsplit=1)[0]) / 100
        first = np.flatnonzero(columns["c3"] == "v0")
        columns["c3"][rng.permutation(first)[: round(points * rows)]] = "v2"
    elif scenario.startswith("a new value"):
        columns["c12"][rng.random(rows) < 0.02] = "new"
    elif scenario.startswith("x9 missing"):
        columns["x9"][rng.random(rows) < 0.1 / 0.9] = np.nan
    elif scenario.startswith("weeks"):
        for name in ("x0", "x1", "x2", "x3", "x4", "x5", "x8"):
            spread = np.nanstd(columns[name])
            columns[name] = columns[name] + np.float32(0.1 * spread * rng.normal())
    return columns


SCENARIOS = [
    "nothing",
    "weeks that vary by 0.1 sd",
    "x0 +0.1 sd",
    "x0 +0.2 sd",
    "x0 +0.5 sd",
    "c3 moves by 5 points",
    "c3 moves by 10 points",
    "c3 moves by 20 points",
    "a new value in 2%",
    "x9 missing 10% to 19%",
    "columns no longer together",
]

PAST = np.arange(np.datetime64("2023-09-01"), np.datetime64("2024-06-01"))

HOLDOUT = "2024-05"

MODEL = "a" * 64


def score_of(columns: Columns) -> Any:
    """Return the scores of a model that uses two numbers and their interaction."""
    x0, x1 = (columns[name].astype("float64") for name in ("x0", "x1"))
    return 1 / (1 + np.exp(1 - x0 - 0.5 * x1 - 0.5 * x0 * x1))


def remember(folder: Path, rows_a_day: int, scenario: str = "nothing") -> dict[str, Any]:
    """Write the folder of a model that knows nine months of `draw`; return its manifest."""
    rng = np.random.default_rng(1)
    weeks = np.array_split(np.arange(len(PAST)), len(PAST) // 7)
    parts = [moved(rng, len(week) * rows_a_day, scenario) for week in weeks]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["score"] = score_of(columns)
    times = np.repeat(PAST, rows_a_day)
    held = times >= np.datetime64(HOLDOUT)
    holdout = {name: values[held] for name, values in columns.items()}
    reference = profile_columns(holdout)
    coded: Columns = {name: columns[name].astype("float64") for name in NUMBERS}
    coded |= {
        name: np.unique(columns[name].astype(str), return_inverse=True)[1] for name in CATEGORIES
    }
    missing = {name: int(coded[name].max()) + 1 for name in CATEGORIES}
    label = (rng.random(held.sum()) < holdout["score"]).astype("float64")
    asked = {"at": times[held].astype("datetime64[us]")}
    some = np.linspace(0, held.sum() - 1, 10_000).astype(int)
    kept = {name: values[some] for name, values in (holdout | asked | {"label": label}).items()}
    write_columns(kept, folder / "reference.parquet")
    manifest = {
        "version": 1,
        "model": {"sha256": MODEL},
        "key": "id",
        "event_time": "at",
        "threshold": 0.5,
        "holdout": {"months": [HOLDOUT], "rows": len(label), "positives": int(label.sum())},
        "inputs": [_input("id", "string", unique=True), _input("at", "timestamp")]
        + [_input(name, "number", nullable=True) for name in NUMBERS]
        + [_input(name, "string") for name in CATEGORIES],
        "reference": reference,
        "past": reference_history(columns, times, reference)
        | {"joint": domain_classifier.past_weeks(coded, times, missing)},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return manifest


def write_lines(path: Path, columns: Columns, day: str) -> None:
    """Write rows as the log of a service has them, all for one day."""
    scores = score_of(columns).tolist()
    listed = {name: columns[name].tolist() for name in (*NUMBERS, *CATEGORIES)}
    with path.open("wb") as file:
        for number, score in enumerate(scores):
            row = {name: values[number] for name, values in listed.items()}
            row = {name: None if value != value else value for name, value in row.items()}
            record = {
                "id": f"018f0000-0000-7000-8000-{number:012d}",
                "probability": score,
                "decision": score >= 0.5,
                "review": False,
                "reasons": [],
                "time": "2024-07-06T12:00:00.000000Z",
                "key": f"k{number}",
                "input": {"id": f"k{number}", "at": f"{day}T12:00:00Z"} | row,
                "model": MODEL,
                "data": "d" * 32,
                "commit": "c" * 40,
                "version": 1,
            }
            file.write(orjson.dumps(record) + b"\n")


def _input(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    dtypes = {"number": "float32", "string": "object", "timestamp": "datetime64[us]"}
    known = {"name": name, "type": kind, "dtype": dtypes[kind], "nullable": False, "unique": False}
    return known | {"rules": []} | fields
