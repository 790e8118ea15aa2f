"""What the page is made of, and how it words names, spans and digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from slipway.page.inputs import Inputs, Row


@dataclass(frozen=True)
class Figure:
    """A chart: `name` is its file's, `caption` says how to read it."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Table:
    """Cells are text and a small second line; the first cell of a row heads it."""

    caption: str
    head: list[str]
    rows: list[list[tuple[str, str]]]
    wide: bool = False


@dataclass(frozen=True)
class Card:
    """What the judge said of one change."""

    name: str
    tone: str
    headline: str
    lines: list[str]
    link: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page; one without input has `missing`, which says what makes it."""

    key: str
    title: str
    says: str = ""
    figures: list[Figure] = field(default_factory=list)
    table: Table | None = None
    cards: list[Card] = field(default_factory=list)
    missing: str = ""


@dataclass(frozen=True)
class Tile:
    label: str
    value: str
    note: str
    tone: str = ""


@dataclass(frozen=True)
class Header:
    target: str
    definition: str
    tiles: list[Tile]
    facts: list[tuple[str, str, str]]
    missing: str = ""


def first_sentence(text: str) -> str:
    """Return the first paragraph of a docstring, without the word `Return`."""
    words = " ".join(text.split("\n\n", 1)[0].split()).removeprefix("Return ")
    return words.rstrip(".")


def listed(names: Sequence[str], most: int) -> str:
    """Return some names and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def abridged(digest: str) -> str:
    return digest[:10]


def plain(text: str) -> str:
    """Return Markdown's code spans as plain words."""
    return text.replace("`", "")


def span(first: str, last: str) -> str:
    """Return a span of days as a person writes it: `1 to 31 October 2013`."""
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


def with_interval(estimate: Row) -> tuple[str, str]:
    return f"{estimate['value']:.3f}", f"{estimate['low']:.3f} to {estimate['high']:.3f}"
