"""A progress bar on a terminal, silence in a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


def track(
    items: Sequence[Item] | Iterable[Item], what: str, total: int | None = None
) -> Iterator[Item]:
    """Yield the items, with a bar on standard error while a person watches."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(items, what, total=total, console=Console(stderr=True), transient=True)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Say what is going on, on standard error, while a person watches."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} …"):
        yield
