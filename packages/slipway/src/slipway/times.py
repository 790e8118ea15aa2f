"""The times of events: which texts are times, and which moments they may name.

The service, the readers of the prediction log and the readers of labels share this definition, so
that each reads what any other accepts, as the same moment. It is the part of ISO 8601 that
`datetime`, pandas, PyArrow and DuckDB read alike, within the years that nanoseconds since 1970 can
hold with room to spare.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# No more than RE2 knows, so that PyArrow and DuckDB can search with it too. Match the whole text.
PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
)

# Without a zone, and without hours: only in files, of which a setting states the zone.
LOCAL_PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?)?"
)

EARLIEST = datetime(1700, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)
"""The first moment that is too late."""

RANGE = f"from {EARLIEST.year} to {END.year - 1}"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MICROSECOND = timedelta(microseconds=1)
_WHOLE = re.compile(PATTERN)


class NotATime(ValueError):
    """A text that is not a time with a date, hours, minutes and a zone."""


class OutOfRange(NotATime):
    """A time before `EARLIEST`, or from `END` on."""


def parse_time(text: str) -> datetime:
    """Return the moment in UTC that a text names; what is finer than a microsecond is cut off.

    Raises
    ------
    NotATime, OutOfRange
        The text has another form, there is no such day, or the moment is out of range.
    """
    if _WHOLE.fullmatch(text) is None:
        raise NotATime(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise NotATime(text) from None
    if not EARLIEST <= time < END:
        raise OutOfRange(text)
    return time.astimezone(UTC)


def time_or_none(value: object) -> datetime | None:
    """Return what `parse_time` does, or None where it would raise or there is no text."""
    try:
        return parse_time(value) if isinstance(value, str) else None
    except NotATime:
        return None


def microseconds(time: datetime) -> int:
    """Return the microseconds since 1970 of a moment with a zone."""
    return (time - EPOCH) // _MICROSECOND
