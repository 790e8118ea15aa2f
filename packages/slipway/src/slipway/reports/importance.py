"""The table of permutation importance, in a report and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.comparison.report import Importance, Loss
from slipway.documents.document import Cell, Table
from slipway.metrics.registry import ALL, headline_of
from slipway.numbers import plain
from slipway.untrusted import quote

MEANING = (
    "Loss in {name} if a feature is shuffled, on at most 5,000 evenly spaced rows of the holdout. "
    "Correlated features share their importance."
)


def importance_table(found: Sequence[Importance], task: str, confidence: float) -> Table:
    """Return the losses by feature with their intervals, the champion next to the challenger."""
    name = ALL[headline_of(task)[0]].label
    has_champion = any(each.champion for each in found)
    rows: list[list[Cell]] = [
        [quote(each.feature), _cell(each.loss), *([_cell(each.champion)] * has_champion)]
        for each in found
    ]
    head = ["feature", f"loss in {name}", *(["champion"] * has_champion)]
    numbers = frozenset(range(1, len(head)))
    return Table(head, rows, numbers, caption=f"With {confidence:.0%} intervals")


def meaning(task: str) -> str:
    """Return what the numbers of the table are."""
    return MEANING.format(name=ALL[headline_of(task)[0]].label)


def _cell(loss: Loss | None) -> Cell:
    if loss is None:
        return ""
    if loss.low is None or loss.high is None:
        return plain(loss.value)
    return plain(loss.value), f"{plain(loss.low)} to {plain(loss.high)}"
