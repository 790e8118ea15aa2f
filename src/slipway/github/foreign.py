"""Untrusted text in the sentences of a report, escaped for Markdown."""

from __future__ import annotations

import re

from slipway.report.document import quote

MARKUP = re.compile(r"[\\*_{}\[\]<>~!&]")

# GitHub links these by itself, and an @ calls somebody.
LINKED = re.compile(r"(@|#|(?<=[a-z])://|\bwww\.)", re.IGNORECASE)

MOST = 600


def safe(text: object, limit: int = MOST) -> str:
    """Return a sentence with its code spans as code and everything else as mere letters."""
    line = " ".join(str(text).split())[:limit]
    parts = line.split("`")
    return "".join(
        quote(part, limit) if turn % 2 and turn < len(parts) - 1 else _letters(part)
        for turn, part in enumerate(parts)
    )


def _letters(text: str) -> str:
    shown = "".join(letter for letter in text if letter.isprintable())
    escaped = MARKUP.sub(lambda found: f"&#{ord(found[0])};", shown)
    # A space that nobody sees ends what GitHub would take for an address or a name.
    return LINKED.sub("\\1\N{ZERO WIDTH SPACE}", escaped).replace("|", "¦")
