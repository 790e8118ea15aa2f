"""The target of a table: its task, its positive class and its labels."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.setup.adopt.column import Column
from slipway.setup.adopt.request import Decision, Request
from slipway.setup.adopt.table import Table
from slipway.tasks import NAMES, Task, declared_task
from slipway.tasks.base import listed
from slipway.tasks.multiclass import MOST_CLASSES
from slipway.untrusted import code_name

# Whole numbers of so few values are taken for classes, and more for amounts.
MOST_NUMBERED_CLASSES = 20

# Texts that people and programs write for a missing label; "none" may be a class.
NO_LABEL = re.compile(r"(?i)na|n/a|#n/a|nan|null|\?|")

# Values of a binary label that mean yes, in the languages of most tables.
POSITIVE = {"yes", "y", "true", "1", "positive", "pos", "bad", "churn", "churned", "default"}
POSITIVE |= {"fraud", "late", "fail", "failed", "malignant", "spam", "ja", "oui", "si", "sí"}


def with_missing_labels(table: Table, name: str) -> Table:
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


def task_of(target: Column, request: Request) -> tuple[Task, Any, list[Decision]]:
    """Return the task, the positive value, and what is to be confirmed about both."""
    decisions: list[Decision] = []
    values = target.distinct
    if target.kind == "time":
        raise SlipwayError(
            f"{code_name(target.name)} holds times, which cannot be predicted",
            "make a column of what happens, such as the days until it, and name it",
        )
    if target.kind == "number" and not np.isfinite(values).all():
        count = int(np.isinf(target.values.astype("float64")).sum())
        raise SlipwayError(
            f"{code_name(target.name)} is infinite in {counted(count, 'row')}; a label is a finite "
            "number",
            "correct these rows, or leave them out",
        )
    if len(values) < 2:
        only = f"only the value {plain(values)[0]!r}" if len(values) else "no value"
        raise SlipwayError(
            f"{code_name(target.name)} has {only}, and two are needed",
            "name another column as --target",
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
                f"{code_name(target.name)} has {counted(len(values), 'different value')}: "
                f"{listed(plain(values))}",
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
            f"--task multiclass: {code_name(target.name)} has fractions, such as {broken}",
            "choose --task regression",
        )
    if len(values) > MOST_CLASSES:
        hint = "choose --task regression, or " if target.kind != "text" else ""
        raise SlipwayError(
            f"{code_name(target.name)} has {len(values):,} classes; up to {MOST_CLASSES} are "
            "supported",
            f"{hint}combine rare classes",
        )
    return declared_task("multiclass", tuple(plain(values))), None


def _regression(target: Column, _request: Request, _decisions: list[Decision]) -> tuple[Task, Any]:
    if target.kind == "text":
        raise SlipwayError(
            f"--task regression: {code_name(target.name)} is text, such as {target.distinct[0]!r}",
            "choose --task multiclass, or make a column of numbers",
        )
    return declared_task("regression", ()), None


TARGETS = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}


def plain(values: np.ndarray) -> list[Any]:
    """Return values as Python has them; whole numbers are int."""
    found = values.tolist()
    return [int(each) if isinstance(each, float) and each.is_integer() else each for each in found]


def _positive(target: Column, request: Request, decisions: list[Decision]) -> Any:
    """Return the value that is predicted; None if labels are 0 and 1."""
    values = plain(target.distinct)
    if len(values) != 2:
        raise SlipwayError(
            f"--task binary: {code_name(target.name)} has "
            f"{counted(len(values), 'different value')}: {listed(values)}; expected two",
            "choose --task multiclass or --task regression",
        )
    if request.positive is not None:
        chosen = [each for each in values if str(each) == request.positive]
        if not chosen:
            raise SlipwayError(
                f"--positive {request.positive}: {code_name(target.name)} has {listed(values)}",
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
            f"{code_name(target.name)} is {values[0]!r} in {counted(rows[0], 'row')}, "
            f"{values[1]!r} in {rows[1]:,}",
            "if it is the other one, add --positive",
        )
    )
    return positive


def labels_of(task: Task, target: Column, positive: Any) -> np.ndarray:
    """Return the labels as the task has them, NaN for a missing one."""
    values = target.values
    if positive is not None:
        values = np.where(target.missing, np.nan, (values == positive).astype("float64"))
    labels, bad = task.read(values)
    if bad.any():
        raise SlipwayError(
            f"{code_name(target.name)}: {counted(int(bad.sum()), 'label is', 'labels are')} not "
            f"{task.expected}",
            task.remedy,
        )
    return labels.astype("float64")
