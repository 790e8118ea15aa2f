"""What the user states about a table, and what is left for a person to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from slipway.errors import SlipwayError
from slipway.setup.adopt.column import Column
from slipway.setup.adopt.table import Table
from slipway.untrusted import shown_name

# What an option is set to if there is no such column.
NONE = "none"


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


def column_of(table: Table, name: str, option: str) -> Column:
    """Return the column that an option names; raises SlipwayError if there is none."""
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
