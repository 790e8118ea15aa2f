"""Generated customers."""

from __future__ import annotations

import numpy as np
import pandas as pd

MONTHS = ("2021-03", "2021-04", "2021-05", "2021-06")

ROWS = 3000


def month(name: str) -> pd.DataFrame:
    """Return the rows of one month."""
    number = MONTHS.index(name)
    random = np.random.default_rng(number)
    months = random.integers(0, 120, ROWS)
    calls = random.poisson(3, ROWS)
    plan = random.choice(["basic", "family", "business"], ROWS)
    # New customers who call often, and old ones who never call, leave.
    risk = np.where(months < 24, calls - 3.0, 1.5 - calls) + np.where(plan == "basic", 1.0, -1.0)
    left = random.random(ROWS) < 1 / (1 + np.exp(1.0 - risk))
    spend = random.gamma(2.0, 20.0, ROWS)
    start = pd.Timestamp(f"{name}-01", tz="UTC")
    times = start + pd.to_timedelta(np.sort(random.integers(0, 28 * 86400, ROWS)), unit="s")
    return pd.DataFrame(
        {
            "contract": np.arange(ROWS, dtype="int64") + number * ROWS,
            "asked_at": times.astype("datetime64[us, UTC]"),
            "plan": plan.astype(object),
            "months": months.astype("int16"),
            "calls": calls.astype("int16"),
            "spend": np.where(random.random(ROWS) < 0.1, np.nan, spend).astype("float32"),
            "left": left.astype("int8"),
        }
    )
