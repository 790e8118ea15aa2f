"""Which rows are held out: the newest periods; a share of the entities or keys; or a column's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import project
from slipway.dataset.csv_format import Stated
from slipway.dataset.periods import Unit, parse_name, starts_of
from slipway.dataset.table import HELD_OUT, Table, by_column, by_hash, by_time
from slipway.errors import SlipwayError
from slipway.untrusted import shown, shown_name

if TYPE_CHECKING:
    from slipway.settings import Holdout, Params

# Held out where there is no time and nothing is set.
SHARE = 0.2


# Of the rows of a usual period: newest ones with fewer have only begun.
FEWEST_ROWS = 0.05


def divide(files: Sequence[Path], params: Params) -> tuple[Table, int]:
    """Return the rows of some files in parts, and how many of the last parts are held out.

    Raises
    ------
    SlipwayError
        Nothing is left to learn from, or nothing is held out; a setting needs an event time that
        the project does not have; or a file cannot be read.
    """
    prepare, stated = params.prepare, params.data
    rule = prepare.rule
    if project.event_time() is None:
        check_without_time(params)
    if rule.column is not None:
        return _by_column(files, rule.column, str(rule.value), stated), 1
    if rule.by is not None or project.event_time() is None:
        return _by_hash(files, rule, stated), 1
    table = by_time(files, prepare.unit, stated)
    if rule.share is not None:
        held = _newest_share(table, rule.share)
    elif rule.from_ is not None:
        held = _since(table, np.datetime64(rule.from_, "D"))
    else:
        held = rule.periods or 1
    if held >= len(table.names):
        what = f"{len(table.names)} {table.unit}(s) of data ({_span(table)}), of which params.yaml"
        raise SlipwayError(
            f"{what} holds out {held}",
            "add data, hold out less (`prepare.holdout` or `prepare.holdout_months`), or set a "
            "shorter `prepare.period`",
        )
    if rule.periods or not prepare.holdout:
        _refuse_a_begun_period(table, held)
    return table, held


def check_without_time(params: Params) -> None:
    """Refuse settings of periods, which a project without an event time does not have.

    Raises
    ------
    SlipwayError
        Names the setting.
    """
    prepare, rule = params.prepare, params.prepare.holdout
    given = {
        "prepare.period": prepare.period != "auto",
        "prepare.holdout_months": prepare.holdout_months is not None,
        "prepare.holdout.periods": rule is not None and rule.periods is not None,
        "prepare.holdout.from": rule is not None and rule.from_ is not None,
        "validate.rows_per_month": "rows_per_month" in params.validate_.model_fields_set,
    }
    for name in (name for name, is_set in given.items() if is_set):
        raise SlipwayError(
            f"params.yaml: `{name}` is set, and `EVENT_TIME` of {project.SCHEMA} is None, "
            "so rows have no periods",
            f"remove it (the default is `prepare.holdout: {{share: {SHARE}}}`), or name the column "
            "with the time of the event",
        )


def _by_hash(files: Sequence[Path], rule: Holdout, stated: Stated) -> Table:
    entity, share = project.entity(), rule.share or SHARE
    if rule.by is not None and not entity:
        raise SlipwayError(
            f"params.yaml: `prepare.holdout.by` is entity, and `CLUSTERS` of {project.SCHEMA} "
            "names no column of one",
            'name it, such as `CLUSTERS = ["customer_id"]`',
        )
    table = by_hash(files, share, entity, stated)
    if len(table.names) < 2 or HELD_OUT not in table.names:
        what = "every row is held out" if HELD_OUT in table.names else "no row is held out"
        raise SlipwayError(
            f"{what} by the {table.by} (rows: {int(table.rows.sum()):,})",
            f"set another `share` in `prepare.holdout` of params.yaml, or name a column with more "
            f"values in `CLUSTERS` of {project.SCHEMA}",
        )
    return table


def _refuse_a_begun_period(table: Table, held: int) -> None:
    """Refuse newest periods with far fewer rows than others: a month of which hours are there.

    They are the last hours of the month before, by another time zone; or the data ends early in a
    period.
    """
    usual, rows = float(np.median(table.rows[:-held])), int(table.rows[-held:].sum())
    if rows < FEWEST_ROWS * usual * held:
        raise SlipwayError(
            f"too few rows would be held out: {rows:,}, of {' and '.join(table.names[-held:])}; a "
            f"{table.unit} before has {usual:,.0f}",
            "check `TIME_ZONE` in src/model/schema.py, in which periods begin; or set "
            "`prepare.holdout` in params.yaml to a share, or to more periods",
        )


def _newest_share(table: Table, share: float) -> int:
    """Return the fewest newest periods that have a share of the rows."""
    newest_first = np.cumsum(table.rows[::-1])
    return int(np.searchsorted(newest_first, share * newest_first[-1])) + 1


def _since(table: Table, day: np.datetime64) -> int:
    """Return the number of periods from a day on, which must be the first of one."""
    unit: Unit = table.unit or "day"
    if starts_of(np.array([day]), unit)[0] != day:
        raise SlipwayError(
            f"params.yaml: `prepare.holdout.from` is {day}, which is not the first day of a {unit}",
            "name the first day of a period, or set `prepare.period: day`",
        )
    held = len([name for name in table.names if _start(name) >= day])
    if not held:
        raise SlipwayError(
            f"no row is of {day} or later (the data is of {_span(table)}), so nothing is held out",
            "set an earlier `prepare.holdout.from` in params.yaml",
        )
    return held


def _start(name: str) -> np.datetime64:
    start, _ = parse_name(name) or (np.datetime64("NaT"), "day")
    return start


def _span(table: Table) -> str:
    first, last = table.names[0], table.names[-1]
    return first if first == last else f"{first} to {last}"


def _by_column(files: Sequence[Path], column: str, value: str, stated: Stated) -> Table:
    table = by_column(files, column, value, project.entity(), stated)
    is_held = HELD_OUT in table.names
    if len(table.names) < 2 or not is_held:
        which = "every row" if is_held else "no row"
        raise SlipwayError(
            f"column {shown_name(column)} is {shown(value)} in {which}, so "
            f"{'nothing is left to learn from' if is_held else 'nothing is held out'}",
            "correct `prepare.holdout` in params.yaml",
        )
    return table
