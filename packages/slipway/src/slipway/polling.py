"""Wait for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def wait_until(condition: Callable[[], Result], seconds: float, poll: float = 0.25) -> Result:
    """Return the first true result of a condition, or its last one after some seconds.

    Parameters
    ----------
    poll
        Seconds between two calls of the condition.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < deadline:
        time.sleep(poll)
    return result
