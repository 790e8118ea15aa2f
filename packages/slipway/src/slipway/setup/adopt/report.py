"""What `slipway adopt` shows: what it found, and what a person has to decide."""

from __future__ import annotations

from slipway.numbers import counted
from slipway.setup.adopt.estimators import Chosen
from slipway.setup.adopt.plan import Plan
from slipway.setup.adopt.request import Decision
from slipway.untrusted import code_name, escaped, shown_name

MOST_NAMED = 8


def plan_text(plan: Plan) -> str:
    """Return what the columns of a table are used for."""
    rows = {
        "Table": f"{counted(plan.table.rows, 'row')}, {counted(len(plan.table.columns), 'column')}",
        "Target": f"{code_name(plan.target.name)}, {plan.task.name}{_positive(plan)}",
        "Time": code_name(plan.time) if plan.time else "none: rows are held out by a hash",
        "Key": _names(list(plan.key)) or "none: labels are joined by the prediction id",
        "Entity": "none: rows do not depend on each other",
        "Numbers": _names(plan.named("number")),
        "Categories": _names(plan.named("category")),
        "Times": _names(plan.named("time")),
        "Not used": _names(plan.named("unused") + plan.named("leak")),
    }
    if plan.entity:
        rows["Entity"] = code_name(plan.entity)
    elif plan.time:
        rows["Entity"] = f"none: rows of one day depend on each other ({plan.zone})"
    lines = [f"{name:>12}: {text}" for name, text in rows.items() if text]
    for name, reason in plan.table.left_out.items():
        lines.append(f"{'Left out':>12}: {shown_name(name)} ({reason})")
    for name, change in plan.table.converted.items():
        lines.append(f"{'Converted':>12}: {shown_name(name)}: {change}")
    return "\n".join(map(escaped, lines))


def decisions_text(plan: Plan, chosen: Chosen | None = None) -> str:
    """Return what a person has to decide, with what was found."""
    lines, decisions = ["For you to decide:"], list(plan.decisions)
    if chosen:
        losses = ", ".join(f"{name} {loss:.4g}" for name, loss in chosen.losses.items())
        found = f"{chosen.candidate.name} ({chosen.metric} in cross-validation: {losses})"
        lines = [f"Estimator: {found}", "", *lines]
        decisions += _always(chosen)
    for number, each in enumerate(decisions, 1):
        lines += [f"{number:>3}. {each.what}: {each.evidence}", f"     → {each.do}"]
    return "\n".join(map(escaped, lines))


def _always(chosen: Chosen) -> list[Decision]:
    found = []
    if chosen.threshold is not None:
        found.append(
            Decision(
                f"a row is positive from a probability of {chosen.threshold} on",
                "the threshold with the highest F1",
                "weigh the costs of both errors: `evaluate.threshold` of params.yaml",
            )
        )
    found.append(
        Decision(
            "a row is valid if its values are like those of the table",
            "the schema has their limits, with room, and their categories",
            "correct in src/model/schema.py what you know better",
        )
    )
    return found


def _positive(plan: Plan) -> str:
    return "" if plan.positive is None else f" (positive: {plan.positive!r})"


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(code_name(name) for name in names[:MOST_NAMED]) + more
