"""Which rows are held out: the newest periods, by number, share or date; or those of a column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway.dataset.csv_format import Stated
from slipway.dataset.periods import Unit, parse_name, starts_of
from slipway.dataset.table import Table, by_mark, by_time
from slipway.errors import SlipwayError
from slipway.untrusted import shown, shown_name

if TYPE_CHECKING:
    from slipway.project import Columns
    from slipway.settings import Prepare


# Of the rows of a usual period: newest ones with fewer have only begun.
FEWEST_ROWS = 0.05


def divide(files: Sequence[Path], prepare: Prepare, stated: Stated) -> tuple[Table, int]:
    """Return the rows of some files in parts, and how many of the last parts are held out.

    Raises
    ------
    SlipwayError
        Nothing is left to learn from, or nothing is held out; or a file cannot be read.
    """
    rule = prepare.rule
    if rule.column is not None:
        return _by_column(files, rule.column, str(rule.value), stated), 1
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


def _refuse_a_begun_period(table: Table, held: int) -> None:
    """Refuse newest periods with far fewer rows than others: a month of which hours are there.

    They are the last hours of the month before, by another time zone; or the data ends early in a
    period.
    """
    usual, rows = float(np.median(table.rows[:-held])), int(table.rows[-held:].sum())
    if rows < FEWEST_ROWS * usual * held:
        raise SlipwayError(
            f"{rows:,} rows would be held out, of {' and '.join(table.names[-held:])}; a "
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
    def is_held(columns: Columns) -> np.ndarray:
        return np.array([str(each) == value for each in columns[column].tolist()], dtype=bool)

    table = by_mark(files, [column], is_held, stated)
    learned, held = table.rows.tolist()
    if not learned or not held:
        which = "every row" if held else "no row"
        raise SlipwayError(
            f"column {shown_name(column)} is {shown(value)} in {which}, so "
            f"{'nothing is left to learn from' if held else 'nothing is held out'}",
            "correct `prepare.holdout` in params.yaml",
        )
    return table
