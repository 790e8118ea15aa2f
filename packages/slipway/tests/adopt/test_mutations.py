"""A table of any shape is adopted, or refused in one sentence."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from tests.adopt.mutations import MUTATIONS

from slipway.errors import SlipwayError
from slipway.setup.adopt.estimators import candidates
from slipway.setup.adopt.model_code import write_model
from slipway.setup.adopt.plan import Plan, make_plan
from slipway.setup.adopt.request import Request
from slipway.setup.adopt.run import features_of
from slipway.setup.adopt.table import read_table, to_arrow

REFUSED = (
    "too few rows",
    "no rows",
    "infinite",
    "two times",
    "a day with gaps",
    "labels constant",
    "labels infinite",
)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.DataFrame(load_wine(as_frame=True).frame)


def plan_of(folder: Path, frame: pd.DataFrame, name: str) -> Plan:
    path = folder / "table.csv"
    MUTATIONS[name](frame, "target").to_csv(path, index=False)
    return make_plan(read_table([path]), Request("target"))


@pytest.mark.parametrize("name", [name for name in MUTATIONS if name not in REFUSED])
def test_the_rows_fit_the_code_that_is_written_for_them(
    tmp_path: Path, frame: pd.DataFrame, name: str
) -> None:
    plan = plan_of(tmp_path, frame, name)
    written = write_model(plan, candidates(plan)[0].text, tmp_path / "model")
    for path in written:
        compile(path.read_text("utf-8"), str(path), "exec")
    schema = runpy.run_path(str(tmp_path / "model/schema.py"))["schema"]
    schema.validate(to_arrow(plan.table).to_pandas())
    features = features_of(plan)
    assert features
    for values in features.values():
        assert values.shape == (plan.table.rows,)
        assert values.dtype == object or not np.isinf(values).any()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_adopted_is_refused(tmp_path: Path, frame: pd.DataFrame, name: str) -> None:
    with pytest.raises(SlipwayError) as refused:
        plan_of(tmp_path, frame, name)
    assert refused.value.do
