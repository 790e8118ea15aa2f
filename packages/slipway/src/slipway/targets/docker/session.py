"""A session: an engine with its lease held, its state, and the current operation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from slipway.errors import SlipwayError
from slipway.polling import wait_until
from slipway.release.outcome import Step, Steps
from slipway.release.records import Record, current_user, now, read_history
from slipway.release.status import Operation
from slipway.targets.docker.engine import Engine
from slipway.targets.docker.lease import Holder, Lease, LeaseLost
from slipway.targets.docker.state import CONFIG, DOING, HISTORY, State

PROXY_SECONDS = 15.0

Result = TypeVar("Result")


@dataclass
class Session:
    """What the steps of a release share."""

    engine: Engine
    lease: Lease
    steps: Steps
    state: State
    doing: Operation | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run a step; `DOING` names it after a crash."""
        if self.doing:
            self.doing = replace(self.doing, step=name)
            self.lease.write(DOING, json.dumps(self.doing.to_json()))
        with self.steps.step(name) as step:
            yield step

    def begin(self, what: str, record: Record, slot: str) -> None:
        """Note an operation, and the traffic that a crash restores."""
        self.lease.undo_with(self.state.traffic())
        self.doing = Operation(what, record, slot, current_user(), now())

    def end(self) -> None:
        self.lease.remove(DOING)
        self.doing = None

    def save(self, state: State) -> None:
        """Make this the state that a reboot or a crash restores."""
        self.lease.write(CONFIG, state.to_config(self.engine.prefix, self.engine.patience_ms))
        self.state = state
        self.lease.undo_with(state.traffic())

    def history(self) -> list[Record]:
        return read_history(self.lease.read(HISTORY))

    def add_to_history(self, record: Record) -> None:
        """Append an event; on a full disk the state matters more than the history."""
        try:
            self.lease.append(HISTORY, record.to_line())
        except LeaseLost:
            raise
        except SlipwayError as error:
            self.steps.log(f"the history could not be written: {error}")


@contextmanager
def open_session(engine: Engine, what: str, steps: Steps) -> Iterator[Session]:
    """Hold the lease of an engine whose proxy runs.

    Raises
    ------
    LeaseHeld
        Another command holds it.
    """
    with Lease(engine.proxy.name, Holder(current_user(), what, now())) as lease:
        _wait_for_api(lease)
        yield Session(engine, lease, steps, State.from_config(lease.read(CONFIG)))


def _wait_for_api(lease: Lease) -> None:
    if not wait_until(lambda: answer_or_none(lambda: lease.api("show version")), PROXY_SECONDS):
        lease.api("show version")  # raises the reason


def answer_or_none(request: Callable[[], Result]) -> Result | None:
    """Return the result of a request, or None if it failed for any reason but a lost lease."""
    try:
        return request()
    except LeaseLost:
        raise
    except SlipwayError:
        return None
