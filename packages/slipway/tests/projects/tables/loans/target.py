"""Whether a payment of the loan was 90 days late."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NAME = "default"

DAYS = 90


def label(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return 1.0 for a payment 90 days late, else 0.0; NaN if the loan was repaid early."""
    late = columns["days_late"]
    return np.where(np.isnan(late), np.nan, late >= DAYS).astype("float32")
