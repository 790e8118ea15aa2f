"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["ok", "wrong", "unknown", "note"]

SIGNS: dict[Kind, str] = {"ok": "✓", "wrong": "✕", "unknown": "?", "note": "·"}


@dataclass(frozen=True)
class Finding:
    """What is so, and what to do about it.

    Parameters
    ----------
    kind
        `unknown` could not be looked at; a `note` is how it is, and fine if you mean it.
    """

    kind: Kind
    what: str
    do: str = ""

    def text(self) -> str:
        line = f"{SIGNS[self.kind]} {self.what}"
        return f"{line}\n    → {self.do}" if self.do else line
