"""A row as the service takes it: specified by the schema, checked in microseconds.

The schema belongs to pandera, which needs pandas and milliseconds. `specify` turns it into
plain JSON when a model is trained; the service reads that from the manifest and checks
requests with `RowValidator`, which agrees with the schema and needs neither.
"""

from slipway.rows.specify import column_type, specify
from slipway.rows.validator import (
    TIME_RANGE,
    Fault,
    Faults,
    Rows,
    RowValidator,
    Rule,
    Spec,
    TooManyRows,
    ask,
    columns_read,
)
from slipway.rows.words import NOUNS, describe, shown, shown_name

__all__ = [
    "NOUNS",
    "TIME_RANGE",
    "Fault",
    "Faults",
    "RowValidator",
    "Rows",
    "Rule",
    "Spec",
    "TooManyRows",
    "ask",
    "column_type",
    "columns_read",
    "describe",
    "shown",
    "shown_name",
    "specify",
]
