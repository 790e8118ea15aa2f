"""Generated deliveries."""

from __future__ import annotations

import numpy as np
import pandas as pd

MONTHS = ("2022-01", "2022-02", "2022-03", "2022-04", "2022-05")

ROWS = 1500


def month(name: str) -> pd.DataFrame:
    """Return the rows of one month; deliveries of one day share its traffic."""
    random = np.random.default_rng(300 + MONTHS.index(name))
    start = pd.Timestamp(f"{name}-01", tz="UTC")
    seconds = np.sort(random.integers(0, 27 * 86400, ROWS))
    traffic = np.exp(0.2 * random.standard_normal(27))[seconds // 86400]
    vehicle = random.choice(["bike", "car", "van"], ROWS)
    speed = np.select([vehicle == "bike", vehicle == "car"], [15.0, 30.0], 24.0)
    distance = random.gamma(2.0, 3.0, ROWS).clip(0.2, 99).round(1)
    stops = random.integers(0, 6, ROWS)
    noise = np.exp(0.15 * random.standard_normal(ROWS))
    minutes = (distance / speed * 60 + 4 * stops) * traffic * noise
    minutes[random.random(ROWS) < 0.02] = np.nan
    return pd.DataFrame(
        {
            "delivery": [f"{name}-{row:05d}" for row in range(ROWS)],
            "left_at": (start + pd.to_timedelta(seconds, unit="s")).astype("datetime64[us, UTC]"),
            "vehicle": vehicle.astype(object),
            "distance": distance.astype("float32"),
            "stops": stops.astype("int8"),
            "minutes": minutes.round(2),
        }
    )
