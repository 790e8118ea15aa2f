"""An engine with its lock held: what should run there, and what is being done about it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from slipway.deploy.engine import Engine
from slipway.deploy.guard import Guard, GuardLost, Holder
from slipway.deploy.outcome import Say, Step, Steps
from slipway.deploy.release import Record, now, read_history, to_line, who
from slipway.deploy.state import CONFIG, DOING, HISTORY, State
from slipway.errors import SlipwayError

PROXY_SECONDS = 15.0


@dataclass
class Site:
    """What the steps of a release share."""

    engine: Engine
    guard: Guard
    steps: Steps
    say: Say
    state: State
    doing: dict[str, Any] | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run a step that whoever comes after a crash can read about."""
        if self.doing:
            self.doing["step"] = name
            self.guard.write(DOING, json.dumps(self.doing))
        with self.steps.step(name) as step:
            yield step

    def begin(self, what: str, record: Record, slot: str) -> None:
        """Write down what is about to be done, and what undoes it."""
        self.guard.undo_with(self.state.traffic())
        self.doing = {
            "what": what,
            "record": record.to_json(),
            "slot": slot,
            "by": who(),
            "since": now(),
        }

    def end(self) -> None:
        self.guard.remove(DOING)
        self.doing = None

    def keep(self, state: State) -> None:
        """Make this the state: from here on it is what a reboot and a crash come back to."""
        self.guard.write(CONFIG, state.to_config(self.engine.prefix, self.engine.patience_ms))
        self.state = state
        self.guard.undo_with(state.traffic())

    def history(self) -> list[Record]:
        return read_history(self.guard.read(HISTORY))

    def remember(self, record: Record) -> None:
        """Add a line to the history; on a full disk the state counts more than the line."""
        try:
            self.guard.append(HISTORY, to_line(record))
        except GuardLost:
            raise
        except SlipwayError as error:
            self.say(f"the history could not be written: {error}")


@contextmanager
def opened(engine: Engine, what: str, steps: Steps, say: Say) -> Iterator[Site]:
    """Hold the lock of an engine whose proxy runs.

    Raises
    ------
    Busy
        Somebody else has it.
    """
    with Guard(engine.proxy.name, Holder(who(), what, now())) as guard:
        _wait_for_api(guard)
        yield Site(engine, guard, steps, say, State.from_config(guard.read(CONFIG)))


def _wait_for_api(guard: Guard) -> None:
    deadline = time.monotonic() + PROXY_SECONDS
    while True:
        try:
            guard.api("show version")
        except GuardLost:
            raise
        except SlipwayError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
