"""The columns that are known only afterwards, and those that the label is computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.schema.export import column_type

if TYPE_CHECKING:
    import pandas as pd


def columns_of_label() -> list[str]:
    """Return the columns that the model's `label` reads, found by running it on no rows."""
    columns = project.schema().columns
    recorder = project.Recorder(
        {name: np.empty(0, column_type(name, column)[1]) for name, column in columns.items()}
    )
    project.label(recorder)
    return recorder.read


def outcomes() -> list[str]:
    """Return the columns of the schema that are known only afterwards."""
    columns = project.schema().columns
    return [name for name, column in columns.items() if not project.known_before(column)]


def array_of(name: str, values: pd.Series) -> np.ndarray:
    """Return a column as the model's code gets it."""
    kind, dtype = column_type(name, project.schema().columns[name])
    if kind == "timestamp":
        values = values.dt.tz_convert(None)
    return np.asarray(values, dtype=dtype)
