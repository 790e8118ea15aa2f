"""Texts for messages: the expectation of a check, values and names."""

from __future__ import annotations

from typing import Any

from slipway.schema.checks import SETS, Arguments, ColumnSpec
from slipway.untrusted import shown

WORDS = {
    "equal_to": "{}",
    "not_equal_to": "anything but {}",
    "greater_than": "more than {}",
    "greater_than_or_equal_to": "{} or more",
    "less_than": "less than {}",
    "less_than_or_equal_to": "{} or less",
    "str_matches": "text that matches {}",
    "str_contains": "text that contains a match of {}",
    "str_startswith": "text that starts with {}",
    "str_endswith": "text that ends with {}",
}

NOUNS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a finite number",
    "timestamp": "a time with its zone, such as 2025-09-01T09:30:00Z",
}


def describe(check: str, arguments: Arguments) -> str:
    """Return the expectation of one of pandera's own checks, such as ``0 to 6``."""
    if check in WORDS:
        (value,) = arguments.values()
        return WORDS[check].format(value)
    if check in SETS:
        (values,) = arguments.values()
        listed = [str(value) for value in values]
        more = f" … ({len(listed)} values)" if len(listed) > 20 else ""
        kind = "one of" if check == "isin" else "none of"
        return f"{kind} {', '.join(listed[:20])}{more}"
    if check == "in_range":
        low = "" if arguments["include_min"] else "more than "
        high = "to" if arguments["include_max"] else "and less than"
        return f"{low}{arguments['min_value']} {high} {arguments['max_value']}"
    given = {k.removesuffix("_value"): v for k, v in arguments.items() if v is not None}
    return f"a length of {', '.join(f'{k} {v}' for k, v in given.items())}"


HIDDEN = "a personal value"
"""Takes the place of a value in messages and reports."""


def expected_got(expected: str, value: Any, column: ColumnSpec | None = None) -> str:
    """Return what was expected and found; a value of a personal `column` is not shown."""
    return f"expected {expected}, got {shown_of(column, value)}"


def shown_of(column: ColumnSpec | None, value: Any) -> str:
    """Return a value of a column for a message."""
    is_personal = column is not None and "personal" in column and value is not None
    return HIDDEN if is_personal else shown(value)
