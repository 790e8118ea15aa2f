"""The sections of params.yaml as text, with their comments."""

from __future__ import annotations

import re


def sections_of(text: str) -> dict[str, str]:
    """Return the sections of a YAML file by their names; what is before them has the name ''."""
    parts = re.split(r"(?m)^(?=[A-Za-z_]+:)", text)
    return {part.split(":")[0] if at else "": part.rstrip() + "\n" for at, part in enumerate(parts)}
