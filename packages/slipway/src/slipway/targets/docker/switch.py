"""A blue-green switch: start a release in the free slot, check it, and give it the traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from slipway.containers import Container
from slipway.docker import docker
from slipway.documents.document import Section
from slipway.errors import SlipwayError
from slipway.polling import wait_until
from slipway.release.outcome import Step, Undone, output_section
from slipway.release.records import Record, now
from slipway.release.smoke_test import Check, require_passed
from slipway.targets.docker.canary import run_canary
from slipway.targets.docker.lease import LeaseLost
from slipway.targets.docker.session import Session
from slipway.targets.docker.slot import check_running, is_up, start, wait_until_ready, wait_until_up
from slipway.targets.docker.state import Placed, State, Traffic

SmokeTest = Callable[[Container], Sequence[Check]]
ShadowTest = Callable[[Container, Step], list[Section]]

LOG_LINES = 30


@dataclass(frozen=True)
class Plan:
    """How a release gets the traffic.

    Attributes
    ----------
    what
        ``deploy`` or ``rollback``.
    record
        The event for the history.
    slot
        Where it runs.
    running
        It runs there already, as the standby.
    smoke_test
        Runs before it gets any traffic.
    shadow_test
        Scores the requests of the live release with it; returns sections of the summary.
    canary
        Whether it starts with a small share of the traffic.
    """

    what: str
    record: Record
    slot: str
    tokens: str
    smoke_test: SmokeTest
    running: bool = False
    shadow_test: ShadowTest | None = None
    canary: bool = True


def switch_to(session: Session, plan: Plan) -> list[Section]:
    """Give all traffic to a release, or restore everything.

    Returns
    -------
    Sections of the summary.

    Raises
    ------
    Undone
        A check or an error stopped it.
    LeaseLost
        The connection to the engine is cut; the next command recovers.
    """
    session.begin(plan.what, plan.record, plan.slot)
    try:
        details = _bring_up(session, plan)
        record = _switch(session, plan)
    except LeaseLost:
        raise
    except (SlipwayError, KeyboardInterrupt) as error:
        raise _undo(session, plan, error) from error
    # The state is saved; from here on nothing is undone.
    session.add_to_history(record)
    session.end()
    return details


def _bring_up(session: Session, plan: Plan) -> list[Section]:
    """Start it, test it, and let it answer a share of the traffic."""
    container = session.engine.slot(plan.slot)
    details: list[Section] = []
    with session.step("start") as step:
        _start(session, plan)
        step.message = f"{container.name} is ready, the proxy sees it"
    with session.step("smoke-test") as step:
        step.message = require_passed(plan.smoke_test(container))
    if session.state.live and plan.shadow_test:
        with session.step("shadow") as step:
            details += plan.shadow_test(container, step)
    if session.state.live and plan.canary and session.engine.settings.canary.seconds:
        with session.step("canary") as step:
            step.message, table = run_canary(session, plan.slot, plan.tokens)
            details += table
    return details


def _start(session: Session, plan: Plan) -> None:
    engine, state = session.engine, session.state
    if not plan.running:
        if state.standby and state.standby.slot == plan.slot:
            # The slot is needed; the standby stays in the history.
            session.save(replace(state, standby=None))
            session.lease.share(session.state.traffic())
        session.lease.beat()
        start(engine, plan.slot, plan.record.image, plan.tokens)
    wait_until_ready(engine, session.lease, plan.slot)
    wait_until_up(engine, session.lease, plan.slot)


def _switch(session: Session, plan: Plan) -> Record:
    """Give it all traffic, let the old one finish its requests, and save that as the state."""
    old = session.state.live
    with session.step("switch") as step:
        # From now on it must come back after a reboot.
        docker("update", "--restart", "unless-stopped", session.engine.slot(plan.slot).name)
        session.lease.share(Traffic(plan.slot, old.slot if old else ""))
        step.message = f"all traffic goes to {plan.record}"
    if old:
        with session.step("drain") as step:
            step.message = _drain(session, plan.slot, old)
    with session.step("keep") as step:
        record = replace(plan.record, at=now())
        standby = old if old and old.slot != plan.slot else None
        session.save(State(live=Placed(plan.slot, record), standby=standby))
        step.message = "saved: a reboot restores this"
    return record


def _drain(session: Session, slot: str, old: Placed) -> str:
    """Wait until the old version has answered its requests, and watch the new one."""
    seconds = session.engine.settings.drain_seconds
    left = 0

    def drained() -> bool:
        nonlocal left
        servers = session.lease.servers()
        if not is_up(servers[slot]):
            check_running(session.engine.slot(slot))
        left = int(servers[old.slot]["scur"] or 0)
        return left == 0

    if wait_until(drained, seconds, poll=0.1):
        return f"{old.record.name} has answered all its requests and stays as standby"
    return f"{left} requests of {old.record.name} did not end within {seconds:g} s"


def _undo(session: Session, plan: Plan, error: BaseException) -> Undone:
    """Restore the traffic first, then remove what is left of the candidate."""
    session.lease.share(session.state.traffic())
    container = session.engine.slot(plan.slot)
    output = ""
    if not plan.running:
        output = container.output(LOG_LINES) if container.inspect() else ""
        docker("rm", "--force", container.name)
    details = output_section("Last output of the candidate", output.splitlines())
    undone = Undone.by(error, details)
    session.add_to_history(plan.record.with_event("undone", str(undone)))
    session.end()
    return undone.of(plan.record, session.state.live_record, "docs/deploy.md")
