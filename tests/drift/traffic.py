"""A model's memory of made-up rows, and prediction logs that do or do not look like them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from slipway.contract import Columns
from slipway.profile import profile_columns
from slipway.serve.log import VERSION

MODEL = "a" * 64


def draw(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Columns of every awkward kind: ties, gaps, tails, many values; `score` among them."""
    many = 1 / np.arange(1, 41)
    temperature = rng.normal(10, 5, rows).astype("float32")
    temperature[rng.random(rows) < 0.1] = np.nan
    return {
        "temperature": temperature,
        "amount": rng.lognormal(0, 1, rows).astype("float32"),
        "visits": rng.poisson(3, rows).astype("float32"),
        "rain": np.where(rng.random(rows) < 0.8, 0, rng.random(rows)).astype("float32"),
        "colour": rng.choice(np.array(["red", "green", "blue"], object), rows),
        "town": rng.choice(
            np.array([f"t{i}" for i in range(40)], object), rows, p=many / many.sum()
        ),
        "score": rng.beta(2, 6, rows).astype("float32").astype("float64"),
    }


def manifest_of(columns: Columns) -> dict[str, Any]:
    return {
        "model": {"sha256": MODEL},
        "event_time": "asked_for",
        "holdout": {"months": ["2024-05"]},
        "reference": profile_columns(columns),
    }


def frame_of(columns: Columns, model: str = MODEL) -> pd.DataFrame:
    """What `read_log` would return of these rows."""
    inputs = {f"input.{name}": values for name, values in columns.items() if name != "score"}
    times = pd.date_range("2024-06-01", periods=len(columns["score"]), freq="min", tz="UTC")
    return pd.DataFrame({"time": times, "model": model, "probability": columns["score"], **inputs})


def write_log(folder: Path, columns: Columns, model: str = MODEL) -> None:
    """Write rows as the service would have."""
    names = [name for name in columns if name != "score"]
    rows = [
        {name: _plain(columns[name][i]) for name in names} for i in range(len(columns["score"]))
    ]
    write_records(folder, rows, [f"k{i}" for i in range(len(rows))], columns["score"], model)


def write_records(
    folder: Path,
    rows: list[dict[str, Any]],
    keys: Iterable[str],
    scores: np.ndarray,
    model: str,
    time: str = "2024-06-01T12:00:00.000000Z",
) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / f"2024-06-01_{model[:8]}.jsonl").open("wb") as file:
        for number, (row, key, score) in enumerate(zip(rows, keys, scores, strict=True)):
            record = {
                "version": VERSION,
                "id": f"{model[:8]}-{number:06d}",
                "time": time,
                "key": key,
                "probability": float(score),
                "decision": bool(score >= 0.3),
                "review": False,
                "model": model,
                "data": "d",
                "commit": "c",
                "input": row,
            }
            file.write(orjson.dumps(record) + b"\n")


def _plain(value: Any) -> Any:
    if isinstance(value, np.floating):
        return None if np.isnan(value) else float(str(value))
    return value
