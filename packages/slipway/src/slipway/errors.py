"""Exit codes, and the exception that ends a command with a message."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

YES, NO, INCONCLUSIVE = 0, 1, 2

LONGEST = 300


class SlipwayError(Exception):
    """The command has no result: invalid input, a missing file, an invalid setting.

    Parameters
    ----------
    what
        The problem: the file, the row or the key, and what was expected.
    do
        How to fix it.
    """

    exit_code = INCONCLUSIVE

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.do = do


class Refused(SlipwayError):
    """The result is no: a check failed."""

    exit_code = NO


def first_line(error: BaseException) -> str:
    """Return an exception's type and the first line of its message."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - an exception whose message cannot be made
        lines = []
    kind = type(error).__name__
    return f"{kind}: {lines[0][:LONGEST]}" if lines else kind


def first_fault(error: ValidationError) -> tuple[str, str]:
    """Return the place of the first value that does not fit a model, and what is expected there."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return ".".join(map(str, first["loc"]))[:LONGEST], first["msg"][:LONGEST]


def describe_exit(returncode: int) -> str:
    """Return the exit code of a subprocess, or the signal that ended it, as text."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = str(-returncode)
    out_of_memory = " (often out of memory)" if name == "SIGKILL" else ""
    return f"signal {name}{out_of_memory}"
