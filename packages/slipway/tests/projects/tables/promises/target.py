"""Minutes after which nine of ten deliveries have arrived."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NAME = "minutes"

TASK = "quantile"

QUANTILE = 0.9


def label(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the minutes from leaving to arrival."""
    return columns["minutes"]
