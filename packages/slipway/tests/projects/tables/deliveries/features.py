"""Features of a delivery."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def features(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the features of some rows."""
    numbers = {name: columns[name].astype("float32") for name in ("distance", "stops")}
    return {"vehicle": columns["vehicle"], **numbers}
