"""A row as the service takes it: specified by the schema, checked in microseconds.

The schema belongs to pandera, which needs pandas and milliseconds. `specify` turns it into
plain JSON when a model is trained; the service reads that from the manifest and checks
requests with `RowValidator`, which agrees with the schema and needs neither.
"""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np
from pydantic_core import (
    PydanticCustomError,
    SchemaValidator,
    ValidationError,
    core_schema,
    from_json,
    to_json,
)

from slipway import contract
from slipway.errors import SlipwayError

if TYPE_CHECKING:
    from pandera.pandas import Check, Column, DataFrameSchema

SCHEMA = "src/model/schema.py"

Spec = list[dict[str, Any]]
"""One entry an input column: name, type, dtype, nullable, unique, rules."""


Rule = Callable[[Mapping[str, Any]], Any]
Test = Callable[[Any], bool]
Compare = Callable[[Any, Any], Any]


class Fault(TypedDict):
    row: int
    field: str
    rule: str
    message: str


class Rows(NamedTuple):
    """The rows of a request that is in order.

    Attributes
    ----------
    columns
        Name to array, each of shape (rows,), in the types that reading the data gives.
    keys
        The key of each row.
    many
        The request was a list, so the answer is one.
    """

    columns: dict[str, np.ndarray]
    keys: list[Any]
    many: bool


# --- from the schema to a specification -------------------------------------------------

ORDER = {
    "equal_to": operator.eq,
    "not_equal_to": operator.ne,
    "greater_than": operator.gt,
    "greater_than_or_equal_to": operator.ge,
    "less_than": operator.lt,
    "less_than_or_equal_to": operator.le,
}
SETS = ("isin", "notin")
TEXT = ("str_matches", "str_contains", "str_startswith", "str_endswith", "str_length")

KINDS = {
    "string": ("equal_to", "not_equal_to", *SETS, *TEXT),
    "integer": (*ORDER, "in_range", *SETS),
    "number": (*ORDER, "in_range", *SETS),
    "timestamp": (*ORDER, "in_range", *SETS),
}

TYPES = "str, int8 to int64, uint8 to uint64, float32, float64 or datetime64[us, UTC]"


def specify(schema: DataFrameSchema, rules: Mapping[str, Rule] = contract.RULES) -> Spec:
    """Return what the service must know of a row: the columns known before, as plain JSON.

    `rules` are the cross-column checks that it will make, by name; the schema must make the
    same.

    Raises
    ------
    SlipwayError
        Something in the schema cannot be checked on a single row; it names the column and
        the check.
    """
    require_plain(schema)
    before = {name: c for name, c in schema.columns.items() if contract.known_before(c)}
    spec = [_specify_column(name, column) for name, column in before.items()]
    unique = [column["name"] for column in spec if column["unique"]]
    if len(unique) != 1:
        raise SlipwayError(
            f"{SCHEMA}: {len(unique)} columns known before are unique; one is, the key",
            "give `unique=True` to the key and to no other column",
        )
    _require_rules(schema, rules, before)
    RowValidator(spec, rules)
    return spec


def require_plain(schema: DataFrameSchema) -> None:
    """Refuse what would change rows, or let columns come and go, instead of checking them.

    Raises
    ------
    SlipwayError
        It names the column and the option.
    """
    options = {
        "strict=True is missing": schema.strict is not True,
        "coerce": schema.coerce,
        "unique": bool(schema.unique),
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
            f"{SCHEMA}: {what}: {', '.join(used)}",
            "every column is there, under its own name, in its own type, or the data is refused: "
            "declare it so",
        )


def column_type(name: str, column: Column) -> tuple[str, str]:
    """Return a column's type and numpy dtype, such as ``("integer", "int8")``.

    Raises
    ------
    SlipwayError
        Its dtype is none that a service can take as JSON.
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
    raise SlipwayError(f"{SCHEMA}: column `{name}`: type {dtype}{why}", f"use one of {TYPES}")


def _specify_column(name: str, column: Column) -> dict[str, Any]:
    kind, dtype = column_type(name, column)
    return {
        "name": name,
        "type": kind,
        "dtype": dtype,
        "nullable": bool(column.nullable),
        "unique": bool(column.unique),
        "rules": [_specify_check(name, kind, check) for check in column.checks],
    }


# What pandera's own checks are made with; any other value asks for something else of a row.
PLAIN = {
    "element_wise": False,
    "groupby": None,
    "ignore_na": True,
    "native": False,
}


def _specify_check(column: str, kind: str, check: Check) -> dict[str, Any]:
    is_plain = all(getattr(check, option, None) == value for option, value in PLAIN.items())
    known = check.registry_name if is_plain else None
    if known not in KINDS[kind]:
        raise SlipwayError(
            f"{SCHEMA}: column `{column}`: the check `{check.name}` cannot be made without "
            "pandas, so the service could not make it",
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
            continue  # It reads what is known only after, so the service cannot ask for it.
        raise SlipwayError(
            f"{SCHEMA}: the check `{name}` of the schema is not in RULES, so the service would "
            "not make it",
            "move it to RULES in src/model/rules.py",
        )


def _makes(check: Check, rule: Rule) -> bool:
    # pandera shows the function in no other way, and compares two of them by bytecode alone.
    return check._check_fn is rule and not check.element_wise and check.groupby is None  # noqa: SLF001


# --- from a specification to a validator ------------------------------------------------

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DATE_FIRST = r"^\d{4}-\d\d-\d\d[Tt ]"


class RowValidator:
    """Checks the JSON of a request as the schema would check the same rows in a file.

    Parameters
    ----------
    spec
        What `specify` returned: `inputs` of the manifest.
    rules
        The cross-column rules, by name.

    Raises
    ------
    SlipwayError
        A rule reads a column that a request does not have, or does not judge row by row.
    """

    def __init__(self, spec: Spec, rules: Mapping[str, Rule]) -> None:
        self._spec = {column["name"]: column for column in spec}
        self._key = next(column["name"] for column in spec if column["unique"])
        empty = {column["name"]: np.empty(0, column["dtype"]) for column in spec}
        self._rules = {
            name: (rule, columns_read(name, rule, empty)) for name, rule in rules.items()
        }
        fields = {name: _field(column) for name, column in self._spec.items()}
        row = core_schema.typed_dict_schema(
            {name: core_schema.typed_dict_field(field) for name, field in fields.items()},
            extra_behavior="forbid",
        )
        self._one = SchemaValidator(row)
        self._many = SchemaValidator(core_schema.list_schema(row))
        self._field = {name: SchemaValidator(_type(column)) for name, column in self._spec.items()}
        self._dtypes = [(name, np.dtype(column["dtype"])) for name, column in self._spec.items()]

    def parse(self, body: bytes) -> Rows | list[Fault]:
        """Return the rows of a request, or everything that is wrong with them.

        Parameters
        ----------
        body
            JSON: one object, or a list of objects.
        """
        many = body.lstrip(b" \t\r\n")[:1] == b"["
        try:
            rows = self._many.validate_json(body) if many else [self._one.validate_json(body)]
        except ValidationError as error:
            return self._explain(error, body, many)
        if not rows:
            return [_fault(0, "", "rows", "expected one row or a list of rows, got an empty list")]
        columns = self._columns(rows)
        keys = [row[self._key] for row in rows]
        faults = self._repeated(dict(enumerate(keys))) if len(set(keys)) < len(keys) else []
        for name, (rule, _) in self._rules.items():
            in_order = ask(name, rule, columns, len(rows))
            if np.count_nonzero(in_order) < len(rows):
                faults += self._broken(name, columns, in_order, range(len(rows)))
        return self._sorted(faults) if faults else Rows(columns, keys, many)

    def _columns(self, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        return {name: np.array([row[name] for row in rows], dtype) for name, dtype in self._dtypes}

    # --- what is wrong: the slow path, taken only when something is ---

    def _explain(self, error: ValidationError, body: bytes, many: bool) -> list[Fault]:
        faults: list[Fault] = []
        unusable: set[tuple[int, str]] = set()
        for item in error.errors(include_url=False):
            if item["type"] == "json_invalid":
                return [_fault(0, "", "json", f"not JSON: {item['ctx']['error']}")]
            row, field = _place(item["loc"], many)
            if item["type"] == "rules":
                faults += [
                    _fault(
                        row,
                        field,
                        rule["rule"],
                        _but(describe(rule["check"], rule["arguments"]), item["input"]),
                    )
                    for rule in item["ctx"]["failed"]
                ]
            else:
                unusable.add((row, field))
                faults.append(self._type_fault(row, field, item))
        content = from_json(body)
        rows = dict(enumerate(content if many else [content]))
        usable = {row: values for row, values in rows.items() if (row, "") not in unusable}
        return self._sorted(faults + self._cross_faults(usable, unusable))

    def _type_fault(self, row: int, field: str, item: Any) -> Fault:
        if item["type"] == "missing":
            return _fault(row, field, "missing", "this field is missing")
        if item["type"] == "extra_forbidden":
            return _fault(row, field[:80], "unknown_field", "there is no such field")
        if not field:
            return _fault(row, "", "type", _but("an object", item["input"]))
        column = self._spec[field]
        if item["input"] is None:
            return _fault(row, field, "not_nullable", "expected a value, got null")
        if item["type"] in ("greater_than_equal", "less_than_equal"):
            message = _but(f"a number that fits {column['dtype']}", item["input"])
            return _fault(row, field, column["dtype"], message)
        return _fault(row, field, "type", _but(NOUNS[column["type"]], item["input"]))

    def _cross_faults(
        self, rows: dict[int, dict[str, Any]], unusable: set[tuple[int, str]]
    ) -> list[Fault]:
        """Check uniqueness and the rules on those rows whose fields can be read."""
        keys = {row: v[self._key] for row, v in rows.items() if (row, self._key) not in unusable}
        faults = self._repeated(keys)
        for name, (rule, fields) in self._rules.items():
            places = [row for row in rows if not any((row, field) in unusable for field in fields)]
            columns = {field: self._read(field, rows, places) for field in fields}
            in_order = ask(name, rule, columns, len(places))
            faults += self._broken(name, columns, in_order, places)
        return faults

    def _read(self, field: str, rows: dict[int, Any], places: list[int]) -> np.ndarray:
        read = self._field[field].validate_json
        values = [read(to_json(rows[row][field])) for row in places]
        return np.array(values, dtype=self._spec[field]["dtype"])

    def _repeated(self, keys: Mapping[int, Any]) -> list[Fault]:
        first: dict[Any, int] = {}
        faults = []
        for row, key in keys.items():
            if key in first:
                message = f"{shown(key)} is also the {self._key} of row {first[key]}"
                faults.append(_fault(row, self._key, "unique", message))
            first.setdefault(key, row)
        return faults

    def _broken(
        self, name: str, columns: contract.Columns, in_order: np.ndarray, places: Sequence[int]
    ) -> list[Fault]:
        rule, fields = self._rules[name]
        meaning = " ".join((rule.__doc__ or name).split())
        faults = []
        for at in np.flatnonzero(~in_order).tolist():
            got = ", ".join(f"{field} {shown(columns[field][at])}" for field in fields)
            faults.append(_fault(places[at], ", ".join(fields), name, f"{meaning} Got {got}"))
        return faults

    def _sorted(self, faults: list[Fault]) -> list[Fault]:
        order = {name: at for at, name in enumerate(self._spec)}
        return sorted(
            faults, key=lambda fault: (fault["row"], order.get(fault["field"], len(order)))
        )


def columns_read(name: str, rule: Rule, columns: Mapping[str, Any]) -> list[str]:
    """Return the names of the columns that a rule reads, found by running it on no rows.

    Raises
    ------
    SlipwayError
        It reads a column that is not there, or does not judge row by row.
    """
    recorder = _Recorder(columns)
    ask(name, rule, recorder, 0)
    return list(dict.fromkeys(recorder.read))


def ask(name: str, rule: Rule, columns: Mapping[str, Any], rows: int) -> np.ndarray:
    """Return what a rule says of each row, shape (rows,), bool.

    Raises
    ------
    SlipwayError
        The rule cannot say it; what went wrong is in the message.
    """
    where = f"src/model/rules.py: the rule `{name}`"
    try:
        answer = np.asarray(rule(columns), dtype=bool)
    except KeyError as missing:
        raise SlipwayError(
            f"{where} reads {missing}, which is not known when the prediction is asked for",
            f"check it in {SCHEMA} instead (`checks=` of the schema), for files only",
        ) from None
    except Exception as error:  # noqa: BLE001 - the rule is the user's code
        raise SlipwayError(
            f"{where} stopped: {error!r}",
            "use what arrays and DataFrames share: comparisons, arithmetic, numpy functions",
        ) from None
    if answer.shape != (rows,):
        raise SlipwayError(
            f"{where} gives {answer.shape} answers for {rows} rows", "return one for each row"
        )
    return answer


class _Recorder(dict[str, Any]):
    def __init__(self, columns: Mapping[str, Any]) -> None:
        super().__init__(columns)
        self.read: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.read.append(name)
        return super().__getitem__(name)


def _field(column: dict[str, Any]) -> core_schema.CoreSchema:
    """Return a field's type and rules; None goes round them where it is allowed."""
    schema = _type(column | {"nullable": False})
    if column["rules"]:
        schema = core_schema.no_info_after_validator_function(_guard(column), schema)
    return core_schema.nullable_schema(schema) if column["nullable"] else schema


def _type(column: dict[str, Any]) -> core_schema.CoreSchema:
    """Return a field's type alone. What does not fit its numpy type is not of the type."""
    dtype = column["dtype"]
    schema: core_schema.CoreSchema
    if column["type"] == "string":
        schema = core_schema.str_schema(strict=True)
    elif column["type"] == "integer":
        integer = np.iinfo(dtype)
        schema = core_schema.int_schema(strict=True, ge=int(integer.min), le=int(integer.max))
    elif column["type"] == "number":
        largest = float(np.finfo(dtype).max)
        schema = core_schema.float_schema(strict=True, allow_inf_nan=False, ge=-largest, le=largest)
    else:
        # Without the pattern "20130301" would be read as seconds since 1970.
        text = core_schema.str_schema(strict=True, pattern=DATE_FIRST)
        time = core_schema.datetime_schema(tz_constraint="aware")
        schema = core_schema.no_info_after_validator_function(
            microseconds, core_schema.chain_schema([text, time])
        )
    return core_schema.nullable_schema(schema) if column["nullable"] else schema


def microseconds(time: datetime) -> int:
    return (time - EPOCH) // MICROSECOND


def _guard(column: dict[str, Any]) -> Callable[[Any], Any]:
    rules: list[dict[str, Any]] = column["rules"]
    tests = [make_test(rule, column) for rule in rules]
    passes: Test = tests[0] if len(tests) == 1 else lambda value: all(t(value) for t in tests)

    def check(value: Any) -> Any:
        if passes(value):
            return value
        failed = [rule for rule, test in zip(rules, tests, strict=True) if not test(value)]
        raise PydanticCustomError("rules", "a rule is broken", {"failed": failed})

    return check


def make_test(rule: dict[str, Any], column: dict[str, Any]) -> Test:
    """Return a function that says whether one value keeps a rule, as pandas would."""
    check, arguments = rule["check"], rule["arguments"]
    if check in TEXT:
        return _text_test(check, **arguments)
    if check in SETS:
        (values,) = arguments.values()
        return _set_test(column, check == "isin", [_bound(column, value) for value in values])
    if check == "in_range":
        return _range_test(column, **arguments)
    (value,) = arguments.values()
    return _order_test(column, ORDER[check], _bound(column, value))


def _bound(column: dict[str, Any], value: Any) -> Any:
    if column["type"] == "timestamp":
        return microseconds(datetime.fromisoformat(value))
    return value


def _set_test(column: dict[str, Any], inside: bool, values: list[Any]) -> Test:
    listed = frozenset(values)
    if column["dtype"] == "float32":
        return lambda value: (float(np.float32(value)) in listed) is inside
    return lambda value: (value in listed) is inside


def _order_test(column: dict[str, Any], compare: Compare, limit: Any) -> Test:
    if column["dtype"] == "float32":
        limit = np.float32(limit)
        return lambda value: bool(compare(np.float32(value), limit))
    return lambda value: compare(value, limit)


def _range_test(
    column: dict[str, Any], min_value: Any, max_value: Any, include_min: bool, include_max: bool
) -> Test:
    low, high = _bound(column, min_value), _bound(column, max_value)
    above = _order_test(column, operator.ge if include_min else operator.gt, low)
    below = _order_test(column, operator.le if include_max else operator.lt, high)
    if include_min and include_max:
        # Rounding to float32 keeps order, so what is inside before it is inside after it.
        return lambda value: low <= value <= high or (above(value) and below(value))
    return lambda value: above(value) and below(value)


def _text_test(check: str, **arguments: Any) -> Test:
    if check == "str_length":
        return _length_test(**arguments)
    (text,) = arguments.values()
    if check in ("str_startswith", "str_endswith"):
        method = check.removeprefix("str_")
        return lambda value: bool(getattr(value, method)(text))
    pattern = re.compile(text)
    find = pattern.match if check == "str_matches" else pattern.search
    return lambda value: find(value) is not None


def _length_test(
    min_value: int | None = None, max_value: int | None = None, exact_value: int | None = None
) -> Test:
    if exact_value is not None:
        return lambda value: len(value) == exact_value
    low = 0 if min_value is None else min_value
    high = sys.maxsize if max_value is None else max_value
    return lambda value: low <= len(value) <= high


# --- words ------------------------------------------------------------------------------

WORDS = {
    "equal_to": "{}",
    "not_equal_to": "anything but {}",
    "greater_than": "more than {}",
    "greater_than_or_equal_to": "{} or more",
    "less_than": "less than {}",
    "less_than_or_equal_to": "{} or less",
    "str_matches": "text that matches {}",
    "str_contains": "text that contains a match of {}",
    "str_startswith": "text that starts with {}",
    "str_endswith": "text that ends with {}",
}


def describe(check: str, arguments: Mapping[str, Any]) -> str:
    """Return what one of pandera's own checks expects, as in "expected 0 to 6"."""
    if check in WORDS:
        (value,) = arguments.values()
        return WORDS[check].format(value)
    if check in SETS:
        (values,) = arguments.values()
        listed = [str(value) for value in values]
        more = f" … ({len(listed)} values)" if len(listed) > 20 else ""
        kind = "one of" if check == "isin" else "none of"
        return f"{kind} {', '.join(listed[:20])}{more}"
    if check == "in_range":
        low = "" if arguments["include_min"] else "more than "
        high = "to" if arguments["include_max"] else "and less than"
        return f"{low}{arguments['min_value']} {high} {arguments['max_value']}"
    given = {k.removesuffix("_value"): v for k, v in arguments.items() if v is not None}
    return f"a length of {', '.join(f'{k} {v}' for k, v in given.items())}"


def shown(value: Any, limit: int = 40) -> str:
    """Return a value as a message may hold it: on one line, of bounded length."""
    if isinstance(value, str):
        return repr(value if len(value) <= limit else value[:limit] + "…")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = str(value)
    return text if len(text) <= limit else text[:limit] + "…"


NOUNS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a finite number",
    "timestamp": "a time with its zone, such as 2013-10-01T09:30:00Z",
}


def _fault(row: int, field: str, rule: str, message: str) -> Fault:
    return {"row": row, "field": field, "rule": rule, "message": message}


def _place(loc: tuple[int | str, ...], many: bool) -> tuple[int, str]:
    row, *rest = loc if many else (0, *loc)
    return int(row), str(rest[0]) if rest else ""


def _but(expected: str, value: Any) -> str:
    return f"expected {expected}, got {shown(value)}"
