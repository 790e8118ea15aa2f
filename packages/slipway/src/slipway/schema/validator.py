"""Validation of requests against an exported schema, without pandas."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple, TypedDict

import numpy as np
import orjson
from pydantic_core import (
    PydanticCustomError,
    SchemaValidator,
    ValidationError,
    core_schema,
    from_json,
)

from slipway import project
from slipway.project import Row, Rule, apply_rule, columns_read
from slipway.schema.checks import TIME_RANGE, CheckSpec, ColumnSpec, RowSchema, Test, make_test
from slipway.schema.duplicate_keys import count_strings, repeated_keys
from slipway.schema.expected import HIDDEN, NOUNS, describe, expected_got, shown_of
from slipway.times import RANGE, NotATime, OutOfRange, microseconds, parse_time
from slipway.untrusted import shown

Message = Callable[[], str]

MOST_OF_A_NAME = 80  # that a fault shows


class Fault(TypedDict):
    row: int
    field: str
    rule: str
    message: str


class Faults(list[Fault]):
    """The first faults of a request, and the number of all."""

    def __init__(self, faults: Iterable[Fault] = (), total: int = 0) -> None:
        super().__init__(faults)
        self.total = max(total, len(self))


class TooManyRows(Exception):
    """A request has more rows than allowed; none of them was checked."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows} rows")
        self.rows = rows


class Rows(NamedTuple):
    """The rows of a valid request.

    Attributes
    ----------
    columns
        Name to array, each of shape (rows,), in the types of the data files.
    keys
        The key of each row, as `slipway.project.row_keys` has it; None if rows have none.
    sent
        The rows as they were sent.
    many
        The request was a list, so the answer is one.
    """

    columns: dict[str, np.ndarray]
    keys: list[Any]
    sent: list[Row]
    many: bool


class RowValidator:
    """Checks the JSON of a request as the schema would check the same rows in a file.

    Parameters
    ----------
    spec
        Result of `export_schema`: `inputs` of the manifest.
    rules
        The cross-column rules, by name.
    max_rows, max_faults
        Rows that one request may have, and faults that are listed; the rest is only counted.

    Raises
    ------
    SlipwayError
        A rule reads a column that a request does not have, or does not return one value a row.
    """

    def __init__(
        self,
        spec: RowSchema,
        rules: Mapping[str, Rule],
        max_rows: int = sys.maxsize,
        max_faults: int = sys.maxsize,
    ) -> None:
        self._spec = {column["name"]: column for column in spec}
        self._key = [column["name"] for column in spec if column["unique"]]
        self._max_rows, self._max_faults = max_rows, max_faults
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
        self._many = SchemaValidator(core_schema.list_schema(row, fail_fast=True))
        self._checks = {name: SchemaValidator(field) for name, field in fields.items()}
        self._field = {name: SchemaValidator(_type(column)) for name, column in self._spec.items()}
        self._dtypes = [(name, np.dtype(column["dtype"])) for name, column in self._spec.items()]
        texts = [column for column in spec if column["type"] in ("string", "timestamp")]
        self._strings = len(spec) + sum(not column["nullable"] for column in texts)
        self._nullable = [column["name"] for column in texts if column["nullable"]]

    def parse(self, body: bytes) -> Rows | Faults:
        """Return the rows of a request, or its faults.

        Parameters
        ----------
        body
            JSON: one object, or a list of objects.

        Raises
        ------
        TooManyRows
            There are more than `max_rows`; nothing else is checked then.
        """
        rows = self.accept(body)
        return self.explain(body) if rows is None else rows

    def accept(self, body: bytes) -> Rows | None:
        """Return the rows of a request, or None if it is not valid.

        Raises
        ------
        TooManyRows
            As `parse`.
        """
        try:
            content = orjson.loads(body)
        except ValueError:
            return None
        many = isinstance(content, list)
        sent = content if many else [content]
        self._count(sent)
        rows = self._validated(sent)
        if not rows or self._has_repeated_keys(body, sent):
            return None
        columns = self._columns(rows)
        keys = self._keys_of(rows)
        if (self._key and len(set(keys)) < len(keys)) or self._breaks_a_rule(columns, len(rows)):
            return None
        return Rows(columns, keys, sent, many)

    def explain(self, body: bytes) -> Faults:
        """Return the faults of a request that was not accepted.

        Raises
        ------
        TooManyRows
            As `parse`.
        """
        try:
            content = from_json(body)  # which keeps integers of any length
        except ValueError as error:
            try:
                content = orjson.loads(body)
            except ValueError:
                return _not_json(_encoding(body) or str(error))
        many = isinstance(content, list)
        rows = content if many else [content]
        self._count(rows)
        if not rows:
            message = "expected one row or a list of rows, got an empty list"
            return Faults([_fault(0, "", "rows", message)])
        faults = self._explain_rows(rows, body, many=many)
        return faults if faults.total else _not_json("a number in it has no finite value")

    def _count(self, rows: list[Any]) -> None:
        if len(rows) > self._max_rows:
            raise TooManyRows(len(rows))

    def _validated(self, sent: list[Any]) -> list[Row] | None:
        """Return the rows with values in the types of their columns; None if one is not valid."""
        width = len(self._spec)
        # pydantic would make an error of each of a million unknown fields.
        if not all(type(row) is dict and len(row) == width for row in sent):
            return None
        try:
            if len(sent) == 1:
                return [self._one.validate_python(sent[0])]
            rows: list[Row] = self._many.validate_python(sent)
        except ValidationError:
            return None
        return rows

    def _has_repeated_keys(self, body: bytes, rows: list[Row]) -> bool:
        """Return whether the body has more strings than its parsed rows, all of them valid.

        Each key is a string, and a value of a valid row is never an object, so a repeated key is
        an additional string.
        """
        strings = len(rows) * self._strings
        for name in self._nullable:
            strings += sum(row[name] is not None for row in rows)
        return count_strings(body) != strings

    def _columns(self, rows: list[Row]) -> dict[str, np.ndarray]:
        return {name: np.array([row[name] for row in rows], dtype) for name, dtype in self._dtypes}

    def _keys_of(self, rows: list[Row]) -> list[Any]:
        if len(self._key) == 1:
            (name,) = self._key
            return [row[name] for row in rows]
        if not self._key:
            return [None] * len(rows)
        return [project.joined_key(row[name] for name in self._key) for row in rows]

    def _breaks_a_rule(self, columns: project.Columns, rows: int) -> bool:
        return any(
            np.count_nonzero(apply_rule(name, rule, columns, rows)) < rows
            for name, (rule, _) in self._rules.items()
        )

    # --- faults: the slow path, only for a request that is not valid ---

    def _explain_rows(self, rows: list[Any], body: bytes, *, many: bool) -> Faults:
        found, readable, unusable = _Found(self._max_faults), {}, set[tuple[int, str]]()
        for number, row in enumerate(rows):
            if isinstance(row, dict):
                readable[number] = row
                self._explain_row(number, row, found, unusable)
            else:
                found.add(number, "", "type", partial(expected_got, "an object", row))
        repeated = _Found(self._max_faults)
        for number, keys in repeated_keys(body, many=many).items():
            for key in keys:
                repeated.add(number, key, "repeated_key", lambda: "this key occurs more than once")
        cross = self._cross_faults(readable, unusable)
        return self._together([found.faults(), repeated.faults(), *cross])

    def _explain_row(
        self, number: int, row: Row, found: _Found, unusable: set[tuple[int, str]]
    ) -> None:
        known = 0
        for field, check in self._checks.items():
            if field not in row:
                unusable.add((number, field))
                found.add(number, field, "missing", lambda: "this field is missing")
                continue
            known += 1
            try:
                check.validate_python(row[field])
            except ValidationError as error:
                (item,) = error.errors(include_url=False)
                if item["type"] == "rules":
                    for rule in item["ctx"]["failed"]:
                        message = partial(_rule_message, rule, item["input"], self._spec[field])
                        found.add(number, field, rule["rule"], message)
                else:
                    unusable.add((number, field))
                    found.add(number, field, *self._type_fault(field, item))
        unknown = (name for name in row if name not in self._spec)
        for name in islice(unknown, self._max_faults):
            found.add(number, name, "unknown_field", lambda: "there is no such field")
        found.more(len(row) - known - self._max_faults)

    def _type_fault(self, field: str, item: Any) -> tuple[str, Message]:
        column = self._spec[field]
        value = item["input"]
        if value is None:
            return "not_nullable", lambda: "expected a value, got null"
        if item["type"] in ("greater_than_equal", "less_than_equal"):
            return column["dtype"], lambda: expected_got(
                f"a number that fits {column['dtype']}", value, column
            )
        if item["type"] == TIME_RANGE:
            return TIME_RANGE, lambda: expected_got(f"a time {RANGE}", value, column)
        return "type", lambda: expected_got(NOUNS[column["type"]], value, column)

    def _cross_faults(
        self, rows: dict[int, Row], unusable: set[tuple[int, str]]
    ) -> Iterator[Faults]:
        """Check uniqueness and the rules on those rows whose fields can be read."""
        if self._key:
            keyed = [row for row in rows if not any((row, name) in unusable for name in self._key)]
            parts = [self._read(name, rows, keyed) for name in self._key]
            keys = [part[0] if len(part) == 1 else part for part in zip(*parts, strict=True)]
            yield self._repeated(dict(zip(keyed, keys, strict=True)))
        for name, (rule, fields) in self._rules.items():
            places = [row for row in rows if not any((row, field) in unusable for field in fields)]
            columns = {
                field: np.array(self._read(field, rows, places), self._spec[field]["dtype"])
                for field in fields
            }
            passes = apply_rule(name, rule, columns, len(places))
            yield self._broken(name, columns, passes, places)

    def _read(self, field: str, rows: dict[int, Any], places: list[int]) -> list[Any]:
        read = self._field[field].validate_python
        return [read(rows[row][field]) for row in places]

    def _repeated(self, keys: Mapping[int, Any]) -> Faults:
        first: dict[Any, int] = {}
        found = _Found(self._max_faults)
        for row, key in keys.items():
            before = first.setdefault(key, row)
            if before != row:
                found.add(row, self._key[0], "unique", partial(self._again, key, before))
        return found.faults()

    def _broken(
        self, name: str, columns: project.Columns, passes: np.ndarray, places: Sequence[int]
    ) -> Faults:
        rule, fields = self._rules[name]
        meaning = " ".join((rule.__doc__ or name).split())
        found = _Found(self._max_faults)
        for at in np.flatnonzero(~passes).tolist():
            specs = [self._spec[field] for field in fields]
            message = partial(broken_message, meaning, specs, columns, at)
            found.add(places[at], ", ".join(fields), name, message)
        return found.faults()

    def _again(self, key: Any, row: int) -> str:
        is_personal = any("personal" in self._spec[name] for name in self._key)
        again = HIDDEN if is_personal else shown(key)
        return f"{again} is also the {' and '.join(self._key)} of row {row}"

    def _together(self, found: Iterable[Faults]) -> Faults:
        every = list(found)
        order = {name: at for at, name in enumerate(self._spec)}
        first = sorted(
            chain(*every), key=lambda fault: (fault["row"], order.get(fault["field"], len(order)))
        )
        return Faults(first[: self._max_faults], sum(faults.total for faults in every))


class _Found:
    """Counts faults, and makes the texts of the first ones only."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._listed: list[Fault] = []
        self._total = 0

    def add(self, row: int, field: str, rule: str, message: Message) -> None:
        if len(self._listed) < self._most:
            self._listed.append(_fault(row, field, rule, message()))
        self._total += 1

    def more(self, count: int) -> None:
        """Count more faults than were added, if there are any."""
        self._total += max(0, count)

    def faults(self) -> Faults:
        return Faults(self._listed, self._total)


def _field(column: ColumnSpec) -> core_schema.CoreSchema:
    """Return a field's type and rules, which do not apply to an allowed None."""
    schema = _type({**column, "nullable": False})
    if column["rules"]:
        schema = core_schema.no_info_after_validator_function(_checker(column), schema)
    return core_schema.nullable_schema(schema) if column["nullable"] else schema


def _type(column: ColumnSpec) -> core_schema.CoreSchema:
    """Return a field's type alone; a value that does not fit its numpy type is not valid."""
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


def _checker(column: ColumnSpec) -> Callable[[Any], Any]:
    rules = column["rules"]
    tests = [make_test(rule, column) for rule in rules]
    passes: Test = tests[0] if len(tests) == 1 else lambda value: all(t(value) for t in tests)

    def check(value: Any) -> Any:
        if passes(value):
            return value
        failed = [rule for rule, test in zip(rules, tests, strict=True) if not test(value)]
        raise PydanticCustomError("rules", "a rule is broken", {"failed": failed})

    return check


def _rule_message(rule: CheckSpec, value: Any, column: ColumnSpec) -> str:
    return expected_got(describe(rule["check"], rule["arguments"]), value, column)


def broken_message(
    meaning: str, specs: Sequence[ColumnSpec], columns: project.Columns, at: int
) -> str:
    """Return the message about a row that breaks a cross-column rule of some columns."""
    got = ", ".join(f"{spec['name']} {shown_of(spec, columns[spec['name']][at])}" for spec in specs)
    return f"{meaning} Got {got}"


def _fault(row: int, field: str, rule: str, message: str) -> Fault:
    return {"row": row, "field": field[:MOST_OF_A_NAME], "rule": rule, "message": message}


def _not_json(reason: str) -> Faults:
    return Faults([_fault(0, "", "json", f"not JSON: {reason}")])


def _encoding(body: bytes) -> str:
    """Return where a body stops being UTF-8, or nothing if it is."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"byte {body[error.start]:#04x} at position {error.start} is not UTF-8"
    return ""
