"""Flights that were predicted, and a place for their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

KEYS = [f"2013100{day}-UA{number}-EWR" for day in range(1, 5) for number in range(100, 125)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "labels"


@pytest.fixture
def outcomes() -> pd.DataFrame:
    """What became of a hundred flights, in the columns of a month's file; ten were cancelled."""
    delay = np.random.default_rng(0).normal(0, 30, len(KEYS)).round().clip(-60, 200)
    delay[::10] = np.nan
    return pd.DataFrame({"flight_id": KEYS, "dep_delay": delay + 2, "arr_delay": delay})


@pytest.fixture
def labels() -> pd.DataFrame:
    """The labels of the same flights, and nothing else."""
    return pd.DataFrame({"flight_id": KEYS, "late": [n % 3 == 0 for n in range(len(KEYS))]})
