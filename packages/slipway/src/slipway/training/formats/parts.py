"""What a fitted estimator is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def parts(fitted: Any) -> Iterator[Any]:
    """Yield a fitted estimator and the objects in it: members, steps, what these have learned.

    Arrays, numbers and texts are left out.
    """
    seen: set[int] = set()
    waiting = [fitted]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, (list, tuple)):
            waiting += part
        elif hasattr(type(part), "get_params") or library(part) == "sklearn":
            yield part
            waiting += getattr(part, "__dict__", {}).values()


def library(part: Any) -> str:
    """Return the name of the package that defines the type of an object."""
    return type(part).__module__.split(".")[0]
