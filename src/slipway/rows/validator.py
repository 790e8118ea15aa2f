"""From a specification to a validator of requests, without pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

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
from slipway.rows.checks import Test, make_test
from slipway.rows.words import NOUNS, but, describe, shown
from slipway.times import RANGE, NotATime, OutOfRange, microseconds, parse_time

SCHEMA = "src/model/schema.py"

Spec = list[dict[str, Any]]
"""One entry an input column: name, type, dtype, nullable, unique, rules."""

Rule = Callable[[Mapping[str, Any]], Any]

TIME_RANGE = "time_range"


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
                        but(describe(rule["check"], rule["arguments"]), item["input"]),
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
            return _fault(row, "", "type", but("an object", item["input"]))
        column = self._spec[field]
        if item["input"] is None:
            return _fault(row, field, "not_nullable", "expected a value, got null")
        if item["type"] in ("greater_than_equal", "less_than_equal"):
            message = but(f"a number that fits {column['dtype']}", item["input"])
            return _fault(row, field, column["dtype"], message)
        if item["type"] == TIME_RANGE:
            return _fault(row, field, TIME_RANGE, but(f"a time {RANGE}", item["input"]))
        return _fault(row, field, "type", but(NOUNS[column["type"]], item["input"]))

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
        text = core_schema.str_schema(strict=True)
        schema = core_schema.no_info_after_validator_function(_time, text)
    return core_schema.nullable_schema(schema) if column["nullable"] else schema


def _time(text: str) -> int:
    try:
        return microseconds(parse_time(text))
    except OutOfRange:
        raise PydanticCustomError(TIME_RANGE, "out of range") from None
    except NotATime:
        raise PydanticCustomError("type", "not a time") from None


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


def _fault(row: int, field: str, rule: str, message: str) -> Fault:
    return {"row": row, "field": field, "rule": rule, "message": message}


def _place(loc: tuple[int | str, ...], many: bool) -> tuple[int, str]:
    row, *rest = loc if many else (0, *loc)
    return int(row), str(rest[0]) if rest else ""
