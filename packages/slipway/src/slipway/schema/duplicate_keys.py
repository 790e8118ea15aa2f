"""Repeated keys of JSON objects, of which a parser silently keeps the last."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

Pairs = list[tuple[str, Any]]


class _Repeated(tuple[str, ...]):
    """The keys that an object, or one inside it, has more than once."""


def count_strings(body: bytes) -> int:
    """Return how many strings some valid JSON has, keys included."""
    quotes = body.count(b'"')
    if b"\\" in body:  # Without escaped backslashes, one before a quote escapes the quote.
        quotes -= body.replace(b"\\\\", b"").count(b'\\"')
    return quotes // 2


def repeated_keys(body: bytes, *, many: bool) -> dict[int, list[str]]:
    """Return the repeated keys of each row, at any depth, by the row's number.

    Parameters
    ----------
    body
        JSON: a row, or a list of rows. Nesting too deep for Python's parser gives no result.
    """
    found = False

    def once(pairs: Pairs) -> _Repeated | None:
        nonlocal found
        counts = Counter(key for key, _ in pairs) if len(dict(pairs)) < len(pairs) else {}
        again = [key for key, count in counts.items() if count > 1]
        found = found or bool(again)
        if found:
            again += _inside([value for _, value in pairs])
        return _Repeated(again) if again else None

    try:
        content = json.loads(body, object_pairs_hook=once, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return {}
    if not found:
        return {}
    by_row = {row: _inside([value]) for row, value in enumerate(content if many else [content])}
    return {row: list(dict.fromkeys(keys)) for row, keys in by_row.items() if keys}


def _inside(values: list[Any]) -> list[str]:
    """Return the repeated keys of the objects in some values, in lists of any depth."""
    keys: list[str] = []
    while values:
        value = values.pop()
        if isinstance(value, _Repeated):
            keys += value
        elif isinstance(value, list):
            values += value
    return keys
