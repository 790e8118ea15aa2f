"""A column of a table that is adopted, in one of the four types of a schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "integer", "number", "time"]

TIME_TYPE = "datetime64[us, UTC]"

# Whole numbers up to it are exact in float64.
EXACT_FLOAT64 = 2**53

# Why a column of times is left out.
NO_SUCH_TIME = "has a time that the clocks of"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    values
        Text, a whole number or a number, with None or NaN for a missing one; or datetime64[us].
    dtype
        Its type in the schema.
    converted
        How it differs from that of the file; empty if it does not.
    """

    name: str
    kind: Kind
    values: np.ndarray
    dtype: str
    converted: str = ""

    @cached_property
    def missing(self) -> np.ndarray:
        """Which rows have no value, bool, shape (rows,)."""
        import pandas as pd

        return np.asarray(pd.isna(self.values))

    @cached_property
    def distinct(self) -> np.ndarray:
        """The different values, sorted."""
        return np.unique(self.values[~self.missing])

    @property
    def missing_share(self) -> float:
        return float(self.missing.mean())


def no_such_time(zone: str, local: object) -> str:
    return f"{NO_SUCH_TIME} {zone} show twice or never: {local}"


def as_numpy(values: pa.Array, kind: Kind) -> np.ndarray:
    """Return Arrow values as numpy has them; missing ones are None, NaN or NaT."""
    import pyarrow as pa

    if kind == "time":
        return np.asarray(values.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    if kind == "number":
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype="float64")
    return np.asarray(values.to_numpy(zero_copy_only=False))


def rounded_number(column: pa.Array) -> int | None:
    """Return a whole number of a column of such that float64 does not have, if there is one."""
    from pyarrow import types

    if not types.is_integer(column.type) and getattr(column.type, "scale", 1) > 0:
        return None
    values = column.drop_null().to_numpy(zero_copy_only=False)
    large = values[(values > EXACT_FLOAT64) | (values < -EXACT_FLOAT64)]
    return next((int(each) for each in large if int(float(each)) != int(each)), None)
