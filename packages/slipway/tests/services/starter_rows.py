"""What the benchmarks know about a row of the starter's table."""

from __future__ import annotations

from typing import Any

from model.schema import CARRIERS, ORIGINS

# Columns whose values are listed in the schema.
LISTED = {"carrier": CARRIERS, "origin": ORIGINS}


def with_two_faults(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with a value that is not listed and a rule that does not hold."""
    return row | {"carrier": "??", "dest": row["origin"]}
