"""What all functions share: the repository of the working folder, progress, and short errors."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from slipway.errors import SlipwayError
from slipway.repository.git import git, require_repository

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def repository() -> Path:
    """Return the top folder of the repository that the working folder is in."""
    here = Path.cwd()
    require_repository(here)
    return Path(git(here, "rev-parse", "--show-toplevel").rstrip("\n"))


def with_short_errors(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let an error of slipway reach the notebook without its frames, and with its advice."""

    @wraps(function)
    def called(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except SlipwayError as error:
            if error.do:
                error.add_note(f"→ {error.do}")
            raise error.with_traceback(None) from None

    return called


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show what runs, and the seconds that it took: a notebook has no terminal for a spinner."""
    start = time.monotonic()
    _show(f"{what} … ")
    try:
        yield
    finally:
        _show(f"{time.monotonic() - start:.0f} s\n")


def show(line: str) -> None:
    _show(f"{line}\n")


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
