"""What a table is used for: its target and task, key, time and entity, and the role of each column.

What is not given is found in the table, and everything that a person has to confirm is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slipway.errors import SlipwayError
from slipway.numbers import counted
from slipway.setup.adopt.column import Column
from slipway.setup.adopt.features import Role, check_leaks, role_of
from slipway.setup.adopt.identity import (
    entity_of,
    key_of,
    name_entities,
    name_few_clusters,
    time_of,
)
from slipway.setup.adopt.request import Decision, Request, column_of
from slipway.setup.adopt.table import Table
from slipway.setup.adopt.target import labels_of, task_of, with_missing_labels
from slipway.tasks import Task
from slipway.untrusted import code_name

# Fewer cannot be divided into rows to learn from and rows to measure on.
FEWEST_ROWS = 50


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
    table = with_missing_labels(table, request.target)
    target = column_of(table, request.target, "--target")
    task, positive, decisions = task_of(target, request)
    labels = labels_of(task, target, positive)
    known = labels[~np.isnan(labels)]
    if len(known) < FEWEST_ROWS:
        raise SlipwayError(
            f"{counted(len(known), 'row has', 'rows have')} a label ({code_name(target.name)}); "
            f"{FEWEST_ROWS} are needed",
            "give more rows",
        )
    task.require("labelled", target.name, known)
    if unknown := len(labels) - len(known):
        decisions.append(
            Decision(
                f"nothing is learned from {counted(unknown, 'row')} without a label",
                f"{code_name(target.name)} is missing in {unknown / len(labels):.1%} of the rows",
                "if the missing ones differ from the others, the metrics hold for the others only",
            )
        )
    time = time_of(table, request, decisions)
    key = key_of(table, request, target.name, decisions)
    # Of a key of several columns, one may well be what several rows are of.
    uses: dict[str | None, str] = {name: "key" for name in key if len(key) == 1}
    entity = entity_of(table, request, uses | {target.name: "target", time: "time"})
    if entity is None:
        name_entities(table, request, decisions)
    taken = {target.name, time, *key}
    name_few_clusters(table, time, entity, request.zone, decisions)
    times = table.columns[time] if time else None
    roles: dict[str, Role] = {
        name: role_of(column, table.rows, times, decisions)
        for name, column in table.columns.items()
        if name not in taken
    }
    if entity in roles:
        roles[entity] = "unused"
    highest = check_leaks(table, task, labels, roles, decisions)
    if not set(roles.values()) & {"number", "category", "time"}:
        raise SlipwayError(
            f"{table.paths[0]}: no column is left to predict {code_name(target.name)} from",
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
