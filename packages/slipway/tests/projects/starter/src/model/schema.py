"""What a row is: one schema for the pipeline, the pull request and the running service.

Each column declares when its value is known. The service asks for the columns that are known
before departure, and only those may reach a feature; what is known after departure makes
the label and nothing else.
"""

from __future__ import annotations

from typing import Any

from pandera.pandas import Check, Column, DataFrameSchema

from model.rules import RULES

KEY = "flight_id"
EVENT_TIME = "scheduled_departure"

CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL"]
CARRIERS += ["HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
ORIGINS = ["EWR", "JFK", "LGA"]


def before(dtype: Any, *checks: Check, missing: float = 0.0, unique: bool = False) -> Column:
    """A column known before departure; `missing` is the largest share of empty values."""
    return Column(
        dtype,
        list(checks),
        nullable=missing > 0,
        unique=unique,
        metadata={"known": "before", "max_missing": missing},
    )


def after(dtype: Any, *checks: Check, missing: float = 0.0) -> Column:
    """A column known only after departure: it may make the label, never a feature."""
    return Column(
        dtype,
        list(checks),
        nullable=missing > 0,
        metadata={"known": "after", "max_missing": missing},
    )


schema = DataFrameSchema(
    {
        "flight_id": before(
            str, Check.str_matches(r"[0-9]{8}-[A-Z0-9]{2}[0-9]{1,4}-[A-Z]{3}\Z"), unique=True
        ),
        "scheduled_departure": before("datetime64[us, UTC]"),
        "carrier": before(str, Check.isin(CARRIERS)),
        "origin": before(str, Check.isin(ORIGINS)),
        "dest": before(str, Check.str_matches(r"[A-Z]{3}\Z")),
        "weekday": before("int8", Check.in_range(0, 6)),
        "dep_minute": before("int16", Check.in_range(0, 1439)),
        "arr_minute": before("int16", Check.in_range(0, 1439)),
        "distance": before("int16", Check.in_range(10, 6000)),
        "hour_departures": before("int16", Check.in_range(1, 100)),
        "plane_year": before("float32", Check.in_range(1950, 2030), missing=0.3),
        "plane_seats": before("float32", Check.in_range(1, 600), missing=0.3),
        "temp": before("float32", Check.in_range(-40, 130), missing=0.1),
        "humid": before("float32", Check.in_range(0, 100), missing=0.1),
        "wind_speed": before("float32", Check.in_range(0, 150), missing=0.1),
        "precip": before("float32", Check.in_range(0, 10), missing=0.1),
        "pressure": before("float32", Check.in_range(900, 1100), missing=0.3),
        "visib": before("float32", Check.in_range(0, 20), missing=0.1),
        "dep_delay": after("float32", Check.in_range(-120, 3000), missing=0.1),
        "arr_delay": after("float32", Check.in_range(-200, 3000), missing=0.1),
    },
    checks=[Check(rule, name=name, error=rule.__doc__) for name, rule in RULES.items()],
    strict=True,
    ordered=False,
)
