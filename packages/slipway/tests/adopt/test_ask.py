"""On a terminal, what the table leaves open is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slipway.setup.adopt.ask import ENTITY, plan_by_asking
from slipway.setup.adopt.request import Request
from slipway.setup.adopt.table import Table, read_table

ROWS = 200


@pytest.fixture
def table(tmp_path: Path) -> Table:
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    path = tmp_path / "table.csv"
    pd.DataFrame(
        {
            "customer": [f"c{number}" for number in random.integers(0, 50, ROWS)],
            "plan": random.choice(["a", "b"], ROWS),
            "ordered": days,
            "sent": days,
            "spend": random.normal(size=ROWS),
            "late": random.integers(0, 2, ROWS),
        }
    ).to_csv(path, index=False)
    return read_table([path])


def test_the_entity_and_one_of_several_times_are_asked(table: Table) -> None:
    asked: dict[str, Sequence[str]] = {}

    def ask(question: str, choices: Sequence[str], default: str) -> str:
        asked[question] = choices
        assert default in choices
        return "customer" if question == ENTITY else "sent"

    plan = plan_by_asking(table, Request("late"), ask)
    assert (plan.entity, plan.time) == ("customer", "sent")
    assert list(asked.values()) == [["customer", "none"], ("ordered", "sent", "none")]


def test_what_is_stated_is_not_asked(table: Table) -> None:
    def ask(question: str, _choices: Sequence[str], _default: str) -> str:
        raise AssertionError(question)

    plan = plan_by_asking(table, Request("late", time="ordered", entity="none"), ask)
    assert (plan.entity, plan.time) == (None, "ordered")
