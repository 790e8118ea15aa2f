"""What should run on an engine: kept in the proxy's own configuration.

One file says both what people are told and what the proxy does after a reboot, and it is
replaced in one move, so the two can never differ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.deploy.release import Record
from slipway.errors import SlipwayError

CONFIG = "haproxy.cfg"
HISTORY = "releases.jsonl"
DOING = "doing.json"

SLOTS = ("blue", "green")
FULL = 256
"""HAProxy's largest weight: all of the traffic."""


@dataclass(frozen=True)
class Placed:
    """A release in a slot."""

    slot: str
    record: Record

    def to_json(self) -> dict[str, Any]:
        return {"slot": self.slot, "record": self.record.to_json()}

    @classmethod
    def from_json(cls, found: dict[str, Any] | None) -> Placed | None:
        return cls(found["slot"], Record.from_json(found["record"])) if found else None


@dataclass(frozen=True)
class State:
    """The release that has the traffic, and the one before it that waits beside it."""

    live: Placed | None = None
    standby: Placed | None = None

    def free_slot(self) -> str:
        """Return where a candidate goes: never where the traffic is."""
        return other(self.live.slot) if self.live else SLOTS[0]

    def weights(self) -> dict[str, int]:
        return {slot: FULL if self.live and self.live.slot == slot else 0 for slot in SLOTS}

    def to_config(self, prefix: str) -> str:
        """Return the proxy's configuration."""
        placed = {
            "live": self.live and self.live.to_json(),
            "standby": self.standby and self.standby.to_json(),
        }
        template = Path(__file__).with_name(CONFIG).read_text("utf-8")
        return template.format(state=json.dumps(placed), prefix=prefix, **self.weights())

    @classmethod
    def from_config(cls, text: str) -> State:
        """Return the state that a configuration was written for.

        Raises
        ------
        SlipwayError
            It is not one of ours.
        """
        try:
            found = json.loads(text.partition("\n")[0].removeprefix("# "))
            return cls(Placed.from_json(found["live"]), Placed.from_json(found["standby"]))
        except (ValueError, KeyError, TypeError):
            raise SlipwayError(
                f"{CONFIG} in the state volume was not written by `slipway deploy`",
                "`slipway stop --forget` removes it with the history; then deploy anew",
            ) from None


def other(slot: str) -> str:
    return SLOTS[1 - SLOTS.index(slot)]


def to_commands(weights: dict[str, int]) -> str:
    """Return the commands that give the slots these weights, in one go.

    The larger one comes first: at no moment does nobody have the traffic.
    """
    ordered = sorted(weights.items(), key=lambda item: -item[1])
    return "; ".join(f"set server slots/{slot} weight {weight}" for slot, weight in ordered)
