"""What the model that decided would have answered to other rows, and where its decision changes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from pydantic import BaseModel

from slipway.audit.find import Found
from slipway.audit.replay import Decider
from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.predictions.answers import Fields, class_name
from slipway.schema.checks import ColumnSpec, RowSchema
from slipway.untrusted import printable

# Values between the ends of a range; refined twice, so that a boundary has about nine digits.
GRID = 1_000
REFINED = 2


class WhatIf(BaseModel):
    """A variation of the row, and its answer."""

    changed: Fields
    answer: Fields


class Change(BaseModel):
    """Neighbouring values of a field between which the decision changes.

    Of a category `before` is the value of the row, and `after` another one.
    """

    before: Any
    after: Any
    decision_before: Any
    decision_after: Any


class Boundary(BaseModel):
    """Where the decision changes as one field does, all others as in the row.

    `tried` is the range, or the values, that were tried. Changes are sorted by their distance from
    the value of the row.
    """

    field: str
    value: Any
    decision: Any
    tried: str
    changes: list[Change] = []


def read_assignment(text: str, model: Decider) -> Fields:
    """Return ``field=value`` as a change of a row; the value in the type of the column.

    Raises
    ------
    SlipwayError
        It has no ``=``, or the model has no such field.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise SlipwayError(f"--what-if {printable(text, '?')}: expected field=value")
    column = _column(model, name)
    if column["type"] in ("string", "timestamp") and value != "null":
        return {name: value}
    try:
        return {name: json.loads(value)}
    except ValueError:
        raise SlipwayError(
            f"--what-if {printable(text, '?')}: the value is not a number",
            "write it as 1.5 or null",
        ) from None


def what_if(found: Found, changes: Sequence[Fields], model: Decider) -> list[WhatIf]:
    """Return the answers to variations of a row."""
    row = found.record["input"]
    answers = model.answer([row | each for each in changes])
    return [
        WhatIf(changed=change, answer=dict(answer))
        for change, answer in zip(changes, answers, strict=True)
    ]


def boundary(found: Found, field: str, model: Decider) -> Boundary:
    """Return where the decision changes as one field does.

    Numbers are tried on a grid over the range of the training data, widened by the value of the
    row, and each change is refined. Within a step of the grid a decision that changes twice is not
    seen. Of a category, all values that the model has seen are tried.

    Raises
    ------
    SlipwayError
        The model makes no decision, or the field is neither a number nor a category.
    """
    if "decision" not in found.record:
        raise SlipwayError(
            "this model answers with a number and makes no decision",
            "see what it would have answered with --what-if",
        )
    column = _column(model, field)
    if column["type"] in ("integer", "number"):
        return _of_number(found, column, model)
    values = _seen(model, field)
    if not values:
        raise SlipwayError(
            f"{printable(field, '?')} is neither a number nor a category of the model",
            "name another field, or see single values with --what-if",
        )
    return _of_category(found, field, values, model)


def _of_category(found: Found, field: str, values: Sequence[str], model: Decider) -> Boundary:
    own = found.record["input"].get(field)
    decisions = _decisions(found, field, [own, *values], model)
    changes = [
        Change(before=own, after=value, decision_before=decisions[0], decision_after=decision)
        for value, decision in zip(values, decisions[1:], strict=True)
        if decision != decisions[0]
    ]
    return Boundary(
        field=field,
        value=own,
        decision=decisions[0],
        tried=f"{counted(len(values), 'value')} that the model has seen",
        changes=changes,
    )


def _of_number(found: Found, column: ColumnSpec, model: Decider) -> Boundary:
    field, own = column["name"], found.record["input"].get(column["name"])
    profile = model.manifest["reference"].get(field)
    edges = profile["edges"] if profile and profile["type"] == "number" else []
    ends = [*edges, *([own] if isinstance(own, int | float) else [])]
    if not ends:
        raise SlipwayError(
            f"{field}: neither the row nor the model's reference has a number",
            "see single values with --what-if",
        )
    whole = column["type"] == "integer"
    values = _between(min(ends), max(ends), whole=whole)
    decisions = _decisions(found, field, [own, *values], model)
    changes = list(_changes(values, decisions[1:]))
    for _ in range(REFINED):
        changes = _refined(found, column, changes, model)
    if isinstance(own, int | float):
        changes.sort(key=lambda change: abs(change.after - own))
    return Boundary(
        field=field,
        value=own,
        decision=decisions[0],
        tried=f"{values[0]:g} to {values[-1]:g}",
        changes=changes,
    )


def _refined(
    found: Found, column: ColumnSpec, changes: Sequence[Change], model: Decider
) -> list[Change]:
    """Return changes between values that are nearer to each other; all are scored in one call."""
    whole = column["type"] == "integer"
    grids = [_between(change.before, change.after, whole=whole) for change in changes]
    values = [value for grid in grids for value in grid]
    decisions = iter(_decisions(found, column["name"], values, model) if values else ())
    return [
        next(_changes(grid, list(islice(decisions, len(grid)))), change)
        for grid, change in zip(grids, changes, strict=True)
    ]


def _changes(values: Sequence[Any], decisions: Sequence[Any]) -> Iterator[Change]:
    for at in range(len(values) - 1):
        if decisions[at] != decisions[at + 1]:
            yield Change(
                before=values[at],
                after=values[at + 1],
                decision_before=decisions[at],
                decision_after=decisions[at + 1],
            )


def _between(low: float, high: float, *, whole: bool) -> list[Any]:
    if whole:
        first, last = math.ceil(low), math.floor(high)
        step = max(1, (last - first) // GRID)
        return [*range(first, last, step), last]
    return list(dict.fromkeys(np.linspace(low, high, GRID + 1).tolist()))


def _decisions(found: Found, field: str, values: Sequence[Any], model: Decider) -> list[Any]:
    row = found.record["input"]
    return [answer["decision"] for answer in model.answer([row | {field: each} for each in values])]


def _seen(model: Decider, field: str) -> list[str]:
    for feature in model.manifest["features"]:
        if feature["name"] == field and "values" in feature:
            return [class_name(each) for each in feature["values"]]
    return []


def _column(model: Decider, name: str) -> ColumnSpec:
    columns: RowSchema = model.manifest["inputs"]
    for column in columns:
        if column["name"] == name:
            return column
    names = ", ".join(column["name"] for column in columns[:8])
    raise SlipwayError(
        f"the model has no field {printable(name, '?')}", f"name one of its columns, as {names}"
    )
