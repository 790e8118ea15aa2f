"""The parts of a document. `text`, `markdown` and `html` render one.

Every string may hold untrusted parts, marked by `slipway.untrusted`, and bold, code and links of
our own. A string block whose lines begin with ``- `` is a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

# A text, or a text and a note below it.
Cell = str | tuple[str, str]

ICONS = {"good": "✅", "bad": "⛔", "open": "❔", "waiting": "⏳"}


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Parameters
    ----------
    numbers
        Columns that are aligned right.
    caption
        In a page: above the table, whose first column then heads its rows.
    wide
        In a page: over its full width.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: frozenset[int] = frozenset()
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Chart:
    """One line or bar a series, over labels; the same numbers are in a table too."""

    title: str
    labels: Sequence[str]
    y_label: str
    lines: Mapping[str, Sequence[float]] = field(default_factory=dict)
    bars: Sequence[float] = ()


@dataclass(frozen=True)
class Figure:
    """A chart that is drawn already: `name` is that of its file, `caption` explains it."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Tile:
    """One number with its label; `tone` colours it."""

    label: str
    value: str
    note: str
    tone: str = ""


@dataclass(frozen=True)
class Tiles:
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Facts:
    """Names and values; the full value is a tooltip."""

    facts: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Card:
    """A short report, with a link to the full one."""

    name: str
    tone: str
    headline: str
    lines: Sequence[str]
    link: str = ""


@dataclass(frozen=True)
class Cards:
    cards: Sequence[Card]


@dataclass(frozen=True)
class Missing:
    """A note that something does not exist yet, and what creates it."""

    text: str


Block = str | Table | Chart | Figure | Tiles | Facts | Cards | Missing


@dataclass(frozen=True)
class Section:
    """A part with a title; in a report it is folded. The last sections are the first left out.

    Parameters
    ----------
    key
        In a page: the anchor.
    """

    title: str
    blocks: Sequence[Block]
    key: str = ""


@dataclass(frozen=True)
class Document:
    """A report, or a page, ready to be rendered.

    Parameters
    ----------
    tone
        ``good``, ``bad``, ``open`` or ``waiting``.
    foot
        Facts about its origin, a line each.
    warning
        Above the headline and never left out: a title, then paragraphs.
    """

    tone: str
    headline: str
    blocks: Sequence[Block]
    sections: Sequence[Section]
    foot: Sequence[str]
    warning: Sequence[str] = ()

    def unfolded(self) -> Document:
        """Return the document with its sections as blocks, for a terminal."""
        blocks = [
            block
            for section in self.sections
            for block in ("", f"**{section.title}**", *section.blocks)
        ]
        return replace(self, blocks=[*self.blocks, *blocks], sections=[])
