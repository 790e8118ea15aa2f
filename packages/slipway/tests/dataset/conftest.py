"""The real schema, and settings for files of two hundred rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.services.projects import FLIGHTS

from slipway.settings import Params, read_params

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
GOOD = HERE / "good/2013-09.parquet"

Faults = list[tuple[str, str]]


def settings_of(chunk_rows: int = 250_000, rows: tuple[int, int] = (100, 300)) -> Params:
    params = read_params(FLIGHTS / "params.yaml")
    section = params.validate_.model_copy(update={"chunk_rows": chunk_rows, "rows_per_month": rows})
    return params.model_copy(update={"validate_": section})


@pytest.fixture
def params() -> Params:
    return settings_of()


@pytest.fixture
def good() -> pd.DataFrame:
    return pd.read_parquet(GOOD)
