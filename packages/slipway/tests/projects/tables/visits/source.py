"""Generated visits, in two exports, which are named after the month in which they were made."""

from __future__ import annotations

import numpy as np
import pandas as pd

MONTHS = ("2024-01", "2024-02")

ROWS, PATIENTS = 1200, 400


def month(name: str) -> pd.DataFrame:
    """Return the rows of one export; the visits of a patient share what is not measured."""
    number = MONTHS.index(name)
    random = np.random.default_rng(500 + number)
    patient = np.sort(random.integers(0, PATIENTS, ROWS))
    visit = np.arange(ROWS) - np.searchsorted(patient, patient) + 100 * number
    unmeasured = np.random.default_rng(500).standard_normal(PATIENTS)[patient]
    age = (20 + 60 * np.random.default_rng(501).random(PATIENTS))[patient].round()
    pulse = random.normal(75, 12, ROWS).round().clip(40, 150)
    clinic = np.array(["east", "north", "west"], dtype=object)[patient % 3]
    risk = 0.08 * (age - 50) + 0.1 * np.abs(pulse - 75) - 1 + unmeasured
    return pd.DataFrame(
        {
            "patient": [f"p{each:04d}" for each in patient],
            "visit": visit.astype("int32"),
            "clinic": clinic,
            "age": age.astype("float32"),
            "pulse": pulse.astype("float32"),
            "returned": (random.random(ROWS) < 1 / (1 + np.exp(-risk))).astype("int8"),
        }
    )
