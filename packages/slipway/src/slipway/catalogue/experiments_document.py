"""What was tried, as a document."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from slipway.catalogue.experiments import Experiment, Settings, differing
from slipway.documents.document import Block, Document, Table
from slipway.errors import SlipwayError
from slipway.metrics.registry import ALL
from slipway.numbers import counted, plain
from slipway.untrusted import quote, quote_text

SHOWN = 50
SUBJECT = 40

# Of the files that are no records.
NAMED = 3

ORDERS = ("date", "value", "verdict", "name")


def experiments_document(
    found: Sequence[Experiment],
    now: Settings | None,
    order: str = "date",
    unreadable: Sequence[str] = (),
) -> Document:
    """Return what was tried as a table.

    Parameters
    ----------
    now
        What the working tree would try; marked if it was tried before.
    order
        One of `ORDERS`, or the path of a setting.
    unreadable
        The files that should be records and are none.
    """
    notes = _skipped(unreadable)
    if not found:
        text = "Nothing was judged yet: `slipway judge --base main` leaves a record to commit."
        return Document("waiting", "No experiments", [text, *notes], [], [])
    same = [each for each in found if now is not None and each.is_same(now)]
    blocks: list[Block] = []
    if same:
        tried = ", ".join(f"{quote(each.commit[:7])} ({_outcome(each)})" for each in same[:3])
        blocks.append(f"**The working tree was tried before:** {tried}.")
    blocks.append(_table(in_order(found, order), same))
    if len(found) > SHOWN:
        further = counted(len(found) - SHOWN, "further one is", "further ones are")
        blocks.append(f"{further} in --json.")
    blocks += notes
    return Document("good", counted(len(found), "experiment"), blocks, [], [])


def _skipped(unreadable: Sequence[str]) -> list[str]:
    if not unreadable:
        return []
    more = f" and {len(unreadable) - NAMED} more" if len(unreadable) > NAMED else ""
    listed = ", ".join(quote(name, 120) for name in unreadable[:NAMED])
    files = counted(len(unreadable), "file is no record", "files are no records")
    return [f"**Not listed:** {files} of a judgement: {listed}{more}."]


def in_order(found: Sequence[Experiment], order: str) -> list[Experiment]:
    """Return experiments in the order of a column, the newest or best first.

    Raises
    ------
    SlipwayError
        There is no such column.
    """
    if order == "date":
        return sorted(found, key=lambda each: each.date, reverse=True)
    if order == "value":
        return sorted(found, key=_badness)
    if order in ("verdict", "name"):
        return sorted(found, key=lambda each: str(getattr(each, order)))
    paths = {path for each in found for path in each.settings}
    if order not in paths:
        shown = ", ".join([*ORDERS, *differing(found)[:8]])
        raise SlipwayError(f"--sort {order}: no such column", f"use one of: {shown}")
    return sorted(found, key=lambda each: _key(each.settings.get(order)))


def _key(value: object) -> tuple[bool, float, str]:
    """Return what sorts numbers as numbers, and before texts."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return False, float(value), ""
    return True, 0.0, str(value)


def _badness(each: Experiment) -> tuple[bool, str, float]:
    if each.value is None or each.primary not in ALL:
        return True, "", 0.0
    return False, each.primary, -ALL[each.primary].sign * each.value


def _table(found: Sequence[Experiment], same: Sequence[Experiment]) -> Table:
    paths = differing(found)
    head = ["Date", "Commit", "What", "Outcome", "Metric", "Value", "By", *map(quote, paths)]
    rows = [
        [
            each.date[:10],
            quote(each.commit[:7]) + (" (this tree)" if each in same else ""),
            quote(each.name, SUBJECT),
            _outcome(each),
            ALL[each.primary].label if each.primary in ALL else quote(each.primary),
            "" if each.value is None else plain(each.value),
            quote(each.author, SUBJECT),
            *(_setting(each.settings.get(path)) for path in paths),
        ]
        for each in found[:SHOWN]
    ]
    return Table(head, rows, frozenset({5}), wide=True)


def _outcome(each: Experiment) -> str:
    return quote_text(each.verdict) if each.kind == "judged" else "not judged"


def _setting(value: object) -> str:
    return "" if value is None else quote(orjson.dumps(value).decode(), SUBJECT)
