"""The state of an engine: which releases should run, kept in the proxy's own configuration.

One file holds both the state and what the proxy does after a reboot, and it is replaced atomically,
so the two never differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.release.records import Record
from slipway.serving import CANDIDATE_BYTES

CONFIG = "haproxy.cfg"
HISTORY = "releases.jsonl"
DOING = "doing.json"

SLOTS = ("blue", "green")
FULL = 256
"""HAProxy's largest weight: all of the traffic."""

PATIENCE_MS = 500


@dataclass(frozen=True)
class Traffic:
    """The share of the traffic of each slot.

    Attributes
    ----------
    live
        The slot that answers; empty if none does.
    other
        The slot that answers while the live one is down: the standby, or a candidate.
    share
        Of the predictions, in parts of `FULL`, that the other slot gets in its canary.
    """

    live: str = ""
    other: str = ""
    share: int = 0

    def weights(self) -> dict[str, int]:
        """Return the weight of each server of the proxy's configuration."""
        weights = {}
        for slot in SLOTS:
            weights[f"slots/{slot}"] = FULL * (slot == self.live)
            weights[f"slots/{slot}-backup"] = FULL * (slot == self.other)
            weights[f"candidate/{slot}"] = self.share * (slot == self.other)
        return weights

    def to_commands(self) -> str:
        """Return the proxy's commands for these weights.

        The larger weights come first, so that a slot has the traffic at every moment.
        """
        ordered = sorted(self.weights().items(), key=lambda item: -item[1])
        return "; ".join(f"set server {server} weight {weight}" for server, weight in ordered)


@dataclass(frozen=True)
class Placed:
    """A release in a slot."""

    slot: str
    record: Record

    def to_json(self) -> dict[str, object]:
        return {"slot": self.slot, "record": self.record.to_json()}

    @classmethod
    def from_json(cls, found: Mapping[str, object] | None) -> Placed | None:
        return cls(str(found["slot"]), Record.from_json(found["record"])) if found else None


@dataclass(frozen=True)
class State:
    """The live release, and the one before it, which still runs as standby."""

    live: Placed | None = None
    standby: Placed | None = None

    @property
    def live_record(self) -> Record | None:
        return self.live.record if self.live else None

    @property
    def standby_record(self) -> Record | None:
        return self.standby.record if self.standby else None

    def free_slot(self) -> str:
        """Return the slot for a candidate: never that of the live release."""
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
            Within which a candidate must answer; then the request goes to the live version.
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
            candidate_bytes=CANDIDATE_BYTES,
            **{slot: FULL * (slot == traffic.live) for slot in SLOTS},
            **{f"{slot}_backup": FULL * (slot == traffic.other) for slot in SLOTS},
        )

    @classmethod
    def from_config(cls, text: str) -> State:
        """Return the state in a configuration."""
        try:
            found = json.loads(text.partition("\n")[0].removeprefix("# "))
            return cls(Placed.from_json(found["live"]), Placed.from_json(found["standby"]))
        except (ValueError, KeyError, TypeError):
            raise SlipwayError(
                f"{CONFIG} in the state volume was not written by `slipway deploy`",
                "`slipway stop --forget` removes it with the history; then deploy again",
            ) from None


def other(slot: str) -> str:
    return SLOTS[1 - SLOTS.index(slot)]
