"""Write `src/model` for a plan: templates, filled with what was found in the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from slipway.setup.adopt.column import Column
from slipway.setup.adopt.plan import Plan

MODULES = ("__init__", "schema", "rules", "target", "slices", "behaviours", "source")

# A category that is rarer may have values that are not in the table.
RAREST_LISTED, MOST_LISTED = 0.01, 30

# A slice with fewer rows is too small to be tested, and one with more values is a list.
MOST_SLICES, MOST_VALUES_OF_A_SLICE, RAREST_SLICE = 4, 12, 0.05

# How far beyond the range of the table a number may lie, as a share of that range.
ROOM = 0.25

WIDTH = 88  # of a line of names


def write_model(plan: Plan, estimator: str, folder: Path) -> list[Path]:
    """Write the modules of a plan; return their paths.

    Parameters
    ----------
    estimator
        The text of ``estimator.py``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "schema": _schema(plan),
        "target": _target(plan),
        "slices": {"sliced": _tuple(_sliced(plan))},
        "behaviours": _behaviours(plan),
    }
    texts = {name: render(name, parts.get(name, {})) for name in MODULES}
    texts |= {"features": features_text(plan), "estimator": estimator}
    paths = []
    for name, text in texts.items():
        path = folder / f"{name}.py"
        path.write_text(text, "utf-8")
        paths.append(path)
    return paths


def features_text(plan: Plan) -> str:
    """Return the code of ``features.py``."""
    return render("features", _features(plan))


def render(name: str, parts: Mapping[str, str]) -> str:
    """Return a template with its parts filled in."""
    text = (files("slipway.setup.adopt") / "templates" / f"{name}.py.txt").read_text("utf-8")
    return Template(text).substitute(parts)


def _tuple(names: Sequence[Any]) -> str:
    """Return Python code of a tuple, with one value a line if they are long."""
    line = ", ".join(map(repr, names)) + ("," if len(names) == 1 else "")
    if len(line) <= WIDTH:
        return f"({line})"
    return "(\n" + "".join(f"    {name!r},\n" for name in names) + ")"


# --- schema ---------------------------------------------------------------------------------------


def _schema(plan: Plan) -> dict[str, str]:
    clusters = [repr(plan.entity)] if plan.entity else []
    if plan.time:
        clusters.insert(0, "EVENT_TIME")
    lines = []
    if clusters:
        lines += ["", "# Rows that are wrong together: docs/data.md#rows-that-depend-on-each-other"]
        lines += [f"CLUSTERS = [{', '.join(clusters)}]"]
    if plan.time:
        lines += [f"TIME_ZONE = {plan.zone!r}"]
    columns = [f"        {name!r}: {_declared(plan, c)}," for name, c in plan.table.columns.items()]
    return {
        "key": _key(plan.key),
        "unique": "    unique=KEY,\n" if len(plan.key) > 1 else "",
        "time": repr(plan.time),
        "clusters": "\n".join([*lines, ""]),
        "columns": "\n".join(columns),
    }


def _key(names: Sequence[str]) -> str:
    """Return the code of a key, as `slipway.project.key_columns` reads it."""
    if len(names) > 1:
        return repr(list(names))
    return repr(names[0]) if names else "None"


def _declared(plan: Plan, column: Column) -> str:
    """Return the code that declares a column."""
    is_known = column.name in (*plan.key, plan.time) or plan.roles.get(column.name) in (
        "number",
        "category",
        "time",
    )
    dtype = "str" if column.kind == "text" else repr(column.dtype)
    arguments = [dtype, *_checks(plan, column)]
    if share := column.missing_share:
        arguments.append(f"missing={min(1.0, math.ceil(share * 150 + 1) / 100)}")
    if (column.name,) == plan.key:
        arguments.append("unique=True")
    return f"{'before' if is_known else 'after'}({', '.join(arguments)})"


def _checks(plan: Plan, column: Column) -> list[str]:
    if column.name in (*plan.key, plan.time) or column.kind == "time":
        return []
    if column.kind != "text":
        low, high = limits(column)
        return [f"Check.in_range({low!r}, {high!r})"]
    values = column.distinct
    counts = np.unique(column.values[~column.missing], return_counts=True)[1]
    rarest = counts.min() / len(column.values)
    is_target = column.name == plan.target.name
    if is_target or (len(values) <= MOST_LISTED and rarest >= RAREST_LISTED):
        return [f"Check.isin({values.tolist()!r})"]
    longest = max(map(len, values))
    return [f"Check.str_length(0, {2 * longest})"]


def limits(column: Column) -> tuple[float | int, float | int]:
    """Return the least and the highest value that the schema takes, with room around those found.

    Numbers without a sign stay so, and shares stay between 0 and 1.
    """
    values = column.distinct
    lowest, highest = float(values[0]), float(values[-1])
    if column.kind == "integer" and set(values.tolist()) <= {0, 1}:
        return 0, 1
    span = highest - lowest or abs(highest) or 1.0
    step = 10.0 ** (math.floor(math.log10(span)) - 1)
    low = math.floor((lowest - ROOM * span) / step) * step
    high = math.ceil((highest + ROOM * span) / step) * step
    if lowest >= 0:
        low = max(low, 0.0)
        high = 1.0 if highest <= 1 and column.kind == "number" else high
    if highest <= 0:
        high = min(high, 0.0)
    if column.kind == "integer":
        width = np.iinfo(column.dtype)
        return max(math.floor(low), int(width.min)), min(math.ceil(high), int(width.max))
    return float(f"{low:.12g}"), float(f"{high:.12g}")


# --- target ---------------------------------------------------------------------------------------


def _target(plan: Plan) -> dict[str, str]:
    target = plan.target
    column = f"columns[{target.name!r}]"
    label, definition = f"return {column}", f"Return the column `{_plain(target.name)}`."
    if plan.positive is not None:
        values = f"values = {column}"
        is_positive = f"values == {plan.positive!r}"
        missing = "np.equal(values, None)" if target.kind == "text" else "np.isnan(values)"
        result = (
            f"np.where({missing}, np.nan, {is_positive})" if target.missing.any() else is_positive
        )
        label = f"{values}\n    return {result}"
        what = _plain(f"{plan.positive}")
        definition = f"Return whether `{_plain(target.name)}` is {what}."
    classes = f"\nCLASSES = {_tuple(plan.task.classes)}\n" if plan.task.classes else ""
    return {
        "name": repr(target.name),
        "task": plan.task.name,
        "classes": classes,
        "definition": definition,
        "label": label,
    }


def _plain(text: str) -> str:
    """Return a name as part of a docstring."""
    return " ".join(text.replace("\\", "/").replace('"', "'").split())


# --- features -------------------------------------------------------------------------------------


def _features(plan: Plan) -> dict[str, str]:
    times, helpers = _times(plan)
    constants = f"\nEVENT_TIME = {plan.time!r}\n" if plan.time and times else ""
    return {
        "numbers": _tuple(plan.named("number")),
        "categories": _tuple(plan.named("category")),
        "constants": constants,
        "times": "\n".join(f"        {line}," for line in times),
        "helpers": helpers,
    }


HOUR = '''
def hour_of(moments: np.ndarray) -> np.ndarray:
    """Hour of the day, in UTC."""
    return (moments.astype("datetime64[h]").astype("int64") % 24).astype("float32")
'''

WEEKDAY = '''
def weekday_of(moments: np.ndarray) -> np.ndarray:
    """Day of the week, in UTC; Monday is 0."""
    return ((moments.astype("datetime64[D]").astype("int64") + 3) % 7).astype("float32")
'''

DAYS = '''
def days_of(spans: np.ndarray) -> np.ndarray:
    """Length of time in days; NaN for a missing one."""
    return (spans / np.timedelta64(1, "D")).astype("float32")
'''


def _times(plan: Plan) -> tuple[list[str], str]:
    """Return the features that are computed from times, and the functions that they need."""
    taken = set(plan.table.columns)
    lines, helpers = [], []
    if plan.time:
        moments = plan.table.columns[plan.time].values
        if len(np.unique(moments.astype("datetime64[h]").astype("int64") % 24)) > 1:
            name = _free(f"{plan.time}_hour", taken)
            lines.append(f"{name!r}: hour_of(columns[EVENT_TIME])")
            helpers.append(HOUR)
        if len(np.unique(moments.astype("datetime64[D]").astype("int64") % 7)) > 1:
            name = _free(f"{plan.time}_weekday", taken)
            lines.append(f"{name!r}: weekday_of(columns[EVENT_TIME])")
            helpers.append(WEEKDAY)
    for column in plan.named("time"):
        name = _free(f"days_since_{column}", taken)
        since = "columns[EVENT_TIME]" if plan.time else 'np.datetime64("2020-01-01")'
        lines.append(f"{name!r}: days_of({since} - columns[{column!r}])")
    if plan.named("time"):
        helpers.append(DAYS)
    return lines, "\n".join(["", *helpers]) if helpers else ""


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


# --- slices, behaviours ---------------------------------------------------------------------------


def _sliced(plan: Plan) -> list[str]:
    """Return the categories whose values are large groups of rows."""
    found = []
    for name in plan.named("category"):
        column = plan.table.columns[name]
        counts = np.unique(column.values[~column.missing], return_counts=True)[1]
        if len(counts) <= MOST_VALUES_OF_A_SLICE and counts.min() >= RAREST_SLICE * plan.table.rows:
            found.append(name)
    return found[:MOST_SLICES]


KEY_IS_NOT_USED = '''

def the_key_is_not_used(columns: Columns, score: Score) -> np.ndarray:
    """A row has the same score under another key."""
    others = {name: columns[name][::-1] for name in KEY_COLUMNS}
    return _same(score(columns), score({**columns, **others}))
'''

OPTIONAL = '''

def missing_values_have_a_score(columns: Columns, score: Score) -> np.ndarray:
    """A row without its optional values has a score."""
    empty = {name: np.full_like(columns[name], _missing(columns[name])) for name in OPTIONAL}
    finite = np.asarray(np.isfinite(score({**columns, **empty})))
    return finite if finite.ndim == 1 else np.asarray(finite.all(axis=1))


def _missing(values: np.ndarray) -> object:
    return {"f": np.nan, "M": np.datetime64("NaT")}.get(values.dtype.kind)
'''


def _behaviours(plan: Plan) -> dict[str, str]:
    optional = [
        name
        for name, role in plan.roles.items()
        if role in ("number", "category", "time") and plan.table.columns[name].missing.any()
    ]
    imports, functions, entries = "", "", []
    if plan.key:
        columns = "(KEY,)" if len(plan.key) == 1 else "KEY"
        imports = f"\nfrom model.schema import KEY\n\nKEY_COLUMNS = {columns}\n"
        functions += KEY_IS_NOT_USED
        entries.append('    "the_key_is_not_used": Behaviour(the_key_is_not_used, at_least=1.0),')
    if optional:
        imports += f"\nOPTIONAL = {_tuple(optional)}\n"
        functions += OPTIONAL
        name = "missing_values_have_a_score"
        entries.append(f'    "{name}": Behaviour({name}, at_least=1.0),')
    return {"imports": imports, "functions": functions, "entries": "\n".join(entries)}
