"""`slipway rollback`: a release that ran before, again, by digest and with the same proof."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import replace

from slipway.deploy.engine import Engine, check, engine_of, ensure_proxy, pull
from slipway.deploy.outcome import Outcome, Say, Steps
from slipway.deploy.recover import in_order
from slipway.deploy.release import RAN, Record, write_releases
from slipway.deploy.reviewed import expected_of
from slipway.deploy.site import Site
from slipway.deploy.slot import tokens_for, tokens_of
from slipway.deploy.state import State
from slipway.deploy.swap import Plan, release
from slipway.deploy.tell import told
from slipway.docker import Container
from slipway.errors import YES, SlipwayError
from slipway.prove import Check, prove
from slipway.prove.prove import MANIFEST
from slipway.settings import Deploy, read_params


def rollback(target: str, to: str, say: Say) -> Outcome:
    """Give all traffic to an earlier release.

    Parameters
    ----------
    target
        ``local``, ``host`` or ``kubernetes``; `deploy.target` of params.yaml if empty.
    to
        Its name, commit or digest; the release before this one if empty.
    """
    settings = read_params().deploy
    steps = Steps(say, "Rollback")
    if (target or settings.target) == "kubernetes":
        from slipway.deploy import kubernetes

        return told(steps, lambda: kubernetes.rollback(to, settings, steps))
    engine = engine_of(target or settings.target, settings)
    return told(steps, lambda: _on_engine(engine, to, steps, say))


def _on_engine(engine: Engine, to: str, steps: Steps, say: Say) -> Outcome:
    with steps.step("engine") as step:
        step.words = check(engine)
        if engine.proxy.about() is None:
            raise SlipwayError(
                f"nothing is deployed on {engine.place}", "deploy something: `slipway deploy`"
            )
        ensure_proxy(engine, say)
    work = functools.partial(_swap, to=to, settings=engine.settings)
    return in_order(engine, f"rollback {to}".strip(), steps, say, work)


def _swap(site: Site, to: str, settings: Deploy) -> Outcome:
    state, live = site.state, site.state.live
    record = choose(to, state, site.history())
    if live and live.record.image == record.image:
        return Outcome(YES, f"{record.words()} runs already, since {live.record.at[:16]} UTC.")
    current = tokens_of(site.engine.slot(live.slot)) if live else ""
    tokens = tokens_for(current)
    slot = state.free_slot()
    waits = bool(state.standby) and state.standby.record.image == record.image  # type: ignore[union-attr]
    # One that knows other tokens would turn away everybody who has learned the new ones.
    running = waits and tokens_of(site.engine.slot(slot)) == tokens
    if not running:
        with site.step("image") as step:
            step.words = pull(record.image)
    reason = f"instead of {live.record.name}" if live else ""
    plan = Plan(
        what="rollback",
        record=replace(record.became("rolled back", reason), target=site.engine.target),
        slot=slot,
        tokens=tokens,
        prove=lambda container: _prove(container, record, settings),
        running=running,
        canary=False,
    )
    details = release(site, plan)
    write_releases(site.history())
    words = f"{record.words()} is live again on {site.engine.place}."
    return Outcome(YES, words, site.steps.done, details=details)


def choose(to: str, state: State, history: Sequence[Record]) -> Record:
    """Return the release that is meant.

    Raises
    ------
    SlipwayError
        None is, or several are.
    """
    live = state.live.record.image if state.live else ""
    ran = [record for record in history if record.event in RAN]
    if not to:
        if state.standby:
            return state.standby.record
        earlier = [record for record in ran if record.image != live]
        if not earlier:
            raise SlipwayError(
                "there is no earlier release to go back to", "`slipway status` tells the history"
            )
        return earlier[-1]
    found = {record.image: record for record in ran if _is_meant(record, to)}
    if len(found) == 1:
        return found.popitem()[1]
    names = ", ".join(dict.fromkeys(record.name for record in reversed(ran)))
    problem = "several releases" if found else "no release"
    raise SlipwayError(
        f"--to {to}: {problem} of that name, commit or digest ran here",
        f"choose one of: {names}; or give its whole digest" if names else "deploy one first",
    )


def _is_meant(record: Record, to: str) -> bool:
    digest = record.image.rpartition("@")[2]
    return (
        to == record.name
        or to in (record.image, digest)
        or (len(to) >= 7 and record.commit.startswith(to))
    )


def _prove(container: Container, record: Record, settings: Deploy) -> list[Check]:
    """Ask it the same as at its deployment, without the load that it has stood already."""
    golden = json.loads(container.run("cat", MANIFEST))["golden"]
    expected = expected_of(record, golden)
    return prove(container, expected, settings, lambda _words: None, load=False)
