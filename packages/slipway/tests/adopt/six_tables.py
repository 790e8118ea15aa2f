"""Six tables of one's own: three of scikit-learn as they are, and what these do not have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets


@dataclass(frozen=True)
class Example:
    """A table, its target and its task."""

    make: Callable[[], pd.DataFrame]
    target: str
    task: str


def bundled(load: Callable[..., object]) -> Callable[[], pd.DataFrame]:
    """Return a function that makes a table of scikit-learn."""
    return lambda: pd.DataFrame(load(as_frame=True).frame)  # type: ignore[attr-defined]


def wine() -> pd.DataFrame:
    """Wines, of which two columns are called as predictions and labels are."""
    return bundled(datasets.load_wine)().rename(columns={"ash": "score", "hue": "label"})


def houses(rows: int = 4_000) -> pd.DataFrame:
    """Prices with a long tail, by place, size, age and kind; the district is an entity."""
    random = np.random.default_rng(1)
    district = random.integers(0, 120, rows)
    north, east = random.uniform(32, 42, 120)[district], random.uniform(-124, -114, 120)[district]
    income = random.gamma(4, 1, 120)[district] * random.uniform(0.8, 1.2, rows)
    age, rooms = random.integers(1, 52, rows), random.gamma(9, 0.6, rows)
    kind = random.choice(["house", "flat", "cabin"], rows, p=[0.6, 0.35, 0.05])
    log_price = 10.5 + 0.22 * income + 0.08 * rooms - 0.03 * (east + 124) + 0.2 * (kind == "house")
    price = np.exp(log_price + random.normal(0, 0.25, rows))
    return pd.DataFrame(
        {
            "district": [f"d{number}" for number in district],
            "north": north.round(2),
            "east": east.round(2),
            "median income": income.round(3),
            "age": age,
            "rooms per household": rooms.round(2),
            "kind": kind,
            "price": price.round(-2),
        }
    )


def wide(rows: int = 2_000, columns: int = 300) -> pd.DataFrame:
    """Three hundred columns of a machine with 5 % missing, a key, and the time of a part."""
    random = np.random.default_rng(2)
    values = random.normal(size=(rows, columns))
    fails = values[:, :5].sum(1) + random.normal(0, 1.5, rows) > 3
    values[random.random(values.shape) < 0.05] = np.nan
    frame = pd.DataFrame(values.round(4), columns=[f"sensor {at}" for at in range(columns)])
    made = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) * 65, unit="min")
    return frame.assign(
        part=[f"P{at:06}" for at in range(rows)],
        made=made.strftime("%Y-%m-%d %H:%M"),
        failed=np.where(fails, "yes", "no"),
    )


TABLES: dict[str, Example] = {
    "cancer": Example(bundled(datasets.load_breast_cancer), "target", "binary"),
    "wine": Example(wine, "target", "multiclass"),
    "digits": Example(bundled(datasets.load_digits), "target", "multiclass"),
    "diabetes": Example(bundled(datasets.load_diabetes), "target", "regression"),
    "houses": Example(houses, "price", "regression"),
    "wide": Example(wide, "failed", "binary"),
}


def write(name: str, folder: Path) -> Path:
    """Write a table as a CSV file; return its path."""
    path = folder / f"{name}.csv"
    TABLES[name].make().to_csv(path, index=False)
    return path
