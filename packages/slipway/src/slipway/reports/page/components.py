"""Sections of the page, and the format of names, dates and hashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from slipway.documents.document import Block, Missing, Section
from slipway.metrics.registry import Metric
from slipway.reports.page.inputs import Inputs
from slipway.reports.task_texts import Metrics
from slipway.untrusted import quote_text


def section(key: str, title: str, *blocks: Block | None) -> Section:
    """Return a section of those blocks that exist."""
    return Section(title, [block for block in blocks if block], key)


def missing(key: str, title: str, text: str) -> Section:
    """Return a section without input; `text` names the command that makes it."""
    return Section(title, [Missing(text)], key)


def plain(text: object, limit: int = 600) -> str:
    """Return untrusted text without code spans."""
    return quote_text(text, limit, code=False)


def first_sentence(text: str) -> str:
    """Return the first paragraph of a docstring, without the word `Return`."""
    words = " ".join(text.split("\n\n", 1)[0].split()).removeprefix("Return ")
    return words.rstrip(".")


def listed(names: Sequence[str], most: int) -> str:
    """Return some names and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(plain, names[:most])) + more


def abridged(digest: str) -> str:
    return plain(digest[:10])


def span(first: str, last: str) -> str:
    """Return a span of days, such as `1 to 31 October 2013`."""
    start, end = date.fromisoformat(first[:10]), date.fromisoformat(last[:10])
    ending = f"{end.day} {end:%B %Y}"
    if start == end:
        return ending
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day} to {ending}"
    year = "" if start.year == end.year else f" {start.year}"
    return f"{start.day} {start:%B}{year} to {ending}"


def target_of(inputs: Inputs) -> str:
    return str(inputs.manifest["target"]["name"]) if inputs.manifest else "positive"


def with_interval(estimate: Metrics, metric: Metric) -> tuple[str, str]:
    value, low, high = (metric.shown(estimate[name]) for name in ("value", "low", "high"))
    return value, f"{low} to {high}"
