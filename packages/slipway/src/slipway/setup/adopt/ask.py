"""Questions on a terminal: what the table does not show, and what it leaves open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from slipway.setup.adopt.identity import entities
from slipway.setup.adopt.plan import Plan, make_plan
from slipway.setup.adopt.request import NONE, Request, SeveralTimes
from slipway.setup.adopt.table import Table

Ask = Callable[[str, Sequence[str], str], str]
"""From a question, the possible answers and the default to the answer."""

ENTITY = "Several rows are of the same … (a customer, a machine)"


def plan_by_asking(table: Table, request: Request, ask: Ask) -> Plan:
    """Return a plan; ask what several columns could be, and which column is the entity.

    Raises
    ------
    SlipwayError
        As `slipway.setup.adopt.plan.make_plan`.
    """
    if request.entity is None and (found := entities(table, request)):
        request = replace(request, entity=ask(ENTITY, [*found, NONE], NONE))
    while True:
        try:
            return make_plan(table, request)
        except SeveralTimes as question:
            answer = ask(str(question), question.choices, question.choices[0])
            request = replace(request, time=answer)
