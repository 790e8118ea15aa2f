"""What a check expects and what it got, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slipway.rows.checks import SETS

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

PLAIN_NAME = re.compile(r"[A-Za-z0-9_./:-]+")

NOUNS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a finite number",
    "timestamp": "a time with its zone, such as 2013-10-01T09:30:00Z",
}


def describe(check: str, arguments: Mapping[str, Any]) -> str:
    """Return what one of pandera's own checks expects, as in "expected 0 to 6"."""
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


def shown(value: Any, limit: int = 40) -> str:
    """Return a value as a message may hold it: on one line, of bounded length."""
    if isinstance(value, str):
        return repr(value if len(value) <= limit else value[:limit] + "…")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        text = str(value)
    except NotImplementedError:  # pandas has years that it cannot write
        text = str(value.to_datetime64())
    return text if len(text) <= limit else text[:limit] + "…"


def shown_name(name: str, limit: int = 300) -> str:
    """Return a name as a message may hold it: in quotes unless it is a plain word or path."""
    if len(name) <= limit and PLAIN_NAME.fullmatch(name):
        return name
    return shown(name, limit)


def but(expected: str, value: Any) -> str:
    return f"expected {expected}, got {shown(value)}"
