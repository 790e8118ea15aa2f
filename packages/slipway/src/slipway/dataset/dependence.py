"""Which rows depend on each other: `CLUSTERS` and `TIME_ZONE` of ``src/model/schema.py``.

Rows with an equal value in a column of `CLUSTERS`, such as a customer, depend on each other. Of the
event time, which is the default, the calendar day counts.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from slipway import project
from slipway.dataset.periods import Span, local_days
from slipway.dataset.zone import valid_zone
from slipway.errors import SlipwayError
from slipway.metrics.clusters import DAY, ROW, Clusters, Way
from slipway.project import SCHEMA, Columns

MOST_WAYS = 2

NAMES = ("EVENT_TIME", "CLUSTERS", "TIME_ZONE")

# A value of a setting that is not written as a constant.
UNKNOWN = object()

# Names by which a module can assign its settings without naming them.
INDIRECT = {"globals", "locals", "vars", "exec", "eval", "setattr", "__builtins__"}


@dataclass(frozen=True)
class Dependence:
    """The columns that make rows dependent, at most two.

    Attributes
    ----------
    event_time
        The column of which the calendar day counts; None if rows have no time.
    time_zone
        Where these days begin at midnight.
    """

    columns: tuple[str, ...]
    event_time: str | None
    time_zone: str = "UTC"

    @classmethod
    def declared(cls) -> Dependence:
        """Return what the project declares.

        Raises
        ------
        SlipwayError
            Names the setting that is not valid, or why no later change could be judged by them.
        """
        declared = cls.of(project.dependence())
        cls.of_source(project.schema_source())
        return declared

    @classmethod
    def of_source(cls, source: bytes) -> Dependence:
        """Return what the content of a ``schema.py`` declares, without running it.

        Raises
        ------
        SlipwayError
            A setting is not written as a constant, or is not valid.
        """
        try:
            return cls.of(_constants(ast.parse(source)))
        except (SyntaxError, ValueError) as error:
            raise SlipwayError(
                f"{SCHEMA}: {error}; `EVENT_TIME`, `CLUSTERS` and `TIME_ZONE` are read without "
                "running the file, since pull requests are judged by those of their base",
                "write each once, as `NAME = value` with texts or lists of texts",
            ) from None

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> Dependence:
        """Return the value of the settings, each of which but the event time has a default.

        Without an event time, rows do not depend on each other by default.
        """
        event_time = project.time_column(settings["EVENT_TIME"])
        default = [] if event_time is None else [event_time]
        columns, zone = settings.get("CLUSTERS", default), settings.get("TIME_ZONE", "UTC")
        if not isinstance(columns, list | tuple) or not all(isinstance(c, str) for c in columns):
            raise SlipwayError(
                f"{SCHEMA}: `CLUSTERS` is {columns!r}; expected a list of column names",
                'such as `CLUSTERS = [EVENT_TIME, "customer"]`',
            )
        if len(set(columns)) < len(columns) or len(columns) > MOST_WAYS:
            raise SlipwayError(
                f"{SCHEMA}: `CLUSTERS` is {columns!r}; expected at most {MOST_WAYS} different "
                "columns",
                "keep those whose rows are the most alike",
            )
        if taken := {DAY, ROW} & set(columns) - {event_time}:
            raise SlipwayError(
                f"{SCHEMA}: `CLUSTERS` names the column {taken.pop()!r}, a word of the reports",
                "rename the column",
            )
        return cls(tuple(columns), event_time, valid_zone(zone))

    @property
    def entities(self) -> tuple[str, ...]:
        """The columns other than the event time, such as a customer."""
        return tuple(name for name in self.columns if name != self.event_time)

    @property
    def names(self) -> tuple[str, ...]:
        """What a cluster of each column is called."""
        return tuple(DAY if name == self.event_time else name for name in self.columns)

    def within(self, columns: Columns, span: Span) -> Dependence:
        """Return the dependence of the rows of some periods.

        If they are of one day in a week or a month, as snapshots are, it shows nothing about which
        rows are alike and does not count. The day of a period that is a day counts, also if times
        are dates: rows of one date are as alike as those of one day.
        """
        if self.entities == self.columns or self.event_time is None:
            return self
        if span.unit in (None, "day") or len(np.unique(self.days(columns))) > span.periods:
            return self
        return replace(self, columns=self.entities)

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that `clusters` reads."""
        time = [] if self.event_time is None else [self.event_time]
        return tuple(dict.fromkeys([*self.columns, *time]))

    def clusters(self, columns: Columns) -> Clusters:
        """Return the clusters of some rows.

        Raises
        ------
        SlipwayError
            A column of `CLUSTERS` does not exist.
        """
        return Clusters(tuple(self._way(name, columns) for name in self.columns))

    def days(self, columns: Columns) -> np.ndarray:
        """Return the calendar day of each row, datetime64[D]; there is an event time."""
        return local_days(columns[str(self.event_time)], self.time_zone)

    def _way(self, name: str, columns: Columns) -> Way:
        if name == self.event_time:
            return Way.of(self.days(columns).astype("int64"), ordered=True, name=DAY)
        return Way.of(_codes(column_of(name, columns)), name=name)


def column_of(name: str, columns: Columns) -> np.ndarray:
    """Return a column that `CLUSTERS` names; raises SlipwayError if it does not exist."""
    if name not in columns:
        raise SlipwayError(
            f"{SCHEMA}: `CLUSTERS` names `{name}`, which is not a column of the data",
            f"name some of: {', '.join(sorted(columns))}",
        )
    return columns[name]


def _codes(values: np.ndarray) -> np.ndarray:
    """Return the cluster of each value; each missing value has its own."""
    import pandas as pd

    codes, found = pd.factorize(values)
    missing = codes < 0
    codes[missing] = len(found) + np.arange(int(missing.sum()))
    return np.asarray(codes)


def _constants(tree: ast.Module) -> dict[str, object]:
    """Return the settings that a module assigns, which may use names that it has assigned.

    Raises
    ------
    ValueError
        One of them may have another value.
    """
    _check_plain(tree)
    unclear = _assigned_below(tree)
    known: dict[str, object] = {}
    for node in tree.body:
        named = [target.id for target in _targets(node) if isinstance(target, ast.Name)]
        if not named or not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        unclear |= set(named) if len(named) > 1 else set(named) & known.keys()
        value = _constant(node.value, {name: known[name] for name in known.keys() - unclear})
        known |= dict.fromkeys(named, value)
    settings = {name: known[name] for name in NAMES if name in known}
    for name, value in settings.items():
        if name in unclear:
            raise ValueError(f"`{name}` is assigned in several ways")
        if value is UNKNOWN:
            raise ValueError(f"`{name}` is not assigned a constant")
    if "EVENT_TIME" not in settings:
        raise ValueError("`EVENT_TIME` is not assigned")
    return settings


def _assigned_below(tree: ast.Module) -> set[str]:
    """Return the names that are assigned in another place than a statement of the module."""
    top = [target for node in tree.body for target in _targets(node)]
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node not in top
    }


def _check_plain(tree: ast.Module) -> None:
    """Raise ValueError if a setting may have another value than its only assignment gives it."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if found := sorted(imported & {*NAMES}):
        raise ValueError(f"`{found[0]}` is imported")
    if others := sorted(imported & {"*"} | {node.id for node in names} & INDIRECT):
        raise ValueError(f"`{others[0]}` may assign any name")
    # A list can be changed where it is used; a text cannot.
    used = [node for node in names if node.id == "CLUSTERS" and isinstance(node.ctx, ast.Load)]
    top = [target for node in tree.body for target in _targets(node)]
    stored = [node for node in names if not isinstance(node.ctx, ast.Load)]
    settings = [node for node in stored if node.id in NAMES]
    changed = used + [node for node in settings if node not in top]
    if changed:
        raise ValueError(f"line {changed[0].lineno} may change `{changed[0].id}`")


def _targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def _constant(node: ast.expr, known: Mapping[str, object]) -> object:
    """Return a text, a name of one, a list of these, or None; `UNKNOWN` for anything else."""
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str)):
        return node.value
    if isinstance(node, ast.Name) and isinstance(known.get(node.id), str):
        return str(known[node.id])
    if isinstance(node, ast.List | ast.Tuple):
        items = [_constant(item, known) for item in node.elts]
        texts = [item for item in items if isinstance(item, str)]
        return texts if len(texts) == len(items) else UNKNOWN
    return UNKNOWN
