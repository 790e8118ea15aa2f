"""The result of one check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["ok", "wrong", "unknown", "note"]

SIGNS: dict[Kind, str] = {"ok": "✓", "wrong": "✕", "unknown": "?", "note": "·"}


@dataclass(frozen=True)
class Repair:
    """A change that `--fix` makes. It adds or enables a setting; it never relaxes one.

    Parameters
    ----------
    what
        The change, as an imperative.
    """

    what: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Finding:
    """The result of one check and how to fix it.

    Parameters
    ----------
    kind
        `unknown` if the check could not run; a `note` may be intended.
    do
        How to fix this one; the registry adds the fix of the check if it is empty.
    id, reason
        Of the check; the registry adds them.
    """

    kind: Kind
    what: str
    do: str = ""
    repair: Repair | None = None
    id: str = ""
    reason: str = ""

    def text(self) -> str:
        line = f"{SIGNS[self.kind]} {self.id}: {self.what}"
        if self.kind == "ok":
            return line
        return "\n".join([line, *(f"    {part}" for part in (self.reason, f"→ {self.do}") if part)])

    def to_json(self) -> dict[str, str | None]:
        return {
            "id": self.id,
            "kind": self.kind,
            "what": self.what,
            "reason": self.reason,
            "do": self.do,
            "repair": self.repair.what if self.repair else None,
        }
