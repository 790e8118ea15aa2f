"""A month's rows, put together from the prediction log and the labels that have arrived.

The log has what was known when the prediction was asked for, the labels what became of it: both
together are what a file in ``data/`` holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import contract
from slipway.errors import SlipwayError
from slipway.labels import read_outcomes
from slipway.labels.arrivals import columns_of_label, outcomes
from slipway.records import Records
from slipway.rows import column_type

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 50_000


def months_in(log: str) -> set[str]:
    """Return the months of which the log has rows, by the time of the event, as ``YYYY-MM``."""
    found: set[str] = set()
    for chunk in _chunks(log):
        found |= set(np.unique(_months([record["input"] for record in chunk])).tolist())
    return found


def rows_of(month: str, log: str, labels: str, known: set[Any]) -> pd.DataFrame:
    """Return the rows of a month in the columns and types of the schema, oldest first.

    Parameters
    ----------
    known
        Keys that are in ``data/`` already, and are left out.

    Raises
    ------
    SlipwayError
        A row of the log does not fit the schema, the labels lack the columns that they are
        made of, or log or labels cannot be read.
    """
    import pandas as pd

    asked = _asked(month, log)
    key = contract.key()
    asked = asked[~asked[key].isin(known)]
    said = read_outcomes(labels).rename(columns={"key": key}).drop(columns="label")
    _check_outcomes(said, labels)
    rows = asked.merge(said, on=key, how="left")
    columns = contract.schema().columns
    typed = {name: _typed(rows, name, month) for name in columns}
    order = [contract.event_time(), key]
    return pd.DataFrame(typed).sort_values(order, ignore_index=True)


def _asked(month: str, log: str) -> pd.DataFrame:
    """Return a month's rows as they were sent; of a key that was sent again, the last."""
    import pandas as pd

    kept: dict[Any, tuple[str, dict[str, Any]]] = {}
    for chunk in _chunks(log):
        months = _months([record["input"] for record in chunk])
        for record, of in zip(chunk, months.tolist(), strict=True):
            if of == month and record["id"] > kept.get(record["key"], ("",))[0]:
                kept[record["key"]] = (record["id"], record["input"])
    return pd.DataFrame([row for _, row in kept.values()], columns=contract.inputs())


def _chunks(log: str) -> Iterable[list[dict[str, Any]]]:
    chunk = []
    for record in Records(log):
        chunk.append(record)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _months(rows: list[dict[str, Any]]) -> np.ndarray:
    import pandas as pd

    times = pd.to_datetime([row[contract.event_time()] for row in rows], utc=True, format="ISO8601")
    return np.asarray(times.strftime("%Y-%m"), dtype=object)


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
