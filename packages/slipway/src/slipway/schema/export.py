"""Export of the schema: the checks of a row as plain JSON, for the service."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.errors import SlipwayError
from slipway.project import SCHEMA, Rule, columns_read
from slipway.schema.checks import ORDER, SETS, TEXT, CheckSpec, ColumnSpec, RowSchema, make_test

if TYPE_CHECKING:
    from pandera.pandas import Check, Column, DataFrameSchema

KINDS = {
    "string": ("equal_to", "not_equal_to", *SETS, *TEXT),
    "integer": (*ORDER, "in_range", *SETS),
    "number": (*ORDER, "in_range", *SETS),
    "timestamp": (*ORDER, "in_range", *SETS),
}

TYPES = "str, int8 to int64, uint8 to uint64, float32, float64 or datetime64[us, UTC]"

# Options with which pandera's own checks are supported.
PLAIN = {
    "element_wise": False,
    "groupby": None,
    "ignore_na": True,
    "native": False,
}


def export_schema(schema: DataFrameSchema, rules: Mapping[str, Rule] | None = None) -> RowSchema:
    """Return the columns known before the prediction, with their checks, as plain JSON.

    `rules` are the cross-column checks of the service, by name; the schema must have the same.
    Default: those of src/model/rules.py.

    Raises
    ------
    SlipwayError
        A check cannot be made on a single row; the message names the column and the check.
    """
    require_plain(schema)
    rules = project.RULES if rules is None else rules
    before = {name: c for name, c in schema.columns.items() if project.known_before(c)}
    key = _key_of(schema, before)
    spec = [_export_column(name, column, in_key=name in key) for name, column in before.items()]
    _require_key(spec)
    _require_rules(schema, rules, before)
    _require_testable(spec, rules)
    return spec


def _key_of(schema: DataFrameSchema, before: Mapping[str, Column]) -> list[str]:
    """Return the columns that are unique, or unique together; none if rows have no key."""
    alone = [name for name, column in before.items() if column.unique]
    together = [schema.unique] if isinstance(schema.unique, str) else list(schema.unique or ())
    if len(alone) + bool(together) > 1:
        raise SlipwayError(
            f"{SCHEMA}: {len(alone)} columns known before are unique"
            f"{' and several together' if together else ''}; expected one key",
            "set `unique=True` for the key and for no other column; of a key of several columns, "
            "set `unique=KEY` of the schema instead",
        )
    if missing := [name for name in together if name not in before]:
        raise SlipwayError(
            f"{SCHEMA}: `unique` of the schema names `{missing[0]}`, which is not a column known "
            "before",
            "name columns of the key that are declared as known before",
        )
    return alone or together


def _require_testable(spec: RowSchema, rules: Mapping[str, Rule]) -> None:
    """Make each test once: patterns must compile, and rules read only columns of a request."""
    for column in spec:
        for check in column["rules"]:
            make_test(check, column)
    empty = {column["name"]: np.empty(0, column["dtype"]) for column in spec}
    for name, rule in rules.items():
        columns_read(name, rule, empty)


def _require_key(spec: RowSchema) -> None:
    """Refuse a key that may be missing, or whose type does not identify a row exactly.

    Raises
    ------
    SlipwayError
        Names the column and its type.
    """
    for column in (column for column in spec if column["unique"]):
        what = "may be missing" if column["nullable"] else f"has type {column['dtype']}"
        fits = column["type"] in ("string", "integer") and column["dtype"].lower() != "uint64"
        if column["nullable"] or not fits:
            raise SlipwayError(
                f"{SCHEMA}: the key `{column['name']}` {what}; a key is text or a whole number up "
                "to int64, in every row",
                "declare it as str or int64, without `missing`",
            )


def require_plain(schema: DataFrameSchema) -> None:
    """Refuse options that change rows, or that make columns optional, instead of checking them.

    Raises
    ------
    SlipwayError
        Names the column and the option.
    """
    options = {
        "strict=True is missing": schema.strict is not True,
        "coerce": schema.coerce,
        "parsers": bool(schema.parsers),
        "index": schema.index is not None,
    }
    _refuse_options("the schema", options)
    for name, column in schema.columns.items():
        features = {
            "required=False": not column.required,
            "regex": column.regex,
            "coerce": column.coerce,
            "default": column.default is not None,
            "parsers": bool(column.parsers),
            "raise_warning": any(check.raise_warning for check in column.checks),
        }
        _refuse_options(f"column `{name}`", features)


def _refuse_options(what: str, options: dict[str, bool]) -> None:
    used = [option for option, is_used in options.items() if is_used]
    if used:
        raise SlipwayError(
            f"{SCHEMA}: {what}: unsupported schema option: {', '.join(used)}",
            "columns must be required, un-coerced and un-aliased",
        )


def column_type(name: str, column: Column) -> tuple[str, str]:
    """Return a column's type and numpy dtype, such as ``("integer", "int8")``.

    Raises
    ------
    SlipwayError
        A service cannot receive its dtype as JSON.
    """
    from pandera import dtypes

    dtype = str(column.dtype)
    if column.dtype is not None and dtypes.is_string(column.dtype):
        return "string", "object"
    if dtype == "datetime64[us, UTC]":
        return "timestamp", "datetime64[us]"
    if re.fullmatch(r"u?int(8|16|32|64)", dtype) and not column.nullable:
        return "integer", dtype
    if re.fullmatch(r"float(32|64)", dtype):
        return "number", dtype
    why = ", and an integer cannot be empty: use float32" if column.nullable else ""
    raise SlipwayError(
        f"{SCHEMA}: column `{name}`: type {dtype}{why}",
        f"use one of {TYPES}; for bool: int8, or float32 if it may be empty; for category: str",
    )


def _export_column(name: str, column: Column, *, in_key: bool) -> ColumnSpec:
    kind, dtype = column_type(name, column)
    spec: ColumnSpec = {
        "name": name,
        "type": kind,
        "dtype": dtype,
        "nullable": bool(column.nullable),
        "unique": in_key,
        "rules": [_export_check(name, kind, check) for check in column.checks],
    }
    # Only where it is set: the manifests of other models stay as they are.
    return {**spec, "personal": way} if (way := project.personal_of(name, column)) else spec


def _export_check(column: str, kind: str, check: Check) -> CheckSpec:
    is_plain = all(getattr(check, option, None) == value for option, value in PLAIN.items())
    known = check.registry_name if is_plain else None
    if known is None or known not in KINDS[kind]:
        raise SlipwayError(
            f"{SCHEMA}: column `{column}`: the check `{check.name}` needs pandas, which the "
            "service does not have",
            f"use one of pandera's own, without options ({', '.join(KINDS[kind])}), or write it "
            "as a rule in src/model/rules.py",
        )
    arguments = {
        key: _as_json(column, kind, value) for key, value in (check.statistics or {}).items()
    }
    return {"rule": str(check.name), "check": known, "arguments": arguments}


def _as_json(column: str, kind: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_as_json(column, kind, item) for item in value]
        return sorted(items) if isinstance(value, (set, frozenset)) else items
    if kind == "timestamp" and isinstance(value, datetime) and value.tzinfo:
        return value.isoformat()
    if kind != "timestamp" and isinstance(value, (str, int, float)) and _is_finite(value):
        return value
    raise SlipwayError(
        f"{SCHEMA}: column `{column}`: a check holds {value!r}, which JSON cannot hold",
        "write patterns as strings (flags as `(?i)`), numbers as finite numbers (`ge` instead of "
        "a range up to infinity), and times as pandas Timestamps with a zone",
    )


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _require_rules(
    schema: DataFrameSchema, rules: Mapping[str, Rule], before: Mapping[str, Column]
) -> None:
    """Refuse a cross-column check that only the pipeline or only the service would make."""
    import pandas as pd

    empty = pd.DataFrame({n: pd.Series(dtype=str(c.dtype)) for n, c in before.items()})
    checks = {str(check.name): check for check in schema.checks}
    for name, rule in rules.items():
        if name not in checks or not _makes(checks[name], rule):
            raise SlipwayError(
                f"{SCHEMA}: the rule `{name}` is not among the checks of the schema",
                "add `Check(rule, name=name)` for every rule of src/model/rules.py",
            )
    for name in checks.keys() - rules.keys():
        try:
            checks[name](empty)
        except KeyError:
            continue  # It reads a column known only afterwards, which the service does not have.
        raise SlipwayError(
            f"{SCHEMA}: the check `{name}` of the schema is not in RULES, so the service would "
            "not make it",
            "move it to RULES in src/model/rules.py",
        )


def _makes(check: Check, rule: Rule) -> bool:
    # pandera has no public access to the function, and compares functions by bytecode alone.
    return check._check_fn is rule and not check.element_wise and check.groupby is None  # noqa: SLF001
