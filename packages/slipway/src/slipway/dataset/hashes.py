"""Hashes that divide rows: the same value is always on the same side, whatever rows are added.

The hash is sha256 of the value's text, without a seed. Its first 8 bytes decide whether rows are
held out, the next 8 in which fold they are.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

FOLDS = 8
"""Parts of the rows that are not held out."""

_WORD = 8


class Hashed(NamedTuple):
    """Hashes of some rows.

    Attributes
    ----------
    position
        From 0 to 1, not included; shape (rows,).
    fold
        From 0 to `FOLDS` - 1; shape (rows,).
    """

    position: np.ndarray
    fold: np.ndarray


def hashes_of(values: np.ndarray) -> Hashed:
    """Return the hash of each value of a column; equal values have equal ones."""
    import pandas as pd

    codes, known = pd.factorize(values, use_na_sentinel=False)
    digests = b"".join(hashlib.sha256(_text(each).encode()).digest() for each in known.tolist())
    words = np.frombuffer(digests, dtype=">u8").reshape(-1, hashlib.sha256().digest_size // _WORD)
    position = words[:, 0].astype("float64") / 2.0 ** (8 * _WORD)
    return Hashed(position[codes], (words[:, 1] % FOLDS).astype("int32")[codes])


def _text(value: object) -> str:
    """Return the text of a value: 12 and 12.0 have the same, since a file may have either."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
