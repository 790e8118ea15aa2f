"""Features of an application."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def features(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the features of some rows."""
    income, amount = columns["income"], columns["amount"]
    return {
        "purpose": columns["purpose"],
        "employer": columns["employer"],
        "income": income.astype("float32"),
        "amount": amount.astype("float32"),
    }
