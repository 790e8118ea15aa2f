"""The features of a table: which columns they are, and which are suspected to be the label."""

from __future__ import annotations

from typing import Literal

import numpy as np

from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.setup.adopt.column import Column
from slipway.setup.adopt.dates import unread_dates
from slipway.setup.adopt.identity import looks_like_a_key
from slipway.setup.adopt.request import Decision
from slipway.setup.adopt.table import Table
from slipway.setup.adopt.target import plain
from slipway.tasks import Task
from slipway.training.diagnostics import DIAGNOSTICS
from slipway.training.diagnostics.base import strength_of
from slipway.untrusted import code_name

Role = Literal["number", "category", "time", "unused", "leak"]

# With more values, or fewer rows of each, hardly anything is learned from a category.
MOST_CATEGORIES, ROWS_OF_A_CATEGORY = 250, 5

# A feature that predicts the label better than these by itself is suspected, or left out.
SUSPECTED, LEAK = 0.95, 0.999

# A number whose ranks follow the time this closely is another way to write it.
FOLLOWS_TIME = 0.99

# In more of the rows, a time after that of the prediction is no wrong clock.
MOST_LATER = 0.01

# Features are float32.
LARGEST = float(np.finfo("float32").max)

# Rows on which features are compared with the label.
COMPARED_ROWS = 20_000


def role_of(column: Column, rows: int, times: Column | None, decisions: list[Decision]) -> Role:
    """Return what a column is used for; a column that is not used is listed."""
    if column.kind == "number" and (infinite := int(np.isinf(column.values).sum())):
        raise SlipwayError(
            f"{code_name(column.name)} is infinite in {counted(infinite, 'row')}; a feature is "
            "finite, or missing",
            "correct these values, or leave them empty",
        )
    if dates := unread_dates(column):
        decisions.append(dates)
        return "unused"
    reason = _useless(column, rows) or (_follows(column, times) if times else "")
    if reason:
        decisions.append(
            Decision(
                f"{code_name(column.name)} is not a feature",
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
        return f"all its values are {plain(values)[0]!r}"
    if column.kind == "text" and len(values) > max(
        2, min(MOST_CATEGORIES, rows // ROWS_OF_A_CATEGORY)
    ):
        return f"text with {len(values):,} different values in {counted(rows, 'row')}"
    if column.kind == "number" and np.abs(values).max() > LARGEST:
        return f"its numbers are beyond those of float32, up to {np.abs(values).max():.3g}"
    if column.kind == "integer" and looks_like_a_key(column, rows):
        return "it numbers the rows"
    return ""


def _follows(column: Column, times: Column) -> str:
    """Return why a column is no feature because of the time of its rows; empty if it is one."""
    if column.kind == "time":
        return _later(column, times)
    return _monotonic(column, times)


def _later(column: Column, times: Column) -> str:
    """Return why a time is no feature: what happens after the prediction is not known then."""
    later, stated = int((column.values > times.values).sum()), int((~column.missing).sum())
    if later <= MOST_LATER * stated:
        return ""
    rows = f"{later:,} of {counted(stated, 'row')} that have it"
    return f"it is later than {code_name(times.name)} in {rows}, so it may not be known by then"


def _monotonic(column: Column, times: Column) -> str:
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
    return (
        f"it {way} with {code_name(times.name)}, so later rows have values that no earlier one has"
    )


def check_leaks(
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
        strength = strength_of(diagnostics, values, labels[rows])
        if strength > LEAK:
            roles[name] = "leak"
            decisions.append(
                Decision(
                    f"{code_name(name)} is suspected to be the label, and is not a feature",
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
                    f"{code_name(name)} may be known only afterwards",
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
