"""Text that is dates in another form than ISO 8601: the form, and how to convert it.

Only ISO 8601 is read, the same way in training, service and batch scoring.
"""

from __future__ import annotations

import re
from itertools import product

import numpy as np

from slipway.setup.adopt.column import Column
from slipway.setup.adopt.request import Decision
from slipway.untrusted import code_name, shown

DATE = re.compile(r"\d{1,4}(?P<mark>[./-])\d{1,2}(?P=mark)\d{2,4}\b")

DAYS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%Y{0}%m{0}%d", "%d{0}%m{0}%y", "%m{0}%d{0}%y")

CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")

# Values that exclude most formats before all values are read.
FIRST = 100


def unread_dates(column: Column) -> Decision | None:
    """Return the decision about a column of text that is dates; None if it is not."""
    if column.kind != "text" or not _look_like_dates(column.distinct):
        return None
    formats = formats_of(column)
    return Decision(
        f"{code_name(column.name)} is not read as a time, and is not a feature",
        f"{_evidence(formats)}, such as {shown(column.distinct[0])}",
        f"{conversion(column, formats)}, then run the same command again",
    )


def formats_of(column: Column) -> list[str]:
    """Return the formats of `strptime` that each value of a column of text has."""
    mark = DATE.match(column.distinct[0])
    if mark is None:
        return []
    formats = [day.format(mark["mark"]) + clock for day, clock in product(DAYS, CLOCKS)]
    for values in (column.distinct[:FIRST], column.distinct):
        formats = [each for each in formats if _fits(values, each)]
    return formats


def conversion(column: Column, formats: list[str]) -> str:
    """Return how to convert a column: a line of Python for a DataFrame `table`."""
    name, which = column.name, "" if len(formats) == 1 else " with the format that is right"
    form = formats[0] if formats else DAYS[0].format("/")
    line = f"table[{name!r}] = pandas.to_datetime(table[{name!r}], format={form!r})"
    return f"convert it{which}: `{line}`"


def _fits(values: np.ndarray, form: str) -> bool:
    import pandas as pd

    return bool(pd.to_datetime(values, format=form, errors="coerce").notna().all())


def _evidence(formats: list[str]) -> str:
    if len(formats) == 1:
        return f"its dates have the format {formats[0]}"
    if formats:
        return f"its dates fit {' and '.join(formats)}: which one is right, no value shows"
    return "its values look like dates, and no format fits all of them"


def _look_like_dates(values: np.ndarray) -> bool:
    return sum(DATE.match(text) is not None for text in values) > len(values) / 2
