"""What a table is used for: its target and task, key, time and entity, and the role of each column.

What is not given is found in the table, and everything that a person has to confirm is listed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np

from slipway.dataset.dependence import Dependence
from slipway.dataset.periods import Span, local_days, starts_of, unit_of
from slipway.errors import SlipwayError
from slipway.metrics.clusters import FEWEST
from slipway.numbers import counted
from slipway.setup.adopt.table import NO_SUCH_TIME, Column, Table
from slipway.tasks import NAMES, Task, declared_task
from slipway.tasks.base import listed
from slipway.tasks.multiclass import MOST_CLASSES
from slipway.training.diagnostics import DIAGNOSTICS
from slipway.untrusted import shown_name

Role = Literal["number", "category", "time", "unused", "leak"]

# What an option is set to if there is no such column.
NONE = "none"

# Fewer cannot be divided into rows to learn from and rows to measure on.
FEWEST_ROWS = 50

# Whole numbers of so few values are taken for classes, and more for amounts.
MOST_NUMBERED_CLASSES = 20

# With more values, or fewer rows of each, hardly anything is learned from a category.
MOST_CATEGORIES, ROWS_OF_A_CATEGORY = 250, 5

# Words in the names of keys.
KEY_WORDS = {"id", "key", "uuid", "guid", "no", "nr", "number"}

# A column of which each value is in fewer rows is no entity.
ROWS_OF_AN_ENTITY = 2

# A feature that predicts the label better than these by itself is suspected, or left out.
SUSPECTED, LEAK = 0.95, 0.999

# A number whose ranks follow the time this closely is another way to write it.
FOLLOWS_TIME = 0.99

# Features are float32.
LARGEST = float(np.finfo("float32").max)

# Rows on which features are compared with the label.
COMPARED_ROWS = 20_000

# Texts that people and programs write for a missing label; "none" may be a class.
NO_LABEL = re.compile(r"(?i)na|n/a|#n/a|nan|null|\?|")

# Dates that are not written as ISO 8601.
DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b")

# Values of a binary label that mean yes, in the languages of most tables.
POSITIVE = {"yes", "y", "true", "1", "positive", "pos", "bad", "churn", "churned", "default"}
POSITIVE |= {"fraud", "late", "fail", "failed", "malignant", "spam", "ja", "oui", "si", "sí"}


@dataclass(frozen=True)
class Request:
    """What the user states; None for what is to be found."""

    target: str
    task: str | None = None
    time: str | None = None
    key: tuple[str, ...] | None = None
    entity: str | None = None
    positive: str | None = None
    zone: str = "UTC"


class SeveralTimes(SlipwayError):
    """Several columns are times, of which the user has to choose one: `choices`."""

    def __init__(self, what: str, do: str, choices: Sequence[str]) -> None:
        super().__init__(what, do)
        self.choices = tuple(choices)


@dataclass(frozen=True)
class Decision:
    """Something that a person has to decide, with what was found."""

    what: str
    evidence: str
    do: str


@dataclass(frozen=True)
class Plan:
    """What a table is used for.

    Attributes
    ----------
    positive
        The value of a binary label that is predicted; None if labels are 0 and 1.
    key
        The columns that identify a row together; none if rows have no key.
    roles
        Of each column but target, key and event time.
    max_feature_auc
        The limit of `prepare` above that of every feature.
    """

    table: Table
    target: Column
    task: Task
    labels: np.ndarray
    positive: Any
    time: str | None
    key: tuple[str, ...]
    entity: str | None
    zone: str
    roles: Mapping[str, Role]
    max_feature_auc: float
    decisions: Sequence[Decision] = field(default_factory=list)

    def named(self, role: Role) -> list[str]:
        """Return the columns of a role."""
        return [name for name, each in self.roles.items() if each == role]


def make_plan(table: Table, request: Request) -> Plan:
    """Decide what the columns of a table are used for.

    Raises
    ------
    SlipwayError
        The table cannot be used, or what the user states does not fit it.
    """
    table = _with_missing_labels(table, request.target)
    target = _column(table, request.target, "--target")
    task, positive, decisions = _task(target, request)
    labels = _labels(task, target, positive)
    known = labels[~np.isnan(labels)]
    if len(known) < FEWEST_ROWS:
        raise SlipwayError(
            f"{counted(len(known), 'row has', 'rows have')} a label (`{target.name}`); "
            f"{FEWEST_ROWS} are needed",
            "give more rows",
        )
    task.require("labelled", target.name, known)
    if unknown := len(labels) - len(known):
        decisions.append(
            Decision(
                f"nothing is learned from {counted(unknown, 'row')} without a label",
                f"`{target.name}` is missing in {unknown / len(labels):.1%} of the rows",
                "if the missing ones differ from the others, the metrics hold for the others only",
            )
        )
    time = _time(table, request, decisions)
    key = _key(table, request, target.name, decisions)
    # Of a key of several columns, one may well be what several rows are of.
    uses: dict[str | None, str] = {name: "key" for name in key if len(key) == 1}
    entity = _entity(table, request, uses | {target.name: "target", time: "time"})
    if entity is None:
        _name_entities(table, request, decisions)
    taken = {target.name, time, *key}
    _name_few_clusters(table, time, entity, request.zone, decisions)
    times = table.columns[time] if time else None
    roles: dict[str, Role] = {
        name: _role(column, table.rows, times, decisions)
        for name, column in table.columns.items()
        if name not in taken
    }
    if entity in roles:
        roles[entity] = "unused"
    highest = _check_leaks(table, task, labels, roles, decisions)
    if not set(roles.values()) & {"number", "category", "time"}:
        raise SlipwayError(
            f"{table.paths[0]}: no column is left to predict `{target.name}` from",
            "; ".join(f"{each.what}: {each.evidence}" for each in decisions) or "add columns",
        )
    return Plan(
        table,
        target,
        task,
        labels,
        positive,
        time,
        key,
        entity,
        request.zone,
        roles,
        highest,
        decisions,
    )


def _column(table: Table, name: str, option: str) -> Column:
    if name in table.columns:
        return table.columns[name]
    if name in table.left_out:
        raise SlipwayError(
            f"{option} {shown_name(name)}: this column {table.left_out[name]}", "name another one"
        )
    close = get_close_matches(name, table.columns, 3, 0.5) or list(table.columns)[:10]
    raise SlipwayError(
        f"{option} {shown_name(name)}: {table.paths[0]} has no such column, but "
        f"{', '.join(map(shown_name, close))}",
        "name one of its columns",
    )


# --- target ---------------------------------------------------------------------------------------


def _with_missing_labels(table: Table, name: str) -> Table:
    """Take words that stand for no value, such as NA, for missing if labels of two kinds remain."""
    column = table.columns.get(name)
    if column is None or column.kind != "text":
        return table
    words = [word for word in column.distinct if NO_LABEL.fullmatch(word.strip())]
    if not words or len(column.distinct) - len(words) < 2:
        return table
    values = column.values.copy()
    values[np.isin(values.astype(str), words) & ~column.missing] = None
    words_text = ", ".join(map(repr, words))
    known = replace(column, values=values, converted=f"{words_text} → missing")
    return replace(table, columns=table.columns | {name: known})


def _task(target: Column, request: Request) -> tuple[Task, Any, list[Decision]]:
    """Return the task, the positive value, and what is to be confirmed about both."""
    decisions: list[Decision] = []
    values = target.distinct
    if target.kind == "time":
        raise SlipwayError(
            f"`{target.name}` holds times, which cannot be predicted",
            "make a column of what happens, such as the days until it, and name it",
        )
    if target.kind == "number" and not np.isfinite(values).all():
        count = int(np.isinf(target.values.astype("float64")).sum())
        raise SlipwayError(
            f"`{target.name}` is infinite in {counted(count, 'row')}; a label is a finite number",
            "correct these rows, or leave them out",
        )
    if len(values) < 2:
        only = f"only the value {_plain(values)[0]!r}" if len(values) else "no value"
        raise SlipwayError(
            f"`{target.name}` has {only}, and two are needed", "name another column as --target"
        )
    name = request.task or _guess_task(target)
    if name not in TARGETS:
        if name in NAMES:
            what, do = "a table is not adopted for it", "adopt a regression, then see docs/model.md"
        else:
            what, do = "no such task", f"choose from: {', '.join(TARGETS)}"
        raise SlipwayError(f"--task {name}: {what}", do)
    if not request.task:
        decisions.append(
            Decision(
                f"the task is {name}",
                f"`{target.name}` has {len(values):,} different values: {listed(_plain(values))}",
                f"if it is another one, add --task ({', '.join(TARGETS)})",
            )
        )
    task, positive = TARGETS[name](target, request, decisions)
    if request.positive is not None and not task.rule(0.5):
        raise SlipwayError(
            f"--positive {request.positive}: the task is {name}, which has no positive value",
            "leave it out, or add --task binary",
        )
    return task, positive, decisions


def _guess_task(target: Column) -> str:
    values = target.distinct
    if len(values) == 2:
        return "binary"
    if target.kind == "text":
        return "multiclass"
    is_whole = bool((values.astype("float64") % 1 == 0).all())
    return "multiclass" if is_whole and len(values) <= MOST_NUMBERED_CLASSES else "regression"


def _binary(target: Column, request: Request, decisions: list[Decision]) -> tuple[Task, Any]:
    return declared_task("binary", ()), _positive(target, request, decisions)


def _multiclass(target: Column, _request: Request, _decisions: list[Decision]) -> tuple[Task, Any]:
    values = target.distinct
    if target.kind == "number" and not (values % 1 == 0).all():
        broken = values[values % 1 != 0][0]
        raise SlipwayError(
            f"--task multiclass: `{target.name}` has fractions, such as {broken}",
            "choose --task regression",
        )
    if len(values) > MOST_CLASSES:
        hint = "choose --task regression, or " if target.kind != "text" else ""
        raise SlipwayError(
            f"`{target.name}` has {len(values):,} classes; up to {MOST_CLASSES} are supported",
            f"{hint}combine rare classes",
        )
    return declared_task("multiclass", tuple(_plain(values))), None


def _regression(target: Column, _request: Request, _decisions: list[Decision]) -> tuple[Task, Any]:
    if target.kind == "text":
        raise SlipwayError(
            f"--task regression: `{target.name}` is text, such as {target.distinct[0]!r}",
            "choose --task multiclass, or make a column of numbers",
        )
    return declared_task("regression", ()), None


TARGETS = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}


def _plain(values: np.ndarray) -> list[Any]:
    """Return values as Python has them; whole numbers are int."""
    found = values.tolist()
    return [int(each) if isinstance(each, float) and each.is_integer() else each for each in found]


def _positive(target: Column, request: Request, decisions: list[Decision]) -> Any:
    """Return the value that is predicted; None if labels are 0 and 1."""
    values = _plain(target.distinct)
    if len(values) != 2:
        raise SlipwayError(
            f"--task binary: `{target.name}` has {len(values):,} different values: "
            f"{listed(values)}; expected two",
            "choose --task multiclass or --task regression",
        )
    if request.positive is not None:
        chosen = [each for each in values if str(each) == request.positive]
        if not chosen:
            raise SlipwayError(
                f"--positive {request.positive}: `{target.name}` has {listed(values)}",
                "name one of both",
            )
        return None if values == [0, 1] and chosen == [1] else chosen[0]
    if values == [0, 1]:
        return None
    rows = [int((target.values == each).sum()) for each in values]
    meant = [each for each in values if str(each).strip().lower() in POSITIVE]
    positive = meant[0] if len(meant) == 1 else values[int(rows[1] <= rows[0])]
    decisions.append(
        Decision(
            f"{positive!r} is what is predicted (the positive class)",
            f"`{target.name}` is {values[0]!r} in {counted(rows[0], 'row')}, "
            f"{values[1]!r} in {rows[1]:,}",
            "if it is the other one, add --positive",
        )
    )
    return positive


def _labels(task: Task, target: Column, positive: Any) -> np.ndarray:
    """Return the labels as the task has them, NaN for a missing one."""
    values = target.values
    if positive is not None:
        values = np.where(target.missing, np.nan, (values == positive).astype("float64"))
    labels, bad = task.read(values)
    if bad.any():
        raise SlipwayError(
            f"`{target.name}`: {counted(int(bad.sum()), 'label is', 'labels are')} not "
            f"{task.expected}",
            task.remedy,
        )
    return labels.astype("float64")


# --- time, key ------------------------------------------------------------------------------------


def _time(table: Table, request: Request, decisions: list[Decision]) -> str | None:
    """Return the event time: the one that is named, or the only column of times."""
    if request.time == NONE:
        return None
    if request.time is not None:
        column = _column(table, request.time, "--time")
        if column.kind != "time":
            filled = column.values[~column.missing]
            raise SlipwayError(
                f"--time {shown_name(request.time)}: its values are not times, such as "
                f"{_plain(filled[:1])[0]!r}",
                "write them as ISO 8601: 2024-06-01T09:30:00Z, or 2024-06-01 with --zone",
            )
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
            f"`{found[0]}` is the time of a row",
            "it is the only column of times; the newest rows are held out",
            "if a prediction is asked for at another time, add --time COLUMN or --time none",
        )
    )
    return _without_gaps(table.columns[found[0]])


def _refuse_no_such_time(table: Table) -> None:
    """Raise SlipwayError if the only times are left out: rows would be held out by a hash."""
    for name, reason in table.left_out.items():
        if reason.startswith(NO_SUCH_TIME):
            raise SlipwayError(
                f"{table.paths[0]}: column {shown_name(name)} {reason}",
                "state the zone in which its times are written with --zone, correct this row, or "
                "add --time none",
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


def _key(table: Table, request: Request, target: str, decisions: list[Decision]) -> tuple[str, ...]:
    """Return the columns that identify a row, if there are any."""
    if request.key == (NONE,):
        return ()
    if request.key is not None:
        return _stated_key(table, request.key, target)
    found = [
        name
        for name, column in table.columns.items()
        if name not in (target, request.entity) and _looks_like_a_key(column, table.rows)
    ]
    if not found:
        return ()
    decisions.append(
        Decision(
            f"`{found[0]}` identifies a row (the key)",
            f"each of its {table.rows:,} values is another one; labels are joined by it later",
            "if it is not the key, add --key COLUMN or --key none",
        )
    )
    return (found[0],)


def _stated_key(table: Table, names: tuple[str, ...], target: str) -> tuple[str, ...]:
    """Return the columns of a stated key; raises SlipwayError unless they identify each row."""
    columns = [_column(table, name, "--key") for name in names]
    stated = " ".join(f"--key {shown_name(name)}" for name in names)
    reasons = (
        f"`{column.name}`: {reason}"
        for column in columns
        if (reason := "this is the target" if column.name == target else _no_part_of_a_key(column))
    )
    reason = next(reasons, "")
    if len(set(names)) < len(names):
        reason = "a column is named twice"
    if reason := reason or _repeated(columns):
        raise SlipwayError(
            f"{stated}: {reason}",
            "name another column, several that identify a row together (--key COLUMN --key "
            "COLUMN), or --key none",
        )
    return names


def _no_part_of_a_key(column: Column) -> str:
    if column.kind not in ("text", "integer"):
        return f"its type is {column.dtype}; a key is text or a whole number in every row"
    if column.missing.any():
        return f"{counted(int(column.missing.sum()), 'row has', 'rows have')} no value"
    return ""


def _repeated(columns: Sequence[Column]) -> str:
    """Return which value, or values of several columns, is in more than one row."""
    rows = Counter(zip(*(column.values.tolist() for column in columns), strict=True))
    values, count = rows.most_common(1)[0] if rows else ((), 0)
    if count <= 1:
        return ""
    return f"{', '.join(map(repr, values))} is in {counted(count, 'row')}; a key is in one"


def _looks_like_a_key(column: Column, rows: int) -> bool:
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


# --- entity ---------------------------------------------------------------------------------------


def _entity(table: Table, request: Request, taken: Mapping[str | None, str]) -> str | None:
    """Return the column that names what several rows are of, if one is stated."""
    if request.entity in (None, NONE):
        return None
    column = _column(table, str(request.entity), "--entity")
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


def _name_entities(table: Table, request: Request, decisions: list[Decision]) -> None:
    """List the columns that would make rows dependent, if the user has not decided."""
    if request.entity is None and (found := entities(table, request)):
        counts = [
            f"`{name}` has {counted(len(table.columns[name].distinct), 'value')}" for name in found
        ]
        more = f", and {len(found) - 5} more columns" if len(found) > 5 else ""
        decisions.append(
            Decision(
                "no two rows are of the same customer, machine or place",
                f"in {counted(table.rows, 'row')}, {', '.join(counts[:5])}{more}",
                "if one of them names what several rows are of, add --entity COLUMN: without it, "
                "intervals are too narrow",
            )
        )


def _name_few_clusters(
    table: Table, time: str | None, entity: str | None, zone: str, decisions: list[Decision]
) -> None:
    """List what makes rows dependent and has so few values that verdicts are inconclusive."""
    if time is not None:
        moments = {time: table.columns[time].values}
        days = np.unique(local_days(moments[time], zone))
        unit, count = unit_of(days), len(days)
        span = Span(len(np.unique(starts_of(days, unit))), unit)
        counted = Dependence((time,), time, zone).within(moments, span)
        # About half of the days are compared on: earlier ones are learned from.
        if counted.columns and count < 2 * FEWEST:
            decisions.append(
                Decision(
                    f"the rows are of {count} days, and a verdict compares on {FEWEST} or more",
                    "rows of one day depend on each other, and about half of the days are compared "
                    "on",
                    "add days: until then each change is inconclusive, and "
                    "`judge.on_inconclusive` of params.yaml decides",
                )
            )
    if entity is not None and (count := len(table.columns[entity].distinct)) < FEWEST:
        decisions.append(
            Decision(
                f"`{entity}` has {count} values, and a verdict compares on {FEWEST} or more",
                "rows of the same one depend on each other, so each change is inconclusive",
                "leave --entity out if the model is used on these only",
            )
        )


# --- features -------------------------------------------------------------------------------------


def _role(column: Column, rows: int, times: Column | None, decisions: list[Decision]) -> Role:
    """Return what a column is used for; a column that is not used is listed."""
    if column.kind == "number" and (infinite := int(np.isinf(column.values).sum())):
        raise SlipwayError(
            f"`{column.name}` is infinite in {counted(infinite, 'row')}; a feature is finite, or "
            "missing",
            "correct these values, or leave them empty",
        )
    reason = _useless(column, rows) or (_follows(column, times) if times else "")
    if reason:
        decisions.append(
            Decision(
                f"`{column.name}` is not a feature",
                reason,
                "if it helps, declare it with `before` in src/model/schema.py and add it in "
                "features.py",
            )
        )
        return "unused"
    if column.kind == "text":
        return "category"
    return "time" if column.kind == "time" else "number"


def _useless(column: Column, rows: int) -> str:
    """Return why a column is no feature; empty if it is one."""
    values = column.distinct
    if len(values) < 2:
        return f"all its values are {_plain(values)[0]!r}"
    if column.kind == "text" and len(values) > max(
        2, min(MOST_CATEGORIES, rows // ROWS_OF_A_CATEGORY)
    ):
        dates = (
            ", which look like dates: write them as 2024-12-31" if _look_like_dates(values) else ""
        )
        return f"text with {len(values):,} different values in {counted(rows, 'row')}{dates}"
    if column.kind == "number" and np.abs(values).max() > LARGEST:
        return f"its numbers are beyond those of float32, up to {np.abs(values).max():.3g}"
    if column.kind == "integer" and _looks_like_a_key(column, rows):
        return "it numbers the rows"
    return ""


def _follows(column: Column, times: Column) -> str:
    """Return why a number that rises or falls with the time is no feature; empty if it does not."""
    from scipy.stats import spearmanr

    if column.kind not in ("integer", "number"):
        return ""
    rows = np.flatnonzero(~column.missing)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), COMPARED_ROWS)).astype(int)]
    moments = times.values[rows].astype("int64")
    if len(np.unique(moments)) < 2 or len(np.unique(column.values[rows])) < 2:
        return ""
    found = float(spearmanr(column.values[rows], moments).statistic)
    if abs(found) <= FOLLOWS_TIME:
        return ""
    way = "rises" if found > 0 else "falls"
    return f"it {way} with `{times.name}`, so later rows have values that no earlier one has"


def _look_like_dates(values: np.ndarray) -> bool:
    return sum(DATE.match(text) is not None for text in values) > len(values) / 2


def _check_leaks(
    table: Table,
    task: Task,
    labels: np.ndarray,
    roles: dict[str, Role],
    decisions: list[Decision],
) -> float:
    """Leave out features that are the label in disguise; return the limit for the others."""
    rows = np.flatnonzero(~np.isnan(labels))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), COMPARED_ROWS)).astype(int)]
    diagnostics, highest = DIAGNOSTICS[task.name], 0.0
    for name, role in list(roles.items()):
        if role == "unused":
            continue
        values = _comparable(table.columns[name], rows)
        strength = diagnostics.strength(values, labels[rows])
        if strength > LEAK:
            roles[name] = "leak"
            decisions.append(
                Decision(
                    f"`{name}` is suspected to be the label, and is not a feature",
                    f"it predicts the label with AUC {strength:.3f} by itself",
                    "if it is known when the prediction is asked for, declare it with `before` in "
                    "src/model/schema.py and add it in features.py",
                )
            )
            continue
        highest = max(highest, strength)
        if strength > SUSPECTED:
            decisions.append(
                Decision(
                    f"`{name}` may be known only afterwards",
                    f"it predicts the label with AUC {strength:.3f} by itself",
                    "if so, declare it with `after` in src/model/schema.py and remove it from "
                    "features.py",
                )
            )
    # Halfway to 1: on other rows of the same kind the same feature is a little better or worse.
    return round(max(SUSPECTED, (1 + highest) / 2), 3)


def _comparable(column: Column, rows: np.ndarray) -> np.ndarray:
    values = column.values[rows]
    if column.kind == "time":
        return np.asarray(values.astype("int64"), dtype="float64")
    if column.kind == "text":
        return np.where(column.missing[rows], "", values).astype(object)
    return np.asarray(values, dtype="float64")
