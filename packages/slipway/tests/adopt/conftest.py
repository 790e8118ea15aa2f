"""A small table, and the plan for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from slipway.setup.adopt.plan import Plan, make_plan
from slipway.setup.adopt.request import Request
from slipway.setup.adopt.table import read_table

ROWS = 200


@pytest.fixture
def columns() -> dict[str, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=ROWS)
    noisy = x + random.normal(size=ROWS)
    amount = noisy + random.normal(size=ROWS)
    return {
        "id": [f"a{number}" for number in range(ROWS)],
        "x": x,
        "plan": random.choice(["basic", "family"], ROWS),
        "label": (noisy > 0).astype(int),
        "amount": amount,
    }


def plan_of(folder: Path, columns: dict[str, Any], target: str = "label", **stated: Any) -> Plan:
    path = folder / "table.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    zone = stated.get("zone", "UTC")
    return make_plan(read_table([path], zone=zone), Request(target, **stated))
