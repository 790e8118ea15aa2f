"""Features of a visit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def features(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the features of some rows."""
    return {"clinic": columns["clinic"], "age": columns["age"], "pulse": columns["pulse"]}
