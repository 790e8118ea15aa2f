"""What the model must do, whatever it learned.

Good numbers on a holdout do not show that a model has understood anything. Each behaviour
asks a question with a known answer: it changes some flights, lets the model score them,
and returns for each flight whether the answer was right. The first line of a behaviour's
docstring is what a pull request shows.

Three kinds are worth having. *Invariance*: an irrelevant input must not change the answer.
*Direction*: more of this pushes the answer that way. *Minimum*: cases so plain that a
model which gets them wrong must not be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

Columns = Mapping[str, np.ndarray]
Score = Callable[[Columns], np.ndarray]

# A change of probability smaller than this is no change of mind.
SLACK = 0.02


class Behaviour(NamedTuple):
    """A question, and the share of flights for which the answer must be right."""

    holds: Callable[[Columns, Score], np.ndarray]
    at_least: float


def the_name_has_no_say(columns: Columns, score: Score) -> np.ndarray:
    """The same flight under another number gets the same probability."""
    renamed = np.array([f"20991231-XX{n}-XXX" for n in range(len(columns["flight_id"]))], object)
    return np.equal(score(columns), score({**columns, "flight_id": renamed}))


def one_by_one(columns: Columns, score: Score) -> np.ndarray:
    """A flight gets the same probability alone as among others, in whatever order."""
    backwards = {name: values[::-1] for name, values in columns.items()}
    return np.equal(score(columns), score(backwards)[::-1])


def fog_does_not_help(columns: Columns, score: Score) -> np.ndarray:
    """With visibility down to one mile, a flight is not less likely to be late."""
    fog = np.fmin(columns["visib"], 1)
    return score(_with(columns, visib=fog)) >= score(columns) - SLACK


def wind_does_not_help(columns: Columns, score: Score) -> np.ndarray:
    """With 30 miles an hour of wind, a flight is not less likely to be late."""
    gale = np.fmax(columns["wind_speed"], 30)
    return score(_with(columns, wind_speed=gale)) >= score(columns) - SLACK


def rain_does_not_help(columns: Columns, score: Score) -> np.ndarray:
    """With heavy rain, a flight is not less likely to be late."""
    rain = np.fmax(columns["precip"], 0.3)
    return score(_with(columns, precip=rain)) >= score(columns) - SLACK


def delays_pile_up(columns: Columns, score: Score) -> np.ndarray:
    """The same flight is likelier to be late at 19:00 than at 06:30."""
    return score(_leaving(columns, 19 * 60)) > score(_leaving(columns, 6 * 60 + 30))


def a_storm_is_not_a_fine_day(columns: Columns, score: Score) -> np.ndarray:
    """On a stormy evening, a flight is twice as likely to be late as on a fine morning."""
    stormy = _with(
        _leaving(columns, 19 * 60), visib=2, precip=0.1, humid=95, pressure=1003, wind_speed=15
    )
    fine = _with(
        _leaving(columns, 6 * 60 + 30), visib=10, precip=0, humid=50, pressure=1020, wind_speed=5
    )
    return score(stormy) >= 2 * score(fine)


BEHAVIOURS: dict[str, Behaviour] = {
    "the_name_has_no_say": Behaviour(the_name_has_no_say, at_least=1.0),
    "one_by_one": Behaviour(one_by_one, at_least=1.0),
    "fog_does_not_help": Behaviour(fog_does_not_help, at_least=0.95),
    "wind_does_not_help": Behaviour(wind_does_not_help, at_least=0.95),
    "rain_does_not_help": Behaviour(rain_does_not_help, at_least=0.8),
    "delays_pile_up": Behaviour(delays_pile_up, at_least=0.98),
    "a_storm_is_not_a_fine_day": Behaviour(a_storm_is_not_a_fine_day, at_least=0.98),
}


def _with(columns: Columns, **values: float | np.ndarray) -> Columns:
    """Return the columns with some of them replaced, of the type that they had."""
    changed = {
        name: np.broadcast_to(value, columns[name].shape).astype(columns[name].dtype)
        for name, value in values.items()
    }
    return {**columns, **changed}


def _leaving(columns: Columns, minute: int) -> Columns:
    """Return the same flights leaving at another minute of the day, as long under way."""
    under_way = (columns["arr_minute"].astype("int32") - columns["dep_minute"]) % 1440
    return _with(columns, dep_minute=minute, arr_minute=(minute + under_way) % 1440)
