"""Put in order what a deployer that died, a reboot or a person has left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slipway.deploy.engine import Engine, ensure_proxy
from slipway.deploy.guard import GuardLost
from slipway.deploy.outcome import Outcome, Say, Steps
from slipway.deploy.release import RAN, Record
from slipway.deploy.site import Site, opened
from slipway.deploy.slot import wait_until_ready
from slipway.deploy.state import DOING, Placed
from slipway.docker import Container, docker
from slipway.errors import NO_ANSWER, SlipwayError

RELOCK_SECONDS = 15.0

OUTDATED = "the proxy runs with the configuration of an earlier version of Slipway"


def in_order(
    engine: Engine, what: str, steps: Steps, say: Say, work: Callable[[Site], Outcome]
) -> Outcome:
    """Hold the lock, put in order what is left over, then work.

    When the line is cut and the engine lives (the proxy was restarted), the lock is taken once
    more to put things in order.
    """
    try:
        with opened(engine, what, steps, say) as site:
            with steps.step("recover") as step:
                _check_proxy(site)
                step.words = recover(site)
            return work(site)
    except GuardLost as lost:
        say(f"{lost}: looking whether the engine is still there")
        return Outcome(NO_ANSWER, _after_loss(engine, steps, say, lost), do=lost.do)


def _after_loss(engine: Engine, steps: Steps, say: Say, lost: GuardLost) -> str:
    deadline = time.monotonic() + RELOCK_SECONDS
    while True:
        try:
            if engine.proxy.about() is None:
                return f"{lost}: somebody removed the proxy, and with it the release."
            ensure_proxy(engine, say)
            with opened(engine, "recover", steps, say) as site, steps.step("recover") as step:
                step.words = recover(site)
                live = site.state.live
                runs = f"{live.record.words()} answers" if live else "nothing runs"
                return f"{lost}, and was found again: {step.words}; {runs}."
        except SlipwayError as error:
            if time.monotonic() > deadline:
                return (
                    f"{lost}, and it cannot be reached: {error}. The engine gives all traffic "
                    "back to what had it before."
                )
            time.sleep(1)


def recover(site: Site) -> str:
    """Make the engine what its state says; return what was done, in words.

    Nothing is done that a second run would not do again: a crash in here is recovered too.
    """
    said = [_finish_or_undo(site), _live_runs(site), _standby_runs(site), _clear(site)]
    site.guard.share(site.state.traffic())
    return "; ".join(filter(None, said)) or "nothing was left over"


def _check_proxy(site: Site) -> None:
    """Refuse to work with a proxy that was started before it knew of candidates."""
    if "candidate" in site.guard.api("show backend").split():
        return
    site.keep(site.state)
    raise SlipwayError(OUTDATED, f"{_restart(site.engine.proxy)}; then run this again")


def outdated_proxy(proxy: Container, config: str) -> str:
    """Return what is needed where a proxy runs with the configuration of version 0.1.

    Parameters
    ----------
    config
        What a restart would read: a restart alone brings the old configuration back.
    """
    if "\nbackend candidate\n" in config:
        return f"{OUTDATED}: {_restart(proxy)}"
    return (
        f"{OUTDATED}: run `slipway deploy`, which writes the new one and stops (exit code 2), then "
        f"{_restart(proxy)}, and run `slipway deploy` again"
    )


def _restart(proxy: Container) -> str:
    return f"restart it once, with a pause of about a second: `docker restart -t 5 {proxy.name}`"


def _finish_or_undo(site: Site) -> str:
    doing = _read(site.guard.read(DOING))
    if doing is None:
        return ""
    site.guard.share(site.state.traffic())
    record, live = Record.from_json(doing["record"]), site.state.live
    who = f"the {doing['what']} of {doing['by']} that died in the step `{doing.get('step')}`"
    if live and live.record.image == record.image and live.record.at >= doing["since"]:
        said = f"finished {who}: {record.words()} has all traffic"
        if not any(it.at == live.record.at and it.event in RAN for it in site.history()):
            site.remember(live.record)
    else:
        said = f"undid {who}: {record.words()} got no further"
        site.remember(
            record.became("undone", f"its deployer died in the step `{doing.get('step')}`")
        )
    site.end()
    return said


def _live_runs(site: Site) -> str:
    live = site.state.live
    if not live or _runs(site, live):
        return ""
    container = site.engine.slot(live.slot)
    try:
        docker("start", container.name)
        wait_until_ready(site.engine, site.guard, live.slot)
    except SlipwayError as error:
        site.keep(replace(site.state, live=None))
        return f"{live.record.words()} had stopped and does not start: {error}"
    return f"{live.record.words()} had stopped: started it again"


def _standby_runs(site: Site) -> str:
    standby = site.state.standby
    if not standby or _runs(site, standby):
        return ""
    site.keep(replace(site.state, standby=None))
    return f"{standby.record.words()} no longer waits as standby"


def _clear(site: Site) -> str:
    """Remove what is in a slot that should be empty."""
    kept = {placed.slot for placed in (site.state.live, site.state.standby) if placed}
    removed = []
    for slot, container in site.engine.slots().items():
        if slot not in kept and container.about():
            docker("rm", "--force", container.name)
            removed.append(container.name)
    return f"removed {' and '.join(removed)}" if removed else ""


def _runs(site: Site, placed: Placed) -> bool:
    about = site.engine.slot(placed.slot).about()
    return bool(about and about["State"]["Running"])


def _read(text: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(text)
        Record.from_json(found["record"])
    except (ValueError, KeyError, TypeError):
        return None  # nothing, or what a full disk left of it
    return found
