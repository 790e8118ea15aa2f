"""The order of a release on an engine, and the way back from every step of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from slipway.deploy.canary import run_canary
from slipway.deploy.guard import GuardLost
from slipway.deploy.outcome import Step
from slipway.deploy.release import Record, now
from slipway.deploy.site import Site
from slipway.deploy.slot import (
    Unfit,
    check_alive,
    is_up,
    start,
    wait_until_ready,
    wait_until_up,
)
from slipway.deploy.state import Placed, State, Traffic
from slipway.docker import Container, docker
from slipway.errors import NO_ANSWER, SlipwayError
from slipway.prove import Check

Prove = Callable[[Container], Sequence[Check]]
Ask = Callable[[Container, Step], str]

LOG_LINES = 30


@dataclass(frozen=True)
class Plan:
    """How a release gets the traffic.

    Attributes
    ----------
    what
        ``deploy`` or ``rollback``.
    record
        What the history will say of it.
    slot
        Where it runs.
    running
        It runs there already: it is the standby.
    prove
        Asks it before it gets any traffic.
    shadow
        Asks it what the running version was asked, if that is wanted.
    canary
        Whether it begins with a small share.
    """

    what: str
    record: Record
    slot: str
    tokens: str
    prove: Prove
    running: bool = False
    shadow: Ask | None = None
    canary: bool = True


class Undone(SlipwayError):
    """The release did not happen, and all is as before.

    Parameters
    ----------
    exit_code
        1 when a gate stopped it, 2 when something else came in between.
    details
        Sections of Markdown.
    """

    def __init__(self, what: str, do: str, exit_code: int, details: list[str]) -> None:
        super().__init__(what, do)
        self.exit_code = exit_code
        self.details = details


def release(site: Site, plan: Plan) -> list[str]:
    """Bring a release to all of the traffic, or put everything back.

    Returns
    -------
    Sections of Markdown for the summary.

    Raises
    ------
    Undone
        With the reason.
    GuardLost
        The line to the engine is cut; whoever comes next recovers.
    """
    site.begin(plan.what, plan.record, plan.slot)
    try:
        details = _bring_up(site, plan)
        record = _switch(site, plan)
    except GuardLost:
        raise
    except (SlipwayError, KeyboardInterrupt) as error:
        raise _undo(site, plan, error) from error
    # It is so already; from here on nothing is undone.
    site.remember(record)
    site.end()
    return details


def _bring_up(site: Site, plan: Plan) -> list[str]:
    """Start it, prove it, and let it answer a share of the traffic."""
    container = site.engine.slot(plan.slot)
    details = []
    with site.step("start") as step:
        _start(site, plan)
        step.words = f"{container.name} is ready, the proxy sees it"
    with site.step("prove") as step:
        step.words = _checked(plan.prove(container))
    if site.state.live and plan.shadow:
        with site.step("shadow") as step:
            details.append(plan.shadow(container, step))
    if site.state.live and plan.canary and site.engine.settings.canary.seconds:
        with site.step("canary") as step:
            step.words, section = run_canary(site, plan.slot, plan.tokens)
            details.append(section)
    return [section for section in details if section]


def _start(site: Site, plan: Plan) -> None:
    if not plan.running:
        if site.state.standby and site.state.standby.slot == plan.slot:
            # The slot is needed; the release that waited in it stays in the history.
            site.keep(replace(site.state, standby=None))
            site.guard.share(site.state.traffic())
        site.guard.beat()
        start(site.engine, plan.slot, plan.record.image, plan.tokens)
    wait_until_ready(site.engine, site.guard, plan.slot)
    wait_until_up(site.engine, site.guard, plan.slot)


def _checked(checks: Sequence[Check]) -> str:
    failed = [check for check in checks if not check.ok]
    if failed:
        rows = [f"| {'✅' if it.ok else '❌'} | {it.name} | {it.words} |" for it in checks]
        table = "\n".join(["### Proof", "", "| | Check | |", "|---|---|---|", *rows])
        words = "; ".join(f"{check.name}: {check.words}" for check in failed)
        raise Unfit(f"it did not pass its proof: {words}", details=table)
    return ", ".join(check.name for check in checks)


def _switch(site: Site, plan: Plan) -> Record:
    """Give it all of the traffic, let the old one finish, and make that the state."""
    old = site.state.live
    with site.step("switch") as step:
        # It must come back after a reboot from the moment on that people depend on it.
        docker("update", "--restart", "unless-stopped", site.engine.slot(plan.slot).name)
        site.guard.share(Traffic(plan.slot, old.slot if old else ""))
        step.words = f"all traffic goes to {plan.record.words()}"
    if old:
        with site.step("drain") as step:
            step.words = _drain(site, plan.slot, old)
    with site.step("keep") as step:
        record = replace(plan.record, at=now())
        site.keep(State(live=Placed(plan.slot, record), standby=_standby(old, plan.slot)))
        step.words = "written down: a reboot comes back to this"
    return record


def _standby(old: Placed | None, slot: str) -> Placed | None:
    return old if old and old.slot != slot else None


def _drain(site: Site, slot: str, old: Placed) -> str:
    """Wait until the old version has answered what it was asked; the new one is watched."""
    seconds = site.engine.settings.drain_seconds
    deadline = time.monotonic() + seconds
    while True:
        servers = site.guard.servers()
        if not is_up(servers[slot]):
            check_alive(site.engine, slot)
        if (left := int(servers[old.slot]["scur"] or 0)) == 0:
            return f"{old.record.name} has nothing left to answer and stays as standby"
        if time.monotonic() > deadline:
            return f"{left} requests of {old.record.name} did not end within {seconds:g} s"
        time.sleep(0.1)


def _undo(site: Site, plan: Plan, error: SlipwayError | KeyboardInterrupt) -> Undone:
    """Put the traffic back first, then clear away what is left of the candidate."""
    site.guard.share(site.state.traffic())
    container = site.engine.slot(plan.slot)
    reason = str(error) or "stopped by hand"
    section = getattr(error, "details", "")
    details = [section] if section else []
    if not plan.running:
        if said := _last_words(container):
            details.append(said)
        docker("rm", "--force", container.name)
    site.remember(plan.record.became("undone", reason))
    site.end()
    live = site.state.live
    now_runs = f"{live.record.words()} answers as before" if live else "nothing runs, as before"
    return Undone(
        f"{plan.record.words()} was taken back: {reason}. {now_runs}.",
        getattr(error, "do", "") or "docs/deploy.md says what each stop means",
        getattr(error, "exit_code", NO_ANSWER),
        details,
    )


def _last_words(container: Container) -> str:
    said = container.output(LOG_LINES) if container.about() else ""
    if not said:
        return ""
    quoted = "\n".join(f"    {line}" for line in said.splitlines())
    return f"### Its last words\n\n{quoted}"
