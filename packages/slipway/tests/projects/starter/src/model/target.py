"""What is predicted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NAME = "late"

LATE_MINUTES = 15


def label(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return 1.0 where the flight arrived 15 minutes late or more, 0.0 where it did not.

    NaN where it will never be known: the flight was cancelled or diverted.
    """
    delay = columns["arr_delay"]
    return np.where(np.isnan(delay), np.nan, delay >= LATE_MINUTES).astype("float32")
