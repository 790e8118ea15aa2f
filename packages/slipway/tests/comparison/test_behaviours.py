"""Each behaviour holds for a sensible model and fails for its twin, which lacks just that sense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.behaviours import BEHAVIOURS, Columns
from slipway import project
from slipway.dataset.tables import read_columns, take

Weights = dict[str, float]

SENSE = {"late": 2.0, "fog": 1.0, "wind": 1.0, "rain": 1.0}


def sensible(columns: Columns, sense: Weights = SENSE) -> np.ndarray:
    """Later, foggier, windier and rainier flights are late more often."""
    risk = sense["late"] * columns["dep_minute"] / 1440
    risk = risk + sense["fog"] * (10 - np.nan_to_num(columns["visib"], nan=10)) / 10
    risk = risk + sense["wind"] * np.nan_to_num(columns["wind_speed"]) / 30
    risk = risk + sense["rain"] * np.nan_to_num(columns["precip"])
    return np.asarray(1 / (1 + np.exp(3 - risk)), "float64")


def without(**sense: float) -> Callable[[Columns], np.ndarray]:
    return lambda columns: sensible(columns, SENSE | sense)


def reads_the_name(columns: Columns) -> np.ndarray:
    named = np.array([name.endswith("JFK") for name in columns["flight_id"]])
    return np.add(sensible(columns), 0.01 * named)


def looks_at_its_neighbours(columns: Columns) -> np.ndarray:
    scores = sensible(columns)
    return scores + 0.01 * (np.arange(len(scores)) == 0)


TWINS: dict[str, Callable[[Columns], np.ndarray]] = {
    "the_name_has_no_say": reads_the_name,
    "one_by_one": looks_at_its_neighbours,
    "fog_does_not_help": without(fog=-1.0),
    "wind_does_not_help": without(wind=-1.0),
    "rain_does_not_help": without(rain=-1.0),
    "delays_pile_up": without(late=-2.0),
    "a_storm_is_not_a_fine_day": without(late=0.1, fog=0.1, wind=0.1, rain=0.1),
}


@pytest.fixture(scope="module")
def flights(starter_data: Path) -> Columns:
    rows = read_columns([starter_data / "2013-06.parquet"], project.inputs())
    return take(rows, np.arange(0, 3_000, 3))


def share(name: str, flights: Columns, score: Callable[[Columns], np.ndarray]) -> float:
    return float(BEHAVIOURS[name].holds(flights, score).mean())


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_sensible_model_behaves_and_its_twin_does_not(name: str, flights: Columns) -> None:
    assert share(name, flights, sensible) >= BEHAVIOURS[name].at_least
    assert share(name, flights, TWINS[name]) < BEHAVIOURS[name].at_least


def test_every_behaviour_is_described_in_one_line(flights: Columns) -> None:
    for name, description, holds, at_least in project.behaviours(flights, sensible):
        assert description.endswith("."), name
        assert holds.shape == (1000,)
        assert holds.dtype == bool
        assert 0 < at_least <= 1
