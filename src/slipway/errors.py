"""Exit codes, and the one exception that ends a command with a sentence."""

from __future__ import annotations

import signal

YES, NO, NO_ANSWER = 0, 1, 2

LONGEST = 300


class SlipwayError(Exception):
    """The command could not answer: bad input, a missing file, a setting that makes no sense.

    Parameters
    ----------
    what
        What is wrong, naming the file, the row or the key, and what was expected.
    do
        What to do about it.
    """

    exit_code = NO_ANSWER

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.do = do


class Refused(SlipwayError):
    """The answer is no: a gate looked, and refuses."""

    exit_code = NO


def first_line(error: BaseException) -> str:
    """Return an exception's type and the first line of its message."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - a message that cannot be made is no reason to fail again
        lines = []
    kind = type(error).__name__
    return f"{kind}: {lines[0][:LONGEST]}" if lines else kind


def how_it_ended(returncode: int) -> str:
    """Return the end of a subprocess in words: its exit code, or the signal that ended it."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = str(-returncode)
    out_of_memory = " (often: out of memory)" if name == "SIGKILL" else ""
    return f"signal {name}{out_of_memory}"
