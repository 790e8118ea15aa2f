"""A visit of a patient, without a time: will the patient return?"""

from __future__ import annotations

from pandera.pandas import Check, Column, DataFrameSchema

KEY = ["patient", "visit"]
EVENT_TIME = None
CLUSTERS = ["patient"]

BEFORE = {"known": "before", "max_missing": 0.0}

schema = DataFrameSchema(
    {
        "patient": Column(str, Check.str_matches(r"p[0-9]{4}$"), metadata=BEFORE),
        "visit": Column("int32", Check.ge(0), metadata=BEFORE),
        "clinic": Column(str, Check.isin(["east", "north", "west"]), metadata=BEFORE),
        "age": Column("float32", Check.in_range(0, 120), metadata=BEFORE),
        "pulse": Column("float32", Check.in_range(20, 250), metadata=BEFORE),
        "returned": Column("int8", Check.isin([0, 1]), metadata={"known": "after"}),
    },
    strict=True,
    unique=KEY,
)
