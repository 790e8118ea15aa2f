"""Checks across the columns of one row.

A rule takes columns and answers, row by row, whether the row is valid. It runs in the
pipeline on whole months and in the service on single rows, so it may use what arrays
have in common with DataFrames: comparisons, arithmetic and numpy functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Rule = Callable[[Mapping[str, Any]], Any]


def arrives_elsewhere(columns: Mapping[str, Any]) -> Any:
    """An arrival differs from its origin."""
    return columns["dest"] != columns["origin"]


def leaves_when_open(columns: Mapping[str, Any]) -> Any:
    """No flight is scheduled between 01:30 and 05:00, when the airports rest."""
    return (columns["dep_minute"] <= 90) | (columns["dep_minute"] >= 300)


RULES: dict[str, Rule] = {
    "arrives_elsewhere": arrives_elsewhere,
    "leaves_when_open": leaves_when_open,
}
