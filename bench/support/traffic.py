"""Made-up rows for the drift benchmark: ten numbers and five categories, as real columns are."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    """Return columns that differ from `draw` as a scenario says."""
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
    "weeks that wobble by 0.1 sd",
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
