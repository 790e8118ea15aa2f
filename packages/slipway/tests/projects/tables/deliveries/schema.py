"""A delivery: how many minutes will it take?"""

from __future__ import annotations

from pandera.pandas import Check, Column, DataFrameSchema

KEY = "delivery"
EVENT_TIME = "left_at"

VEHICLES = ["bike", "car", "van"]

BEFORE = {"known": "before", "max_missing": 0.0}

schema = DataFrameSchema(
    {
        "delivery": Column(str, unique=True, metadata=BEFORE),
        "left_at": Column("datetime64[us, UTC]", metadata=BEFORE),
        "vehicle": Column(str, Check.isin(VEHICLES), metadata=BEFORE),
        "distance": Column("float32", Check.in_range(0, 100), metadata=BEFORE),
        "stops": Column("int8", Check.in_range(0, 20), metadata=BEFORE),
        "minutes": Column(
            "float64",
            Check.ge(0),
            nullable=True,
            metadata={"known": "after", "max_missing": 0.1},
        ),
    },
    strict=True,
)
