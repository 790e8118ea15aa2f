"""A customer with a contract, asked once a month: will the customer leave?"""

from __future__ import annotations

from pandera.pandas import Check, Column, DataFrameSchema

KEY = "contract"
EVENT_TIME = "asked_at"

PLANS = ["basic", "family", "business"]

BEFORE = {"known": "before", "max_missing": 0.0}

schema = DataFrameSchema(
    {
        "contract": Column("int64", unique=True, metadata=BEFORE),
        "asked_at": Column("datetime64[us, UTC]", metadata=BEFORE),
        "plan": Column(str, Check.isin(PLANS), metadata=BEFORE),
        "months": Column("int16", Check.in_range(0, 600), metadata=BEFORE),
        "calls": Column("int16", Check.in_range(0, 500), metadata=BEFORE),
        "spend": Column(
            "float32",
            Check.in_range(0, 10000),
            nullable=True,
            metadata={"known": "before", "max_missing": 0.2},
        ),
        "left": Column("int8", Check.isin([0, 1]), metadata={"known": "after", "max_missing": 0.0}),
    },
    strict=True,
)
