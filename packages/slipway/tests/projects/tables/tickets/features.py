"""Features of a ticket."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def features(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the features of some rows."""
    numbers = {name: columns[name].astype("float32") for name in ("length", "age")}
    return {"product": columns["product"], **numbers}
