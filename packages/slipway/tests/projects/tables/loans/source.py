"""Generated applications."""

from __future__ import annotations

import numpy as np
import pandas as pd

MONTHS = ("2019-11", "2019-12", "2020-01")

ROWS = 4000


def month(name: str) -> pd.DataFrame:
    """Return the rows of one month."""
    number = MONTHS.index(name)
    random = np.random.default_rng(100 + number)
    income = random.uniform(10_000, 100_000, ROWS).round(-2)
    amount = random.uniform(1_000, 60_000, ROWS).round(-2)
    purpose = random.choice(["car", "house", "school", "other"], ROWS)
    employer = random.choice(["Acme", "Globex", "Initech"], ROWS).astype(object)
    employer[random.random(ROWS) < 0.3] = None
    # A loan is risky if it is large for the income, except for a house.
    risk = np.where(purpose == "house", -2.0, 3.0 * (amount > 0.8 * income))
    late = random.random(ROWS) < 1 / (1 + np.exp(2.0 - risk))
    days = np.where(late, 90 + random.integers(0, 200, ROWS), random.integers(0, 60, ROWS))
    start = pd.Timestamp(f"{name}-01", tz="UTC")
    times = start + pd.to_timedelta(np.sort(random.integers(0, 30 * 86400, ROWS)), unit="s")
    return pd.DataFrame(
        {
            "application": [f"L{number * ROWS + row:07d}" for row in range(ROWS)],
            "applied_at": times.astype("datetime64[us, UTC]"),
            "purpose": purpose.astype(object),
            "employer": employer,
            "income": income.astype("float32"),
            "amount": amount.astype("float32"),
            "days_late": np.where(random.random(ROWS) < 0.03, np.nan, days).astype("float32"),
        }
    )
