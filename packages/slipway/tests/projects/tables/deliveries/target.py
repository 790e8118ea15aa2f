"""Minutes until a delivery arrives."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NAME = "minutes"

TASK = "regression"


def label(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the minutes from leaving to arrival."""
    return columns["minutes"]
