"""An hourly reading of a pump: will it fail within a day?"""

from __future__ import annotations

from pandera.pandas import Check, Column, DataFrameSchema

KEY = "reading"
EVENT_TIME = "measured_at"

SITES = ["north", "south"]

BEFORE = {"known": "before", "max_missing": 0.0}
SENSOR = {"known": "before", "max_missing": 0.1}

schema = DataFrameSchema(
    {
        "reading": Column(str, unique=True, metadata=BEFORE),
        "measured_at": Column("datetime64[us, UTC]", metadata=BEFORE),
        "site": Column(str, Check.isin(SITES), metadata=BEFORE),
        "hours": Column("uint16", metadata=BEFORE),
        "pressure": Column("float64", Check.in_range(0, 50), nullable=True, metadata=SENSOR),
        "vibration": Column("float32", Check.in_range(0, 100), nullable=True, metadata=SENSOR),
        "failed_after": Column(
            "float32",
            Check.ge(0),
            nullable=True,
            metadata={"known": "after", "max_missing": 1.0},
        ),
    },
    strict=True,
)
