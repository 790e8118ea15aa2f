"""A support ticket: which team will solve it?"""

from __future__ import annotations

from pandera.pandas import Check, Column, DataFrameSchema

KEY = "ticket"
EVENT_TIME = "opened_at"

PRODUCTS = ["app", "shop", "site"]

BEFORE = {"known": "before", "max_missing": 0.0}

schema = DataFrameSchema(
    {
        "ticket": Column(str, unique=True, metadata=BEFORE),
        "opened_at": Column("datetime64[us, UTC]", metadata=BEFORE),
        "product": Column(str, Check.isin(PRODUCTS), metadata=BEFORE),
        "length": Column("int32", Check.in_range(0, 100_000), metadata=BEFORE),
        "age": Column("float32", Check.in_range(0, 10_000), metadata=BEFORE),
        "team": Column(str, nullable=True, metadata={"known": "after", "max_missing": 0.1}),
    },
    strict=True,
)
