"""Keys of rows in files, as series of pandas, in which values may be missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from slipway.project import joined_key


def keys_of(columns: Sequence[pd.Series]) -> pd.Series:
    """Return the key of each row, from its columns; missing if a part of it is."""
    if len(columns) == 1:
        return columns[0]
    present = ~np.logical_or.reduce([column.isna().to_numpy() for column in columns])
    rows = zip(*(column[present].tolist() for column in columns), strict=True)
    keys = np.full(len(present), None, dtype=object)
    keys[present] = [joined_key(row) for row in rows]
    return pd.Series(keys, dtype="str")
