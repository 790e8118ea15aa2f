"""Exit codes and the one exception that ends a verb with a sentence instead of a traceback."""

from __future__ import annotations

YES, NO, NO_ANSWER = 0, 1, 2


class SlipwayError(Exception):
    """The verb could not answer: bad input, a missing file, a setting that makes no sense.

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
    """The answer is no: a gate looked and said so."""

    exit_code = NO
