"""Each clinic is a slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np


def clinic(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Name of the clinic."""
    return columns["clinic"]


SLICES: dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]] = {"clinic": clinic}
