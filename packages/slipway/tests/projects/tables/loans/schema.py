"""An application for a loan: will a payment be 90 days late?"""

from __future__ import annotations

from pandera.pandas import Check, Column, DataFrameSchema

KEY = "application"
EVENT_TIME = "applied_at"

PURPOSES = ["car", "house", "school", "other"]

BEFORE = {"known": "before", "max_missing": 0.0}

schema = DataFrameSchema(
    {
        "application": Column(str, Check.str_matches(r"L[0-9]{7}\Z"), unique=True, metadata=BEFORE),
        "applied_at": Column("datetime64[us, UTC]", metadata=BEFORE),
        "purpose": Column(str, Check.isin(PURPOSES), metadata=BEFORE),
        "employer": Column(
            str,
            Check.str_matches(r"[A-Z][a-z]+\Z"),
            nullable=True,
            metadata={"known": "before", "max_missing": 0.5},
        ),
        "income": Column("float32", Check.in_range(0, 1e6), metadata=BEFORE),
        "amount": Column("float32", Check.in_range(100, 1e6), metadata=BEFORE),
        "days_late": Column(
            "float32",
            Check.in_range(0, 5000),
            nullable=True,
            metadata={"known": "after", "max_missing": 0.1},
        ),
    },
    strict=True,
)
