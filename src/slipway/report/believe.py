"""Check JSON of unknown origin against a schema, in bounded time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.errors import Refused
from slipway.schemas import find_fault


class Newer(Refused):
    """The report is of a version that this code does not know yet."""


def check_schema(report: Mapping[str, Any], schema: Mapping[str, Any], what: str) -> None:
    """Refuse a report that breaks its schema.

    Raises
    ------
    Refused
        Names the place and what was expected there.
    """
    if fault := find_fault(report, schema):
        raise Refused(f"not {what}: {fault.json_path[:200]}: {fault.message[:200]}")


def check_version(report: Mapping[str, Any], known: int) -> None:
    """Refuse a report of a later version by name.

    Raises
    ------
    Newer
        It is of a version that a newer slipway wrote.
    """
    version = report.get("version", known)
    if type(version) is int and version > known:
        raise Newer(
            f"not a report of version {known}: a newer slipway wrote it, in version {version}",
            "read it with that slipway",
        )
