"""Each month is a slice, and each product, which is protected."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from model.schema import EVENT_TIME


def month(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Month of the event, as ``YYYY-MM``."""
    return columns[EVENT_TIME].astype("datetime64[M]").astype(str)


SLICES: dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]] = {
    "month": month,
    "product": lambda columns: columns["product"],
}

PROTECTED = ("product",)
