"""Whom the drift issue mentions: a variable names them, or else CODEOWNERS."""

from __future__ import annotations

import os
import re
from pathlib import Path

from slipway.texts import read_text

VARIABLE = "SLIPWAY_OWNER"

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")

# Patterns of the model's files. The last matching line counts, as on GitHub.
OF_THE_MODEL = ("*", "/src/", "src/", "/src/model/", "src/model/", "/src/model", "/src/model/*")

NAME = re.compile(r"@[A-Za-z0-9][A-Za-z0-9-]{0,38}(/[A-Za-z0-9._-]{1,100})?")


def owners(root: Path) -> list[str]:
    """Return the users and teams to mention, each as `@name` or `@team/name`; may be empty."""
    named = os.environ.get(VARIABLE, "").replace(",", " ").split()
    if not named:
        file = next((root / place for place in PLACES if (root / place).is_file()), None)
        named = _owners_of_the_model(read_text(file)) if file else []
    whole = (name if name.startswith("@") else f"@{name}" for name in named)
    return [name for name in whole if NAME.fullmatch(name)]


def _owners_of_the_model(text: str) -> list[str]:
    owners: list[str] = []
    for line in text.splitlines():
        pattern, *names = line.partition("#")[0].split() or [""]
        if pattern in OF_THE_MODEL:
            owners = names
    return owners
