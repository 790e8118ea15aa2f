"""What a changelog has about the versions between two."""

from __future__ import annotations

import re
from collections.abc import Iterator

HEADING = re.compile(r"(?m)^(?=## )")
ENTRY = re.compile(r"(?m)^(?=- )")


def news(old: str, new: str) -> str:
    """Return the entries of a changelog that an older one does not have, with their headings."""
    known = {entry for _, entries in _sections(old) for entry in entries}
    parts = []
    for heading, entries in _sections(new):
        if added := [entry for entry in entries if entry not in known]:
            parts.append("\n".join([heading, "", *added]))
    return "\n\n".join(parts)


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    for section in HEADING.split(text):
        if section.startswith("## "):
            heading, *entries = ENTRY.split(section)
            yield heading.strip(), [entry.strip() for entry in entries]
