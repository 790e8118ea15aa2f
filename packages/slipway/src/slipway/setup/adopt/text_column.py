"""Columns of CSV files: their types are those of the texts in all cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slipway.dataset.chunks import (
    LOCAL_TIME,
    MISSING,
    MOST_DIGITS,
    NUMBER,
    TIME,
    WHOLE,
    Source,
    cells_of,
)
from slipway.setup.adopt.column import (
    TIME_TYPE,
    Column,
    Kind,
    as_numpy,
    no_such_time,
    rounded_number,
)
from slipway.untrusted import shown

if TYPE_CHECKING:
    import pyarrow as pa

# Texts that people and programs write for a missing number.
NO_NUMBER = r"(?i)^(na|n/a|#n/a|nan|null|none|nil|\?|-+|\.+|missing)$"

# A code of which a number would lose the first digits, such as a postcode.
PADDED = r"^0[0-9]+$"


def text_column(
    name: str, texts: Sequence[pa.Array], sources: Sequence[Source], zone: str
) -> Column | str:
    """Return a column of CSV files: of whole numbers, numbers or times if all of its cells are."""
    import pyarrow.compute as pc

    as_written, plain = texts, _kind_of(texts, sources)
    kind, converted = plain, ""
    if plain == "text":
        trimmed = [pc.utf8_trim_whitespace(text) for text in texts]
        kind = _kind_of([_without_words(text) for text in trimmed], sources)
        if kind in ("integer", "number"):
            texts, converted = [_without_words(text) for text in trimmed], _change(texts)
    if kind == "integer" and (converted or any(_empty(text) for text in texts)):
        if any(_has_rounded(text) for text in texts):
            return Column(name, "text", _texts(as_written), "str")
        kind = "number"
    dtype = {"text": "str", "integer": "int64", "number": "float64", "time": TIME_TYPE}[kind]
    as_read = {"text": "string", "time": "timestamp"}.get(kind, kind)
    parts = [
        cells_of(text, as_read, dtype, source.format, zone)
        for text, source in zip(texts, sources, strict=True)
    ]
    unreadable = np.concatenate([np.asarray(part.unreadable) for part in parts])
    if unreadable.any() and kind == "time":
        return no_such_time(zone, _texts(texts)[unreadable.argmax()])
    if unreadable.any():  # beyond int64
        return Column(name, "text", _texts(as_written), "str")
    if all(part.values.null_count == len(part.values) for part in parts):
        return "has no value"
    values = [as_numpy(part.values, kind) for part in parts]
    return Column(name, kind, np.concatenate(values), dtype, converted)


def _kind_of(texts: Sequence[pa.Array], sources: Sequence[Source]) -> Kind:
    """Return the narrowest type of all cells that are not empty."""
    import pyarrow.compute as pc

    formats = [source.format for source in sources]
    numbers = [NUMBER.format(mark=f"[{each.decimal}]") if each else "" for each in formats]
    if all(share_of(text, WHOLE) == 1 for text in texts):
        return "integer"
    if all(share_of(text, number) == 1 for text, number in zip(texts, numbers, strict=True)):
        is_padded = any(pc.any(_matches(text, PADDED)).as_py() for text in texts)
        return "text" if is_padded else "number"
    if all(share_of(text, f"{TIME}|{LOCAL_TIME}") == 1 for text in texts):
        return "time"
    return "text"


def share_of(text: pa.Array, pattern: str) -> float:
    """Return the share of the cells, but for empty ones, that match; 1 if all are empty."""
    import pyarrow.compute as pc

    filled = text.filter(pc.invert(_matches(text, MISSING)))
    if not len(filled):
        return 1.0
    return float(pc.mean(_matches(filled, pattern).cast("int8")).as_py())


def _matches(text: pa.Array, pattern: str) -> pa.Array:
    import pyarrow.compute as pc

    return pc.match_substring_regex(pc.fill_null(text, ""), pattern)


def _empty(text: pa.Array) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(_matches(text, MISSING)).as_py())


def _has_rounded(text: pa.Array) -> bool:
    """Return whether cells of whole numbers have one that float64 would round."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = text.filter(pc.invert(_matches(text, MISSING)))
    if pc.any(pc.greater(pc.utf8_length(filled), MOST_DIGITS)).as_py():
        return True
    return rounded_number(filled.cast(pa.decimal128(MOST_DIGITS, 0))) is not None


def _without_words(text: pa.Array) -> pa.Array:
    """Return cells without the words for a missing number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(_matches(text, NO_NUMBER), pa.scalar(None, text.type), text)


def _change(texts: Sequence[pa.Array]) -> str:
    """Return what is converted in a column of numbers: words, and spaces around them."""
    import pyarrow.compute as pc

    words: dict[str, int] = {}
    for text in texts:
        found = text.filter(_matches(pc.utf8_trim_whitespace(text), NO_NUMBER))
        for each in pc.value_counts(found).to_pylist():
            words[each["values"]] = words.get(each["values"], 0) + each["counts"]
    if not words:
        return "spaces around numbers are removed"
    word = max(words, key=words.__getitem__)
    cells = sum(words.values())
    if cells == 1:
        return f"1 cell, {shown(word)}, is a missing value"
    return f"{cells:,} cells such as {shown(word)} are missing values"


def _texts(texts: Sequence[pa.Array]) -> np.ndarray:
    return np.concatenate([as_numpy(text, "text") for text in texts])
