"""A table of any columns: their types, found in its cells, and what has to be converted.

A schema has four types: text, whole numbers, numbers and times. A file whose columns have them is
used as it is; others are written again, as parquet, and each conversion is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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
    open_source,
)
from slipway.dataset.csv_format import FOUND, Stated
from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.untrusted import escaped, shown, shown_name

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "integer", "number", "time"]

CHUNK_ROWS = 250_000

# Of a CSV file, which show how numbers are written.
SAMPLE_ROWS = 10_000

# Texts that people and programs write for a missing number.
NO_NUMBER = r"(?i)^(na|n/a|#n/a|nan|null|none|nil|\?|-+|\.+|missing)$"

# A code of which a number would lose the first digits, such as a postcode.
PADDED = r"^0[0-9]+$"

# Whole numbers up to it are exact in float32.
EXACT = 2**24

# And in float64.
EXACT_FLOAT64 = 2**53

# A column of pandas that numbers the rows.
INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+")

WIDTHS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"}


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


# Why a column of times is left out.
NO_SUCH_TIME = "has a time that the clocks of"


@dataclass(frozen=True)
class Table:
    """The rows of some files.

    Attributes
    ----------
    left_out
        Columns that no schema can have, with the reason.
    """

    paths: Sequence[Path]
    columns: dict[str, Column]
    left_out: dict[str, str]

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())).values)

    @property
    def converted(self) -> dict[str, str]:
        """The conversions, by column; without any the files are used as they are."""
        return {each.name: each.converted for each in self.columns.values() if each.converted}


def read_table(paths: Sequence[Path], stated: Stated = FOUND, zone: str = "UTC") -> Table:
    """Read files of the same columns, and find the types of these.

    Parameters
    ----------
    stated
        How CSV files are written.
    zone
        That of times without one.

    Raises
    ------
    SlipwayError
        A file cannot be read, or has other columns than the first one, or one twice; or there is no
        row.
    """
    sources = [_open(path, stated) for path in paths]
    _require_same(sources)
    names = list(sources[0].types)
    parts = [_read(source, names) for source in track(sources, "Reading")]
    if not sum(part.num_rows for part in parts):
        raise SlipwayError(f"{paths[0]}: no rows", "give a file that has rows")
    columns: dict[str, Column] = {}
    left_out: dict[str, str] = {}
    for name in track(names, "Finding the types"):
        cells = [part[name].combine_chunks() for part in parts]
        found = _column(name, cells, sources, zone)
        if isinstance(found, str):
            left_out[name] = escaped(found)
        else:
            columns[name] = found
    if not columns:
        reasons = ", ".join(f"{shown_name(name)}: {why}" for name, why in left_out.items())
        raise SlipwayError(f"{paths[0]}: no column can be used ({reasons})", "see docs/adopt.md")
    return Table(tuple(paths), columns, left_out)


def _open(path: Path, stated: Stated) -> Source:
    source = open_source(path, stated)
    if source.repeated:
        what = f"{path}: column {shown_name(source.repeated[0])} is repeated"
        raise SlipwayError(what, "give each column another name")
    if not source.format:
        return source
    # Which columns hold numbers is not known before they are read, and they show the decimal mark.
    sample = next(source.batches(list(source.types), SAMPLE_ROWS), None)
    mark = NUMBER.format(mark="[.,]")
    numbers = [
        name for name in source.types if sample is not None and _share(sample[name], mark) > 0.9
    ]
    return open_source(path, stated, numbers)


def _require_same(sources: Sequence[Source]) -> None:
    first, names = sources[0], [source.path.name for source in sources]
    if repeated := next((name for name in names if names.count(name) > 1), ""):
        raise SlipwayError(
            f"two files are named {shown_name(repeated)}, and data/ has no folders",
            "rename one of them",
        )
    for source in sources[1:]:
        if other := source.types.keys() ^ first.types.keys():
            raise SlipwayError(
                f"column {shown_name(min(other))} is in {first.path} or in {source.path}, not in "
                "both",
                "give files of the same columns",
            )
        if (source.format is None) != (first.format is None):
            raise SlipwayError(
                f"{source.path}: another format than {first.path}", "give files of one format"
            )


def _read(source: Source, names: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    batches = list(source.batches(names, CHUNK_ROWS))
    text = pa.schema([(name, pa.string()) for name in names])
    schema = text if source.format else pa.schema([(n, source.types[n]) for n in names])
    return pa.Table.from_batches(batches, batches[0].schema if batches else schema)


def _column(
    name: str, cells: Sequence[pa.Array], sources: Sequence[Source], zone: str
) -> Column | str:
    """Return a column, or why no schema can have it."""
    if not name.strip():
        return "has no name"
    if INDEX.fullmatch(name):
        return "is an index of pandas without a name: name it if it is a key"
    if sources[0].format:
        return _of_text(name, cells, sources, zone)
    return _of_type(name, cells, [source.path for source in sources], zone)


# --- CSV: the types are those of the texts --------------------------------------------------------


def _of_text(
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
        return _no_such_time(zone, _texts(texts)[unreadable.argmax()])
    if unreadable.any():  # beyond int64
        return Column(name, "text", _texts(as_written), "str")
    if all(part.values.null_count == len(part.values) for part in parts):
        return "has no value"
    values = [_numpy(part.values, kind) for part in parts]
    return Column(name, kind, np.concatenate(values), dtype, converted)


TIME_TYPE = "datetime64[us, UTC]"


def _no_such_time(zone: str, local: object) -> str:
    return f"{NO_SUCH_TIME} {zone} show twice or never: {local}"


def _kind_of(texts: Sequence[pa.Array], sources: Sequence[Source]) -> Kind:
    """Return the narrowest type of all cells that are not empty."""
    import pyarrow.compute as pc

    formats = [source.format for source in sources]
    numbers = [NUMBER.format(mark=f"[{each.decimal}]") if each else "" for each in formats]
    if all(_share(text, WHOLE) == 1 for text in texts):
        return "integer"
    if all(_share(text, number) == 1 for text, number in zip(texts, numbers, strict=True)):
        is_padded = any(pc.any(_matches(text, PADDED)).as_py() for text in texts)
        return "text" if is_padded else "number"
    if all(_share(text, f"{TIME}|{LOCAL_TIME}") == 1 for text in texts):
        return "time"
    return "text"


def _share(text: pa.Array, pattern: str) -> float:
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
    return _rounded(filled.cast(pa.decimal128(MOST_DIGITS, 0))) is not None


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
    return np.concatenate([_numpy(text, "text") for text in texts])


def _numpy(values: pa.Array, kind: Kind) -> np.ndarray:
    """Return Arrow values as numpy has them; missing ones are None, NaN or NaT."""
    import pyarrow as pa

    if kind == "time":
        return np.asarray(values.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    if kind == "number":
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype="float64")
    return np.asarray(values.to_numpy(zero_copy_only=False))


# --- parquet: the types are those of the file -----------------------------------------------------


def _of_type(
    name: str, parts: Sequence[pa.Array], paths: Sequence[Path], zone: str
) -> Column | str:
    """Return a column of parquet files in the closest type that a schema has."""
    import pyarrow as pa

    try:
        parts = [_plain(part) for part in parts]
        filled = [_has_value(part) for part in parts]
        if not any(filled):
            return "has no value"
        if len({part.type for part in parts}) == 1:
            return _typed(name, pa.chunked_array(parts).combine_chunks(), zone)
        return _of_types(name, parts, [at for at, has in enumerate(filled) if has], paths, zone)
    except pa.ArrowInvalid as error:
        return f"its values have no type of a schema ({str(error).splitlines()[0][:80]})"


def _plain(part: pa.Array) -> pa.Array:
    """Return text in one type, and the values of a dictionary."""
    import pyarrow as pa

    if pa.types.is_dictionary(part.type):
        part = part.cast(part.type.value_type)
    is_text = pa.types.is_string(part.type) or pa.types.is_string_view(part.type)
    return part.cast(pa.large_string()) if is_text else part


def _has_value(part: pa.Array) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.invert(pc.is_null(part, nan_is_null=True))).as_py())


def _of_types(
    name: str, parts: Sequence[pa.Array], filled: Sequence[int], paths: Sequence[Path], zone: str
) -> Column | str:
    """Return a column whose type differs between files: in that of all values, in any sequence.

    Parameters
    ----------
    filled
        Which parts have a value; the type of others does not count.
    """
    import pyarrow as pa

    first = filled[0]
    for at in filled:
        if _family(parts[at].type) == "other":
            return f"has the type {parts[at].type}"
        if _family(parts[at].type) != _family(parts[first].type):
            what = f"{_type_name(parts[first].type)} in {paths[first]}"
            raise SlipwayError(
                f"{paths[at]}: column {shown_name(name)} is {_type_name(parts[at].type)}, and "
                f"{what}",
                "write it with one type in all files",
            )
    if _family(parts[first].type) == "number":
        held = _same_numbers(name, [parts[at] for at in filled], [paths[at] for at in filled])
    else:
        held = [parts[at] for at in filled]
    by_part = dict(zip(filled, held, strict=True))
    same = [by_part.get(at, pa.nulls(len(part), held[0].type)) for at, part in enumerate(parts)]
    found = _joined(name, same, zone)
    before = _type_names(parts)
    return found if isinstance(found, str) else _converted(found, before)


def _joined(name: str, parts: Sequence[pa.Array], zone: str) -> Column | str:
    """Return a column of parts of one type, or of different types of times."""
    import pyarrow as pa

    if len({part.type for part in parts}) == 1:
        return _typed(name, pa.chunked_array(parts).combine_chunks(), zone)
    found = [_time(name, part, zone) for part in parts]
    columns = [each for each in found if isinstance(each, Column)]
    if len(columns) < len(found):
        return next(each for each in found if isinstance(each, str))
    return Column(name, "time", np.concatenate([each.values for each in columns]), TIME_TYPE)


def _family(found: pa.DataType) -> Literal["text", "number", "time", "other"]:
    from pyarrow import types

    if types.is_large_string(found):
        return "text"
    if types.is_boolean(found) or types.is_decimal(found):
        return "number"
    if types.is_integer(found) or types.is_floating(found):
        return "number"
    return "time" if types.is_date(found) or types.is_timestamp(found) else "other"


def _type_name(found: pa.DataType) -> str:
    names = {"double": "float64", "float": "float32", "halffloat": "float16"}
    return {**names, "large_string": "text"}.get(str(found), str(found))


def _type_names(parts: Sequence[pa.Array]) -> str:
    return " and ".join(sorted({_type_name(part.type) for part in parts}))


def _same_numbers(
    name: str, parts: Sequence[pa.Array], paths: Sequence[Path]
) -> Sequence[pa.Array]:
    """Return numbers of different types in one that has all of them.

    Raises
    ------
    SlipwayError
        There is none: a whole number is rounded as float64, or beyond int64.
    """
    import pyarrow as pa

    common = _common_type([part.type for part in parts])
    for part, path in zip(parts, paths, strict=True):
        beyond = _rounded(part) if pa.types.is_floating(common) else _beyond(part, common)
        if beyond is not None:
            raise SlipwayError(
                f"{path}: column {shown_name(name)} has the number {beyond}, for which the types "
                f"of the files ({_type_names(parts)}) have no common one",
                "write it with one type in all files, as text if it is an identifier",
            )
    return [part.cast(common, safe=False) for part in parts]


def _common_type(found: Sequence[pa.DataType]) -> pa.DataType:
    """Return the type of numbers of some types; true and false are 1 and 0."""
    import pyarrow as pa

    found = [pa.int8() if pa.types.is_boolean(each) else each for each in found]
    if not (all(map(pa.types.is_integer, found)) or all(map(pa.types.is_floating, found))):
        return pa.float64()
    schemas = [pa.schema([("", each)]) for each in found]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _beyond(column: pa.Array, common: pa.DataType) -> int | None:
    """Return a whole number that another type of them does not have, if there is one."""
    if str(column.type) != "uint64" or str(common) == "uint64":
        return None
    highest = int(column.drop_null().to_numpy().max())
    return highest if highest > np.iinfo("int64").max else None


def _rounded(column: pa.Array) -> int | None:
    """Return a whole number of a column of such that float64 does not have, if there is one."""
    from pyarrow import types

    if not types.is_integer(column.type) and getattr(column.type, "scale", 1) > 0:
        return None
    values = column.drop_null().to_numpy(zero_copy_only=False)
    large = values[(values > EXACT_FLOAT64) | (values < -EXACT_FLOAT64)]
    return next((int(each) for each in large if int(float(each)) != int(each)), None)


def _typed(name: str, column: pa.Array, zone: str) -> Column | str:
    import pyarrow as pa

    found = column.type
    if pa.types.is_large_string(found):
        return Column(name, "text", _numpy(column, "text"), "str")
    if pa.types.is_boolean(found):
        return _converted(_number(name, column.cast(pa.int8())), "true and false")
    if pa.types.is_integer(found) or pa.types.is_floating(found):
        if not _is_whole(column) and (rounded := _rounded(column)) is not None:
            return _why_rounded(rounded, column)
        return _number(name, column)
    if pa.types.is_decimal(found):
        if (rounded := _rounded(column)) is not None:
            return _why_rounded(rounded, column)
        return _converted(_number(name, column.cast(pa.float64())), str(found))
    if pa.types.is_date(found) or pa.types.is_timestamp(found):
        return _time(name, column, zone)
    return f"has the type {found}"


def _is_whole(column: pa.Array) -> bool:
    """Return whether the schema has a type of whole numbers for a column: none is missing."""
    return str(column.type) in WIDTHS and not column.null_count


def _why_rounded(number: int, column: pa.Array) -> str:
    cause = "missing values" if column.null_count else f"the type {column.type}"
    return (
        f"has {cause} and whole numbers that float64 would round, such as {number}: write it as "
        "text if it is an identifier"
    )


def _number(name: str, column: pa.Array) -> Column:
    """Return whole numbers as they are if none is missing, and other numbers as floats."""
    found = _type_name(column.type)
    if _is_whole(column):
        return Column(name, "integer", _numpy(column, "integer"), found)
    values = np.asarray(column.to_numpy(zero_copy_only=False), dtype="float64")
    if found in ("float32", "float64"):
        return Column(name, "number", values, found)
    is_small = np.nanmax(np.abs(values)) <= EXACT
    dtype = "float32" if is_small else "float64"
    return _converted(Column(name, "number", values, dtype), found)


def _time(name: str, column: pa.Array, zone: str) -> Column | str:
    import pandas as pd
    import pyarrow as pa

    found = column.type
    if found == pa.timestamp("us", tz="UTC"):
        return Column(name, "time", _numpy(column, "time"), TIME_TYPE)
    moments = pd.Series(column.cast(pa.timestamp("us", tz=getattr(found, "tz", None))).to_pandas())
    if moments.dt.tz is None:
        local = moments
        moments = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        lost = moments.isna() & local.notna()
        if lost.any():
            return _no_such_time(zone, local[lost].iloc[0])
    values = moments.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return _converted(Column(name, "time", values, TIME_TYPE), str(found))


def _converted(column: Column, before: str) -> Column:
    return replace(column, converted=f"{before} → {column.dtype}")


def to_arrow(table: Table, rows: np.ndarray | None = None) -> pa.Table:
    """Return the columns in their types, those left out removed."""
    import pandas as pd
    import pyarrow as pa

    def array(column: Column) -> pa.Array:
        values = column.values if rows is None else column.values[rows]
        if column.kind == "time":
            return pa.array(values, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
        if column.kind == "text":
            return pa.array(values, pa.string(), from_pandas=True)
        return pa.array(pd.Series(values), from_pandas=True).cast(
            pa.from_numpy_dtype(np.dtype(column.dtype))
        )

    return pa.table({name: array(column) for name, column in table.columns.items()})
