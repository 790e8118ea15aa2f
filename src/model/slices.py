"""The groups of rows in which the model is measured by itself.

Each slice turns columns into one text label a row; the model must not get worse for any
label, however good it is on the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

HOUR_BANDS = ("night", "morning", "midday", "afternoon", "evening")
HOUR_BAND_STARTS = (5 * 60, 10 * 60, 14 * 60, 18 * 60)


def hour_band(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Time of day of the scheduled departure, in New York."""
    bands: np.ndarray = np.asarray(HOUR_BANDS)
    return bands[np.digitize(columns["dep_minute"], HOUR_BAND_STARTS)]


def month(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Month of the scheduled departure, as ``YYYY-MM`` (UTC)."""
    return columns["scheduled_departure"].astype("datetime64[M]").astype(str)


SLICES: dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]] = {
    "carrier": lambda columns: columns["carrier"],
    "origin": lambda columns: columns["origin"],
    "hour_band": hour_band,
    "month": month,
}

# Slices whose values are groups that must be treated alike (docs/fairness.md): each is a name of
# `SLICES`. A flight has no such groups: carrier and airport stand in for them here.
PROTECTED = ("carrier", "origin")
