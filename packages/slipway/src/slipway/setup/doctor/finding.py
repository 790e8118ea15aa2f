"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["ok", "wrong", "unknown", "note"]

SIGNS: dict[Kind, str] = {"ok": "✓", "wrong": "✕", "unknown": "?", "note": "·"}


@dataclass(frozen=True)
class Finding:
    """The result of one check and how to fix it.

    Parameters
    ----------
    kind
        `unknown` if the check could not run; a `note` may be intended.
    """

    kind: Kind
    what: str
    do: str = ""

    def text(self) -> str:
        line = f"{SIGNS[self.kind]} {self.what}"
        return f"{line}\n    → {self.do}" if self.do else line
