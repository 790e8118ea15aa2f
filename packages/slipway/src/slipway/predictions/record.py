"""A prediction record: one line of the prediction log, in JSON.

The service writes such lines, and every reader accepts exactly these. A new field is one entry of
`FIELDS`, and its value in `slipway.serving.predict`. Records of several tasks may be in one log:
those of an earlier model stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, TypeGuard

import orjson

from slipway.times import time_or_none

if TYPE_CHECKING:
    from slipway.project import Row

VERSION = 1

Reason = dict[str, str | None]
"""Why a person should look at an answer: `rule`, `field` and `message`."""


class TaskAnswer(TypedDict, total=False):
    """The fields of an answer that depend on the task: `ANSWER`."""

    probability: float
    probabilities: dict[str, float]
    value: float
    quantile: float
    decision: str | int | bool


class ReviewedAnswer(TaskAnswer):
    """The answer to a row, without its id."""

    review: bool
    reasons: list[Reason]


class Record(TaskAnswer):
    """A parsed record: its fields are `FIELDS`."""

    version: int
    id: str
    time: str
    key: str | int
    input: Row
    review: NotRequired[bool]
    reasons: NotRequired[list[dict[str, object]]]
    model: str
    data: NotRequired[str]
    commit: NotRequired[str]
    proof: NotRequired[bool]


@dataclass(frozen=True)
class Kind:
    """The values that a field may have, for Python and for DuckDB.

    Parameters
    ----------
    accepts
        Whether a value of parsed JSON is of this kind.
    sql_accepts, sql_value
        The same condition, and the typed value, as SQL of a column ``{0}`` of type JSON. DuckDB
        converts numbers to text and text to numbers, so the condition looks at the first letter.
    arrow
        Alias of the value's type in PyArrow.
    """

    accepts: Callable[[Any], bool]
    sql_accepts: str
    sql_value: str
    arrow: str = "string"


@dataclass(frozen=True)
class Field:
    """A field of a record.

    Parameters
    ----------
    required
        Whether a line that lacks it, or has a value of another kind, is not a record. Those of an
        answer are required together: `ANSWERS`.
    column
        Whether it is a column of `slipway.predictions.reader.read_log`.
    """

    name: str
    kind: Kind
    required: bool = True
    column: bool = True


def _is_this_version(value: Any) -> bool:
    return value == VERSION and type(value) is int  # True and 1.0 equal 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_time(value: Any) -> bool:
    return time_or_none(value) is not None


def _is_key(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_class(value: Any) -> bool:
    return isinstance(value, str | int)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


_TEXT = "starts_with({0}, '\"')"
_INTEGER = "CAST(TRY_CAST({0} AS BIGINT) AS VARCHAR) = CAST({0} AS VARCHAR)"
_FLAG = "{0} IN ('true', 'false')"
_JSON = "CAST({0} AS VARCHAR)"

VERSION_NUMBER = Kind(_is_this_version, f"{{0}} = '{VERSION}'", "TRY_CAST({0} AS BIGINT)", "int64")
TEXT = Kind(_is_text, _TEXT, "({0}->>'$')")
TIME = Kind(_is_time, _TEXT, "({0}->>'$')")  # which texts are times: `slipway.predictions.reader`
FLAG = Kind(_is_flag, _FLAG, "{0} = 'true'", "bool")
NUMBER = Kind(
    _is_number,
    "NOT starts_with({0}, '\"') AND {0} NOT IN ('true', 'false')",
    "TRY_CAST({0} AS DOUBLE)",
    "double",
)
OBJECT = Kind(_is_object, "starts_with({0}, '{{')", _JSON)
LIST = Kind(_is_list, "starts_with({0}, '[')", _JSON)

# A key is text or an integer: as JSON, or in the type that the schema of the rows gives it.
KEY = Kind(_is_key, f"({_TEXT} OR {_INTEGER})", _JSON)
TEXT_KEY = Kind(_is_key, _TEXT, "({0}->>'$')")
INTEGER_KEY = Kind(_is_key, _INTEGER, "TRY_CAST({0} AS BIGINT)", "int64")

# A class is text, an integer or a flag; as JSON.
CLASS = Kind(_is_class, f"({_TEXT} OR {_INTEGER} OR {_FLAG})", _JSON)

ANSWER = ("probability", "probabilities", "value", "quantile", "decision")
"""The fields that depend on the task."""

FIELDS = (
    Field("version", VERSION_NUMBER, column=False),
    Field("id", TEXT),
    Field("time", TIME),
    Field("key", KEY),
    Field("input", OBJECT, column=False),
    Field("probability", NUMBER, required=False),
    Field("probabilities", OBJECT, required=False),
    Field("value", NUMBER, required=False),
    Field("quantile", NUMBER, required=False),
    Field("decision", CLASS, required=False),
    Field("review", FLAG, required=False),
    Field("reasons", LIST, required=False, column=False),
    Field("model", TEXT),
    Field("data", TEXT, required=False),
    Field("commit", TEXT, required=False),
    Field("proof", FLAG, required=False, column=False),
)

ANSWERS: tuple[Mapping[str, Kind], ...] = (
    {"probability": NUMBER, "decision": FLAG},
    {"probabilities": OBJECT, "decision": CLASS},
    {"value": NUMBER},
)
"""The fields of an answer, for each task: a record has all fields of one of them."""


def to_line(record: Mapping[str, object]) -> bytes:
    """Return a record as a line of the log."""
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def parse_record(line: bytes) -> Record | None:
    """Return the record in a line, or None if it is not one."""
    try:
        record = orjson.loads(line)
    except ValueError:
        return None
    return record if _is_record(record) else None


def _is_record(record: object) -> TypeGuard[Record]:
    return (
        isinstance(record, dict)
        and all(field.kind.accepts(record.get(field.name)) for field in FIELDS if field.required)
        and any(_has_answer(record, answer) for answer in ANSWERS)
    )


def _has_answer(record: Mapping[str, object], answer: Mapping[str, Kind]) -> bool:
    return all(kind.accepts(record.get(name)) for name, kind in answer.items())


def answer_of(record: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a record that depend on the task."""
    return {name: record[name] for name in ANSWER if name in record}


def is_smoke_test(record: Mapping[str, object]) -> bool:
    """Return whether a record is of a smoke test of a release, which is not traffic."""
    return record.get("proof") is True


def stamp(moment: datetime) -> str:
    """Return a moment as records write it; such texts sort by time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
