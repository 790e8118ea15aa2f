"""What identifies the rows of a table and orders them: event time, key and entity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np

from slipway.dataset.dependence import Dependence
from slipway.dataset.periods import Span, local_days, starts_of, unit_of
from slipway.errors import SlipwayError
from slipway.metrics.clusters import FEWEST
from slipway.numbers import counted
from slipway.setup.adopt.column import NO_SUCH_TIME, Column
from slipway.setup.adopt.dates import unread_dates
from slipway.setup.adopt.request import NONE, Decision, Request, SeveralTimes, column_of
from slipway.setup.adopt.table import Table
from slipway.setup.adopt.target import plain
from slipway.untrusted import code_name, shown_name

# Words in the names of keys.
KEY_WORDS = {"id", "key", "uuid", "guid", "no", "nr", "number"}

# A column of which each value is in fewer rows is no entity.
ROWS_OF_AN_ENTITY = 2


def time_of(table: Table, request: Request, decisions: list[Decision]) -> str | None:
    """Return the event time: the one that is named, or the only column of times."""
    if request.time == NONE:
        return None
    if request.time is not None:
        column = column_of(table, request.time, "--time")
        if column.kind != "time":
            _refuse_no_times(column)
        return _without_gaps(column)
    if request.target in (found := _times(table)):
        found.remove(request.target)
    if not found:
        _refuse_no_such_time(table)
        return None
    if len(found) > 1:
        raise SeveralTimes(
            f"several columns are times: {', '.join(map(shown_name, found))}",
            "name the one at which the prediction is asked for with --time, or --time none",
            [*found, NONE],
        )
    decisions.append(
        Decision(
            f"{code_name(found[0])} is the time of a row",
            "it is the only column of times; the newest rows are held out",
            "if a prediction is asked for at another time, add --time COLUMN or --time none",
        )
    )
    return _without_gaps(table.columns[found[0]])


def _refuse_no_times(column: Column) -> NoReturn:
    filled, dates = column.values[~column.missing], unread_dates(column)
    raise SlipwayError(
        f"--time {shown_name(column.name)}: its values are not times, such as "
        f"{plain(filled[:1])[0]!r}",
        dates.do
        if dates
        else "write them as ISO 8601: 2024-06-01T09:30:00Z, or 2024-06-01 with --zone",
    )


def _refuse_no_such_time(table: Table) -> None:
    """Raise SlipwayError if the only times are left out: rows would be held out by a hash."""
    for name, reason in table.left_out.items():
        if reason.startswith(NO_SUCH_TIME):
            raise SlipwayError(
                f"{table.paths[0]}: column {shown_name(name)} {reason}",
                "write its times with their offset from UTC, state the zone of the others with "
                "--zone, or add --time none",
            )


def _times(table: Table) -> list[str]:
    return [name for name, column in table.columns.items() if column.kind == "time"]


def _without_gaps(column: Column) -> str:
    if column.missing.any():
        rows = counted(int(column.missing.sum()), "row has", "rows have")
        raise SlipwayError(
            f"--time {shown_name(column.name)}: {rows} none",
            "leave these rows out, name another column, or add --time none",
        )
    return column.name


def key_of(
    table: Table, request: Request, target: str, decisions: list[Decision]
) -> tuple[str, ...]:
    """Return the columns that identify a row, if there are any."""
    if request.key == (NONE,):
        return ()
    if request.key is not None:
        return _stated_key(table, request.key, target)
    found = [
        name
        for name, column in table.columns.items()
        if name not in (target, request.entity)
        and looks_like_a_key(column, table.rows)
        and not unread_dates(column)
    ]
    if not found:
        return ()
    decisions.append(
        Decision(
            f"{code_name(found[0])} identifies a row (the key)",
            f"each of its {table.rows:,} values is another one; labels are joined by it later",
            "if it is not the key, add --key COLUMN or --key none",
        )
    )
    return (found[0],)


def _stated_key(table: Table, names: tuple[str, ...], target: str) -> tuple[str, ...]:
    """Return the columns of a stated key; raises SlipwayError unless they identify each row."""
    columns = [column_of(table, name, "--key") for name in names]
    if reason := _no_key(columns, target):
        raise SlipwayError(
            f"{' '.join(f'--key {shown_name(name)}' for name in names)}: {reason}",
            "name another column, several that identify a row together (--key COLUMN --key "
            "COLUMN), or --key none",
        )
    return names


def _no_key(columns: Sequence[Column], target: str) -> str:
    """Return why some columns do not identify each row; empty if they do."""
    for column in columns:
        reason = "this is the target" if column.name == target else _no_part_of_a_key(column)
        if reason:
            return f"{code_name(column.name)}: {reason}"
    if len({column.name for column in columns}) < len(columns):
        return "a column is named twice"
    return _repeated(columns)


def _no_part_of_a_key(column: Column) -> str:
    if column.kind not in ("text", "integer"):
        return f"its type is {column.dtype}; a key is text or a whole number in every row"
    if column.missing.any():
        return f"{counted(int(column.missing.sum()), 'row has', 'rows have')} no value"
    return ""


def _repeated(columns: Sequence[Column]) -> str:
    """Return which value, or values of several columns, is in more than one row."""
    import pandas as pd

    rows = pd.DataFrame({column.name: column.values for column in columns})
    if not rows.duplicated().any():
        return ""
    counts = rows[rows.duplicated(keep=False)].value_counts()
    values = ", ".join(repr(plain(np.array([each]))[0]) for each in counts.index[0])
    return f"{values} is in {counted(int(counts.iloc[0]), 'row')}; a key is in one"


def looks_like_a_key(column: Column, rows: int) -> bool:
    """Return whether a column is unique, and numbers or names the rows."""
    is_unique = len(column.distinct) == len(column.values)
    if _no_part_of_a_key(column) or not is_unique:
        return False
    is_named = _is_called_as_a_key(column.name)
    if column.kind == "text":
        return is_named or bool(max(map(len, column.values)) <= 64 and " " not in column.values[0])
    first, last = column.distinct[0], column.distinct[-1]
    return is_named or bool(last - first == rows - 1)


def _is_called_as_a_key(name: str) -> bool:
    """Return whether a name is one of keys, such as `customer_id` or `Order No`.

    "number of rooms" is a quantity.
    """
    words = re.split(r"[\W_]+", name.lower())
    is_quantity = "number" in words[:-1]
    return name.endswith(("ID", "Id")) or (not is_quantity and bool(KEY_WORDS & set(words)))


def entity_of(table: Table, request: Request, taken: Mapping[str | None, str]) -> str | None:
    """Return the column that names what several rows are of, if one is stated."""
    if request.entity in (None, NONE):
        return None
    column = column_of(table, str(request.entity), "--entity")
    stated = f"--entity {shown_name(column.name)}"
    if use := taken.get(column.name):
        raise SlipwayError(f"{stated}: this column is the {use}", "name another column")
    if len(column.distinct) < 2:
        raise SlipwayError(
            f"{stated}: all rows are of the same one",
            "name a column of several values, or --entity none",
        )
    if len(column.distinct) == table.rows:
        raise SlipwayError(
            f"{stated}: no two rows are of the same one",
            "name a column with repeated values, or --entity none",
        )
    return column.name


def entities(table: Table, request: Request) -> list[str]:
    """Return the columns that may name what several rows are of: those of many repeated values.

    Whole numbers do only if the column is called as numbers of things are: the values of a measured
    quantity, such as an age, are repeated as well.
    """
    taken = {request.target, request.time}
    if request.key and len(request.key) == 1:
        taken |= set(request.key)
    fewest = max(FEWEST, np.sqrt(table.rows))
    return [
        name
        for name, column in table.columns.items()
        if name not in taken
        and (column.kind == "text" or (column.kind == "integer" and _is_called_as_a_key(name)))
        and fewest <= len(column.distinct) <= table.rows / ROWS_OF_AN_ENTITY
    ]


def name_entities(table: Table, request: Request, decisions: list[Decision]) -> None:
    """List the columns that would make rows dependent, if the user has not decided."""
    if request.entity is None and (found := entities(table, request)):
        counts = [
            f"{code_name(name)} has {counted(len(table.columns[name].distinct), 'value')}"
            for name in found
        ]
        more = f", and {counted(len(found) - 5, 'more column')}" if len(found) > 5 else ""
        decisions.append(
            Decision(
                "no two rows are of the same customer, machine or place",
                f"in {counted(table.rows, 'row')}, {', '.join(counts[:5])}{more}",
                "if one of them names what several rows are of, add --entity COLUMN: without it, "
                "intervals are too narrow",
            )
        )


def name_few_clusters(
    table: Table, time: str | None, entity: str | None, zone: str, decisions: list[Decision]
) -> None:
    """List what makes rows dependent and has so few values that verdicts are inconclusive."""
    if time is not None:
        moments = {time: table.columns[time].values}
        days = np.unique(local_days(moments[time], zone))
        unit, count = unit_of(days), len(days)
        span = Span(len(np.unique(starts_of(days, unit))), unit)
        rule = Dependence((time,), time, zone).within(moments, span)
        # About half of the days are compared on: earlier ones are learned from.
        if rule.columns and count < 2 * FEWEST:
            decisions.append(
                Decision(
                    f"the rows are of {counted(count, 'day')}, and a verdict compares on {FEWEST} "
                    "or more",
                    "rows of one day depend on each other, and about half of the days are compared "
                    "on",
                    "add days: until then each change is inconclusive, and "
                    "`judge.on_inconclusive` of params.yaml decides",
                )
            )
    if entity is None:
        return
    # Without a time about half of the values are held out or in the folds that are compared on.
    fewest = FEWEST if time is not None else 2 * FEWEST
    if (count := len(table.columns[entity].distinct)) < fewest:
        half = ", and about half of the values are compared on" if time is None else ""
        decisions.append(
            Decision(
                f"{code_name(entity)} has {counted(count, 'value')}, and a verdict compares on "
                f"{FEWEST} or more",
                f"rows of the same one depend on each other{half}: each change is inconclusive",
                "leave --entity out if the model is used on these only",
            )
        )
