"""What a report is made of: headline, paragraphs, tables, charts, and sections to unfold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# Two private characters that hold foreign text together until it is rendered.
OPEN, CLOSE = "\ue000", "\ue001"

QUOTED = re.compile(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column is flush left, those named in `numbers` flush right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Chart:
    """One line or bar a series, over labels; the same numbers always stand in a table too."""

    title: str
    labels: Sequence[str]
    y_label: str
    lines: Mapping[str, Sequence[float]] = field(default_factory=dict)
    bars: Sequence[float] = ()


Block = str | Table | Chart


@dataclass(frozen=True)
class Section:
    """Something to unfold. Sections that stand last are the first to be left out."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A report, ready to be rendered.

    Parameters
    ----------
    tone
        ``good``, ``bad`` or ``open``.
    foot
        Facts about where it comes from, in one line each.
    warning
        What stands above the headline and is never left out: a title, then paragraphs.
    """

    tone: str
    headline: str
    blocks: Sequence[Block]
    sections: Sequence[Section]
    foot: Sequence[str]
    warning: Sequence[str] = ()


def quote(text: object, limit: int = 60) -> str:
    """Return foreign text, marked, on one line, without what cannot be seen, cut to `limit`."""
    seen = "".join(
        " " if character.isspace() else character
        for character in str(text)
        if character.isspace() or not unicodedata.category(character).startswith("C")
    )
    line = " ".join(seen.split()) or "(empty)"
    return f"{OPEN}{line if len(line) <= limit else line[: limit - 1] + '…'}{CLOSE}"


def replace_quoted(text: str, how: Callable[[str], str], rest: Callable[[str], str]) -> str:
    """Return a text with foreign parts rendered by `how` and our own by `rest`."""
    parts = QUOTED.split(text)
    return "".join(how(part) if turn % 2 else rest(part) for turn, part in enumerate(parts))


def plain(text: str) -> str:
    """Return a text for a terminal."""
    return replace_quoted(text, str, lambda part: part.replace("**", ""))
