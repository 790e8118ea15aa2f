"""Restore the state of an engine after a deployer that died, a reboot or a manual change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from slipway.containers import Container
from slipway.docker import docker
from slipway.errors import INCONCLUSIVE, SlipwayError
from slipway.polling import wait_until
from slipway.release.outcome import Outcome, Steps
from slipway.release.records import releases_of
from slipway.release.status import Operation
from slipway.targets.docker.engine import Engine, ensure_proxy
from slipway.targets.docker.lease import LeaseLost
from slipway.targets.docker.session import Session, open_session
from slipway.targets.docker.slot import wait_until_ready
from slipway.targets.docker.state import DOING, Placed

RECONNECT_SECONDS = 15.0

OUTDATED = "the proxy runs with the configuration of an earlier version of Slipway"


def recover_then(
    engine: Engine, what: str, steps: Steps, work: Callable[[Session], Outcome]
) -> Outcome:
    """Hold the lease, restore the state, then run the work.

    When the connection is cut and the engine lives (the proxy was restarted), the lease is taken
    again to restore the state.
    """
    try:
        with open_session(engine, what, steps) as session:
            with steps.step("recover") as step:
                _check_proxy(session)
                step.message = recover(session)
            return work(session)
    except LeaseLost as lost:
        steps.log(f"{lost}: checking whether the engine can be reached")
        return Outcome(INCONCLUSIVE, _after_loss(engine, steps, lost), do=lost.do)


def _after_loss(engine: Engine, steps: Steps, lost: LeaseLost) -> str:
    failures: list[SlipwayError] = []

    def reconnect() -> str:
        try:
            if engine.proxy.inspect() is None:
                return f"{lost}: the proxy was removed, and with it the release."
            ensure_proxy(engine, steps.log)
            with open_session(engine, "recover", steps) as session, steps.step("recover") as step:
                step.message = recover(session)
                live = session.state.live_record
                runs = f"{live} answers" if live else "nothing runs"
                return f"{lost}, and restored: {step.message}; {runs}."
        except SlipwayError as error:
            failures.append(error)
            return ""

    return wait_until(reconnect, RECONNECT_SECONDS, poll=1) or (
        f"{lost}, and it cannot be reached: {failures[-1]}. The engine restores the traffic itself."
    )


def recover(session: Session) -> str:
    """Make the engine match its state; return what was done, in words.

    Every part can run twice: a crash in here is recovered too.
    """
    parts = (_finish_or_undo, _start_live, _check_standby, _clear_slots)
    done = [part(session) for part in parts]
    session.lease.share(session.state.traffic())
    return "; ".join(filter(None, done)) or "nothing to do"


def _check_proxy(session: Session) -> None:
    """Refuse to work with a proxy that was started by a version without canaries."""
    if "candidate" in session.lease.api("show backend").split():
        return
    session.save(session.state)
    raise SlipwayError(OUTDATED, f"{_restart(session.engine.proxy)}; then run this again")


def outdated_proxy(proxy: Container, config: str) -> str:
    """Return what to do where a proxy runs with the configuration of version 0.1.

    Parameters
    ----------
    config
        What the proxy would read at a restart: possibly the old configuration again.
    """
    if "\nbackend candidate\n" in config:
        return f"{OUTDATED}: {_restart(proxy)}"
    return (
        f"{OUTDATED}: run `slipway deploy`, which writes the new one and stops (exit code 2), then "
        f"{_restart(proxy)}, and run `slipway deploy` again"
    )


def _restart(proxy: Container) -> str:
    return f"restart it once, with a pause of about a second: `docker restart -t 5 {proxy.name}`"


def _finish_or_undo(session: Session) -> str:
    doing = read_operation(session.lease.read(DOING))
    if doing is None or doing.record is None:
        return ""
    session.lease.share(session.state.traffic())
    record, live = doing.record, session.state.live
    operation = f"the {doing.what} of {doing.by} that died in the step `{doing.step}`"
    if live and live.record.image == record.image and live.record.at >= doing.since:
        result = f"finished {operation}: {record} has all traffic"
        if not any(it.at == live.record.at for it in releases_of(session.history())):
            session.add_to_history(live.record)
    else:
        result = f"undid {operation}: {record}"
        reason = f"its deployer died in the step `{doing.step}`"
        session.add_to_history(record.with_event("undone", reason))
    session.end()
    return result


def _start_live(session: Session) -> str:
    live = session.state.live
    if not live or _runs(session, live):
        return ""
    container = session.engine.slot(live.slot)
    try:
        docker("start", container.name)
        wait_until_ready(session.engine, session.lease, live.slot)
    except SlipwayError as error:
        session.save(replace(session.state, live=None))
        return f"{live.record} had stopped and does not start: {error}"
    return f"{live.record} had stopped: started it again"


def _check_standby(session: Session) -> str:
    standby = session.state.standby
    if not standby or _runs(session, standby):
        return ""
    session.save(replace(session.state, standby=None))
    return f"{standby.record} is no longer the standby: it has stopped"


def _clear_slots(session: Session) -> str:
    """Remove containers from slots that should be empty."""
    state = session.state
    kept = {placed.slot for placed in (state.live, state.standby) if placed}
    removed = []
    for slot, container in session.engine.slots().items():
        if slot not in kept and container.inspect():
            docker("rm", "--force", container.name)
            removed.append(container.name)
    return f"removed {' and '.join(removed)}" if removed else ""


def _runs(session: Session, placed: Placed) -> bool:
    return session.engine.slot(placed.slot).is_running()


def read_operation(text: str) -> Operation | None:
    """Return the operation in `DOING`; None without one, or where a full disk cut the file."""
    try:
        return Operation.from_json(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None
