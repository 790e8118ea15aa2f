"""Generated readings."""

from __future__ import annotations

import numpy as np
import pandas as pd

MONTHS = ("2022-01", "2022-02", "2022-03", "2022-04", "2022-05")

ROWS = 2000


def month(name: str) -> pd.DataFrame:
    """Return the rows of one month."""
    random = np.random.default_rng(200 + MONTHS.index(name))
    pressure = random.normal(20, 4, ROWS).clip(1, 49).round(2)
    vibration = random.gamma(3.0, 5.0, ROWS).clip(0, 99).round(2)
    # A pump fails if its pressure is far from normal and it vibrates.
    risk = np.abs(pressure - 20) / 4 * (vibration > 12)
    failed = random.random(ROWS) < 1 / (1 + np.exp(2.5 - 2 * risk))
    after = np.where(failed, random.uniform(0, 24, ROWS), np.nan)
    pressure[random.random(ROWS) < 0.02] = np.nan
    start = pd.Timestamp(f"{name}-01", tz="UTC")
    times = start + pd.to_timedelta(np.sort(random.integers(0, 27 * 86400, ROWS)), unit="s")
    return pd.DataFrame(
        {
            "reading": [f"{name}-{row:05d}" for row in range(ROWS)],
            "measured_at": times.astype("datetime64[us, UTC]"),
            "site": random.choice(["north", "south"], ROWS).astype(object),
            "hours": random.integers(0, 20_000, ROWS).astype("uint16"),
            "pressure": pressure,
            "vibration": vibration.astype("float32"),
            "failed_after": after.astype("float32"),
        }
    )
