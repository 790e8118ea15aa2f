"""The time zone of a project, in which its days, weeks and months begin at midnight."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from slipway import project
from slipway.errors import SlipwayError
from slipway.project import SCHEMA

UTC = "UTC"


def time_zone() -> str:
    """Return `TIME_ZONE` of the project; UTC if it states none.

    Raises
    ------
    SlipwayError
        It is not the name of a time zone.
    """
    return stated_zone() or UTC


def stated_zone() -> str:
    """Return `TIME_ZONE`, that of times without one; empty if the project does not state it.

    Raises
    ------
    SlipwayError
        It is not the name of a time zone.
    """
    zone = project.dependence().get("TIME_ZONE")
    return valid_zone(zone) if zone is not None else ""


def valid_zone(zone: object) -> str:
    """Return the name of a time zone; raises SlipwayError if it is none."""
    try:
        return ZoneInfo(str(zone)).key
    except (KeyError, ValueError, OSError):
        raise SlipwayError(
            f"{SCHEMA}: `TIME_ZONE` is {zone!r}; expected a name of the IANA time zone database",
            'such as `TIME_ZONE = "America/New_York"`',
        ) from None
