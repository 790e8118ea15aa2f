"""`slipway stop`: take the service off an engine; what it wrote stays unless it is to go too."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

from slipway.deploy.engine import (
    LABEL,
    Engine,
    check,
    engine_of,
    networks_of,
    remove_network,
    users_of,
)
from slipway.deploy.guard import Busy, Holder
from slipway.deploy.outcome import Outcome, Say, Steps
from slipway.deploy.site import opened
from slipway.deploy.state import State
from slipway.deploy.tell import told
from slipway.docker import Container, docker, is_not_there
from slipway.errors import NO_ANSWER, YES, SlipwayError
from slipway.settings import read_params

WHAT = "stop"

PATIENCE_SECONDS = 60.0
"""For another `slipway stop`: a proxy has 40 seconds to finish its requests."""


def stop(target: str, say: Say, *, forget: bool = False) -> Outcome:
    """Stop and remove proxy and releases; with `forget` also prediction log and history."""
    settings = read_params().deploy
    steps = Steps(say, "Removal")
    if (target or settings.target) == "kubernetes":
        from slipway.deploy import kubernetes

        return told(steps, lambda: kubernetes.stop(settings, steps, forget=forget))
    engine = engine_of(target or settings.target, settings)
    return told(steps, lambda: _stop(engine, steps, say, forget=forget))


def _stop(engine: Engine, steps: Steps, say: Say, *, forget: bool) -> Outcome:
    with steps.step("engine") as step:
        step.words = check(engine)
    _release_traffic(engine, steps, say)
    work = _Removal()
    with steps.step("stop") as step:
        _stop_containers(engine, work)
        _remove_networks(engine, work)
        step.words = work.words()
    if not forget:
        kept = f"The prediction log is in the volume {engine.log}, the history in {engine.state}."
        words = [f"Nothing of {engine.prefix} runs on {engine.place}.", *work.left, kept]
        return Outcome(YES, " ".join(words))
    work.removed = []
    with steps.step("forget") as step:
        for volume in _named("volume", engine, "{{.Name}}", (engine.log, engine.state)):
            work.remove(f"the volume {volume}", functools.partial(docker, "volume", "rm", volume))
        step.words = work.words()
    if work.left:
        return Outcome(NO_ANSWER, " ".join(work.left), do="remove that, then run this again")
    gone = "The prediction log and the history are gone."
    return Outcome(YES, f"Nothing of {engine.prefix} is on {engine.place}. {gone}")


def _release_traffic(engine: Engine, steps: Steps, say: Say) -> None:
    """Write down that nothing has the traffic, unless another `slipway stop` takes the proxy away.

    Raises
    ------
    Busy
        A release is under way.
    """
    deadline, waits = time.monotonic() + PATIENCE_SECONDS, False
    while _runs(engine.proxy):
        try:
            with opened(engine, WHAT, steps, say) as site:
                site.keep(State())
            return
        except SlipwayError as error:
            if _is_release(error) or (time.monotonic() > deadline and _runs(engine.proxy)):
                raise
            if not waits:
                say(f"waiting up to {PATIENCE_SECONDS:g} s: {error}")
            waits = True
            time.sleep(0.2)


def _is_release(error: SlipwayError) -> bool:
    """Return whether the lock is held by something else than another `slipway stop`."""
    return isinstance(error, Busy) and error.holder != Holder() and error.holder.what != WHAT


def _runs(container: Container) -> bool:
    about = container.about()
    return bool(about and about["State"]["Running"])


class _Removal:
    """What was removed, and a sentence for each thing that was not."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.left: list[str] = []

    def remove(self, thing: str, work: Callable[[], object], why: str = "") -> None:
        try:
            work()
        except SlipwayError as error:
            if is_not_there(error):  # somebody else has removed it meanwhile
                return
            self.left.append(f"{thing} could not be removed: {why or error}.")
        else:
            self.removed.append(thing)

    def words(self) -> str:
        return " ".join([f"removed {', '.join(self.removed) or 'nothing'}.", *self.left])


def _stop_containers(engine: Engine, work: _Removal) -> None:
    # The proxy first: callers are told at once that nobody is there, instead of waiting.
    own = (engine.proxy, *engine.slots().values(), engine.setup)
    for name in _named("container", engine, "{{.Names}}", [container.name for container in own]):
        work.remove(name, functools.partial(_stop_container, name))


def _stop_container(name: str) -> None:
    docker("stop", "-t", "30", name)
    try:
        docker("rm", "--force", name)
    except SlipwayError as error:
        if "already in progress" not in str(error):
            raise
        _wait_until_gone(Container(name))


def _wait_until_gone(container: Container) -> None:
    """Wait for a removal that another command began: until then its volumes are in use."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while container.about():
        if time.monotonic() > deadline:
            raise SlipwayError("another command has been removing it for a minute")
        time.sleep(0.1)


def _remove_networks(engine: Engine, work: _Removal) -> None:
    labelled = _listed("network", "{{.ID}}", "--no-trunc", "--filter", f"label={_mark(engine)}")
    for network in dict.fromkeys([*networks_of(engine), *labelled]):
        users = users_of(network)
        why = f"{', '.join(users)} is in it" if users else ""
        thing = f"the network {engine.network}"
        work.remove(thing, functools.partial(remove_network, network), why)


def _named(kind: str, engine: Engine, shown: str, names: Sequence[str]) -> list[str]:
    """Return what is there of some names, in their order, and all else that carries the label."""
    every = ("--all",) if kind == "container" else ()
    there = _listed(kind, shown, *every)
    labelled = _listed(kind, shown, *every, "--filter", f"label={_mark(engine)}")
    return list(dict.fromkeys([*(name for name in names if name in there), *labelled]))


def _listed(kind: str, shown: str, *options: str) -> list[str]:
    return docker(kind, "ls", *options, "--format", shown).split()


def _mark(engine: Engine) -> str:
    return f"{LABEL}={engine.prefix}"
