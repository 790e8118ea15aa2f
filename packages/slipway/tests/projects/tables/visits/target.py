"""Whether the patient returned within a year."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NAME = "returned"


def label(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return whether the patient returned."""
    return columns["returned"] == 1
