"""Generated tickets."""

from __future__ import annotations

import numpy as np
import pandas as pd

MONTHS = ("2022-01", "2022-02", "2022-03", "2022-04", "2022-05")

ROWS = 1500


def month(name: str) -> pd.DataFrame:
    """Return the rows of one month; tickets of one day share its incident."""
    random = np.random.default_rng(400 + MONTHS.index(name))
    start = pd.Timestamp(f"{name}-01", tz="UTC")
    seconds = np.sort(random.integers(0, 27 * 86400, ROWS))
    incident = random.standard_normal(27)[seconds // 86400]
    product = random.choice(["app", "shop", "site"], ROWS)
    age = random.gamma(2.0, 100.0, ROWS).clip(0, 9_999)
    length = random.integers(10, 3_000, ROWS)
    chances = np.stack(
        [
            (product == "shop") * 2.0,
            (product == "app") * 2.0 + (age > 200),
            np.abs(length - 1500) / 300 + incident,
        ],
        axis=1,
    )
    chances += random.gumbel(size=chances.shape)
    team = np.array(["billing", "mobile", "web"], dtype=object)[chances.argmax(1)]
    team[random.random(ROWS) < 0.02] = None
    return pd.DataFrame(
        {
            "ticket": [f"{name}-{row:05d}" for row in range(ROWS)],
            "opened_at": (start + pd.to_timedelta(seconds, unit="s")).astype("datetime64[us, UTC]"),
            "product": product.astype(object),
            "length": length.astype("int32"),
            "age": age.astype("float32"),
            "team": team,
        }
    )
