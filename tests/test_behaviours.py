"""The trained model has the behaviours of src/model/behaviours.py."""

from __future__ import annotations

import numpy as np
import pytest

from model.behaviours import BEHAVIOURS
from slipway.project import Columns
from slipway.training.score import Model


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_model_behaves(model: Model, inputs: Columns, name: str) -> None:
    behaviour = BEHAVIOURS[name]
    held = np.mean(behaviour.holds(inputs, model.score))
    assert held >= behaviour.at_least, f"{behaviour.holds.__doc__} True for {held:.1%} of the rows"


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_behaviour_has_a_description(name: str) -> None:
    assert BEHAVIOURS[name].holds.__doc__  # the report shows its first line
