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

PATIENCE_MS = 500


@dataclass(frozen=True)
class Traffic:
    """Which slot answers what.

    Attributes
    ----------
    live
        The slot that answers; empty if none does.
    other
        The slot that answers while the live one is down: the standby, or a candidate.
    share
        Of the predictions, in parts of `FULL`, that the other slot answers: its canary.
    """

    live: str = ""
    other: str = ""
    share: int = 0

    def weights(self) -> dict[str, int]:
        """Return the weight of each server of the proxy's configuration."""
        found = {}
        for slot in SLOTS:
            found[f"slots/{slot}"] = FULL * (slot == self.live)
            found[f"slots/{slot}-backup"] = FULL * (slot == self.other)
            found[f"candidate/{slot}"] = self.share * (slot == self.other)
        return found

    def to_commands(self) -> str:
        """Return the commands that share the traffic like this, in one go.

        The larger weights come first: at no moment does nobody have the traffic.
        """
        ordered = sorted(self.weights().items(), key=lambda item: -item[1])
        return "; ".join(f"set server {server} weight {weight}" for server, weight in ordered)


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

    def traffic(self) -> Traffic:
        return Traffic(
            live=self.live.slot if self.live else "",
            other=self.standby.slot if self.standby else "",
        )

    def to_config(self, prefix: str, patience_ms: int = PATIENCE_MS) -> str:
        """Return the proxy's configuration.

        Parameters
        ----------
        patience_ms
            Within which a candidate must answer, else the live version is asked instead.
        """
        placed = {
            "live": self.live and self.live.to_json(),
            "standby": self.standby and self.standby.to_json(),
        }
        template = Path(__file__).with_name(CONFIG).read_text("utf-8")
        traffic = self.traffic()
        return template.format(
            state=json.dumps(placed),
            prefix=prefix,
            candidate_ms=patience_ms,
            **{slot: FULL * (slot == traffic.live) for slot in SLOTS},
            **{f"{slot}_backup": FULL * (slot == traffic.other) for slot in SLOTS},
        )

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
