"""Columns of parquet files: their types are those of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from slipway.errors import SlipwayError
from slipway.setup.adopt.column import (
    TIME_TYPE,
    Column,
    as_numpy,
    no_such_time,
    rounded_number,
)
from slipway.untrusted import shown_name

if TYPE_CHECKING:
    import pyarrow as pa

# Whole numbers up to it are exact in float32.
EXACT = 2**24

WIDTHS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"}


def typed_column(
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
        beyond = rounded_number(part) if pa.types.is_floating(common) else _beyond(part, common)
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


def _typed(name: str, column: pa.Array, zone: str) -> Column | str:
    import pyarrow as pa

    found = column.type
    if pa.types.is_large_string(found):
        return Column(name, "text", as_numpy(column, "text"), "str")
    if pa.types.is_boolean(found):
        return _converted(_number(name, column.cast(pa.int8())), "true and false")
    if pa.types.is_integer(found) or pa.types.is_floating(found):
        if not _is_whole(column) and (rounded := rounded_number(column)) is not None:
            return _why_rounded(rounded, column)
        return _number(name, column)
    if pa.types.is_decimal(found):
        if (rounded := rounded_number(column)) is not None:
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
        return Column(name, "integer", as_numpy(column, "integer"), found)
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
        return Column(name, "time", as_numpy(column, "time"), TIME_TYPE)
    moments = pd.Series(column.cast(pa.timestamp("us", tz=getattr(found, "tz", None))).to_pandas())
    if moments.dt.tz is None:
        local = moments
        moments = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        lost = moments.isna() & local.notna()
        if lost.any():
            return no_such_time(zone, local[lost].iloc[0])
    values = moments.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return _converted(Column(name, "time", values, TIME_TYPE), str(found))


def _converted(column: Column, before: str) -> Column:
    return replace(column, converted=f"{before} → {column.dtype}")
