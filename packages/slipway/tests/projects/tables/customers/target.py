"""Whether the customer left within a month."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NAME = "left"


def label(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return whether the customer left."""
    return columns["left"] == 1
