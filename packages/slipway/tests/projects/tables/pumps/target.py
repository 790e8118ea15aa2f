"""Whether the pump failed within a day."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NAME = "failure"

HOURS = 24


def label(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return 1.0 if the pump failed within a day; without a failure there is no `failed_after`."""
    return (columns["failed_after"] <= HOURS).astype("float32")
