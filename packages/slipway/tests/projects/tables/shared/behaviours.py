"""The score of a row depends on its own features only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from model.schema import KEY

Columns = Mapping[str, np.ndarray]
Score = Callable[[Columns], np.ndarray]


class Behaviour(NamedTuple):
    """A condition, and the share of rows for which it must hold."""

    holds: Callable[[Columns, Score], np.ndarray]
    at_least: float


def the_key_is_not_used(columns: Columns, score: Score) -> np.ndarray:
    """A row with another key has the same score."""
    return np.equal(score(columns), score({**columns, KEY: columns[KEY][::-1]}))


BEHAVIOURS: dict[str, Behaviour] = {
    "the_key_is_not_used": Behaviour(the_key_is_not_used, at_least=1.0)
}
