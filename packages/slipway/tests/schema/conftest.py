"""The real validator of the starter model, and a real row that is in order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slipway import project
from slipway.schema.export import export_schema
from slipway.schema.validator import Fault, Rows, RowValidator

GOOD = {
    "flight_id": "20131001-US1117-EWR",
    "scheduled_departure": "2013-10-01T09:00:00Z",
    "carrier": "US",
    "origin": "EWR",
    "dest": "CLT",
    "weekday": 1,
    "dep_minute": 300,
    "arr_minute": 414,
    "distance": 529,
    "hour_departures": 3,
    "plane_year": None,
    "plane_seats": 199.0,
    "temp": 59.0,
    "humid": 75.23,
    "wind_speed": 5.75,
    "precip": 0,
    "pressure": 1018.4,
    "visib": 10.0,
}


@pytest.fixture(scope="session")
def validator() -> RowValidator:
    return RowValidator(export_schema(project.schema()), project.RULES)


@pytest.fixture
def good() -> dict[str, Any]:
    return dict(GOOD)


def body(rows: Any) -> bytes:
    return json.dumps(rows).encode()


def rows_of(answer: Rows | list[Fault]) -> Rows:
    assert isinstance(answer, Rows), answer
    return answer


def faults_of(answer: Rows | list[Fault]) -> list[Fault]:
    assert not isinstance(answer, Rows)
    return answer


def verdicts(answer: Rows | list[Fault]) -> set[tuple[int, str, str]]:
    """Row, field and rule of every fault."""
    if isinstance(answer, Rows):
        return set()
    return {(fault["row"], fault["field"], fault["rule"]) for fault in answer}
