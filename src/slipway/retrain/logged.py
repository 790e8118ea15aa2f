"""A month's rows, put together from the prediction log and the labels that have arrived.

The log has what was known when the prediction was asked for, the labels what became of it: both
together are what a file in ``data/`` holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from slipway import contract
from slipway.errors import SlipwayError
from slipway.labels.arrivals import columns_of_label, outcomes
from slipway.labels.store import read_outcomes
from slipway.log_files import Skipped
from slipway.records import Place, Records
from slipway.rows import Rows, RowValidator, column_type, specify
from slipway.times import time_or_none

if TYPE_CHECKING:
    import pandas as pd

TOGETHER = 1_000  # rows that are checked in one step


@dataclass(frozen=True)
class Logged:
    """A month's rows, and those of the log that do not fit today's schema.

    Parameters
    ----------
    refused, why
        How many, and where the first is and what is wrong with it.
    """

    rows: pd.DataFrame
    refused: int = 0
    why: str = ""


def months_in(log: str) -> set[str]:
    """Return the months of which the log has rows, by the time of the event, as ``YYYY-MM``."""
    return read_months(log)[0]


def read_months(log: str) -> tuple[set[str], Skipped]:
    """Return what `months_in` does, and what of the log was left out.

    Raises
    ------
    SlipwayError
        The log cannot be read, or is something else.
    """
    records = Records(log, answers=False)
    found = {month for _, _, month in _timed(records)}
    if too_many := records.skipped.too_many():
        raise SlipwayError(f"{log}: {too_many}")
    return found, records.skipped


def rows_of(month: str, log: str, labels: str, known: set[Any]) -> Logged:
    """Return the rows of a month in the columns and types of the schema, oldest first.

    Parameters
    ----------
    known
        Keys that are in ``data/`` already, and are left out.

    Raises
    ------
    SlipwayError
        The labels lack the columns that they are made of, or log or labels cannot be read.
    """
    import pandas as pd

    asked, refused, why = _asked(month, log, known)
    key = contract.key()
    said = read_outcomes(labels).rename(columns={"key": key}).drop(columns="label")
    _check_outcomes(said, labels)
    rows = asked.merge(said, on=key, how="left")
    columns = contract.schema().columns
    typed = {name: _typed(rows, name, month) for name in columns}
    order = [contract.event_time(), key]
    return Logged(pd.DataFrame(typed).sort_values(order, ignore_index=True), refused, why)


def _timed(records: Records) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Yield the records whose event has a time, with the month of it."""
    name = contract.event_time()
    for place, record in records.placed():
        time = time_or_none(record["input"].get(name))
        if time is None:
            records.skipped.untimed.add(1, partial(records.where, place))
        else:
            yield place, record, f"{time:%Y-%m}"


def _asked(month: str, log: str, known: set[Any]) -> tuple[pd.DataFrame, int, str]:
    """Return a month's rows as they were sent; of a key that was sent again, the last."""
    import pandas as pd

    kept: dict[Any, tuple[str, Place, dict[str, Any]]] = {}
    records = Records(log, answers=False)
    for place, record, of in _timed(records):
        key = record["key"]
        if of == month and key not in known and (key not in kept or record["id"] > kept[key][0]):
            kept[key] = (record["id"], place, record["input"])
    rows = [row for _, _, row in kept.values()]
    faults = _refused(rows)
    why = ""
    if faults:
        first = min(faults)
        place = list(kept.values())[first][1]
        why = f"{records.where(place)}: {faults[first]}"
    fit = [row for at, row in enumerate(rows) if at not in faults]
    return pd.DataFrame(fit, columns=contract.inputs()), len(faults), why


def _refused(rows: list[dict[str, Any]]) -> dict[int, str]:
    """Return the rows that the service would refuse today, by position, and why."""
    validator = RowValidator(specify(contract.schema()), contract.RULES)
    found = {}
    for start in range(0, len(rows), TOGETHER):
        some = rows[start : start + TOGETHER]
        if isinstance(validator.parse(orjson.dumps(some)), Rows):
            continue
        for at, row in enumerate(some, start):
            said = validator.parse(orjson.dumps(row))
            if not isinstance(said, Rows):
                found[at] = f"`{said[0]['field']}`: {said[0]['message']}"
    return found


def _check_outcomes(said: pd.DataFrame, labels: str) -> None:
    missing = [name for name in columns_of_label() if name in outcomes() and name not in said]
    if missing and len(said):
        listed = ", ".join(f"`{name}`" for name in missing)
        raise SlipwayError(
            f"{labels}: has labels, but not what they are made of ({listed}), which data/ needs",
            "import the labels with these columns (docs/labels.md)",
        )


def _typed(rows: pd.DataFrame, name: str, month: str) -> Any:
    import pandas as pd

    kind, dtype = column_type(name, contract.schema().columns[name])
    values = rows[name] if name in rows else pd.Series(np.nan, index=rows.index)
    try:
        if kind == "timestamp":
            times = pd.to_datetime(values, utc=True, format="ISO8601")
            return times.dt.as_unit("us").array
        if kind == "string":
            return values.astype(object).array
        return np.asarray(values).astype(dtype)
    except (ValueError, TypeError) as error:
        raise SlipwayError(
            f"{month}, from the log: column `{name}` does not fit the schema: {error}",
            "look at the records of that month",
        ) from None
