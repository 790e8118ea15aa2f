"""Remove the service from an engine; its volumes are kept unless they are to be removed too."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

from slipway.containers import Container
from slipway.docker import docker, is_not_found
from slipway.errors import INCONCLUSIVE, YES, SlipwayError
from slipway.polling import wait_until
from slipway.release.outcome import Outcome, Steps
from slipway.targets.docker.engine import (
    LABEL,
    Engine,
    check_engine,
    networks_of,
    remove_network,
    users_of,
)
from slipway.targets.docker.lease import Holder, LeaseHeld
from slipway.targets.docker.session import open_session
from slipway.targets.docker.state import State

WHAT = "stop"

WAIT_SECONDS = 60.0
"""For another `slipway stop`: a proxy has 40 seconds to finish its requests."""


def remove_service(engine: Engine, steps: Steps, *, forget: bool) -> Outcome:
    """Remove proxy, releases and network; with `forget` also prediction log and history."""
    with steps.step("engine") as step:
        step.message = check_engine(engine)
    _release_traffic(engine, steps)
    removal = _Removal()
    with steps.step("stop") as step:
        _remove_containers(engine, removal)
        _remove_networks(engine, removal)
        step.message = removal.summary()
    if not forget:
        kept = f"The prediction log is in the volume {engine.log}, the history in {engine.state}."
        sentences = [f"Nothing of {engine.prefix} runs on {engine.place}.", *removal.failed, kept]
        return Outcome(YES, " ".join(sentences))
    removal.removed = []
    with steps.step("forget") as step:
        volumes = (engine.log, engine.checkpoints, engine.state)
        for volume in _names("volume", engine, "{{.Name}}", volumes):
            remove = functools.partial(docker, "volume", "rm", volume)
            removal.remove(f"the volume {volume}", remove)
        step.message = removal.summary()
    if removal.failed:
        return Outcome(
            INCONCLUSIVE, " ".join(removal.failed), do="remove that, then run this again"
        )
    gone = "The prediction log and the history are removed."
    return Outcome(YES, f"Nothing of {engine.prefix} is on {engine.place}. {gone}")


def _release_traffic(engine: Engine, steps: Steps) -> None:
    """Save a state without releases, unless another `slipway stop` removes the proxy.

    Raises
    ------
    LeaseHeld
        A deployment is running.
    """
    deadline, waits = time.monotonic() + WAIT_SECONDS, False
    while engine.proxy.is_running():
        try:
            with open_session(engine, WHAT, steps) as session:
                session.save(State())
            return
        except SlipwayError as error:
            late = time.monotonic() > deadline
            if _is_deployment(error) or (late and engine.proxy.is_running()):
                raise
            if not waits:
                steps.log(f"waiting up to {WAIT_SECONDS:g} s: {error}")
            waits = True
            time.sleep(0.2)


def _is_deployment(error: SlipwayError) -> bool:
    """Return whether the lease is held by another command than `slipway stop`."""
    return isinstance(error, LeaseHeld) and error.holder != Holder() and error.holder.what != WHAT


class _Removal:
    """What was removed, and a sentence for each failure."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.failed: list[str] = []

    def remove(self, name: str, work: Callable[[], object], reason: str = "") -> None:
        try:
            work()
        except SlipwayError as error:
            if is_not_found(error):  # another command has removed it meanwhile
                return
            self.failed.append(f"{name} could not be removed: {reason or error}.")
        else:
            self.removed.append(name)

    def summary(self) -> str:
        return " ".join([f"removed {', '.join(self.removed) or 'nothing'}.", *self.failed])


def _remove_containers(engine: Engine, removal: _Removal) -> None:
    # The proxy first: callers get an error at once instead of waiting.
    own = (engine.proxy, *engine.slots().values(), engine.setup)
    for name in _names("container", engine, "{{.Names}}", [container.name for container in own]):
        removal.remove(name, functools.partial(_remove_container, name))


def _remove_container(name: str) -> None:
    docker("stop", "-t", "30", name)
    try:
        docker("rm", "--force", name)
    except SlipwayError as error:
        if "already in progress" not in str(error):
            raise
        # Until another command has removed it, its volumes are in use.
        if not wait_until(lambda: Container(name).inspect() is None, WAIT_SECONDS, poll=0.1):
            raise SlipwayError("another command has been removing it for a minute") from None


def _remove_networks(engine: Engine, removal: _Removal) -> None:
    labelled = _list("network", "{{.ID}}", "--no-trunc", "--filter", f"label={_label(engine)}")
    for network in dict.fromkeys([*networks_of(engine), *labelled]):
        users = users_of(network)
        verb = "is" if len(users) == 1 else "are"
        reason = f"{', '.join(users)} {verb} in it" if users else ""
        remove = functools.partial(remove_network, network)
        removal.remove(f"the network {engine.network}", remove, reason)


def _names(kind: str, engine: Engine, template: str, names: Sequence[str]) -> list[str]:
    """Return those of the names that exist, in their sequence, and all others with the label."""
    options = ("--all",) if kind == "container" else ()
    existing = _list(kind, template, *options)
    labelled = _list(kind, template, *options, "--filter", f"label={_label(engine)}")
    return list(dict.fromkeys([*(name for name in names if name in existing), *labelled]))


def _list(kind: str, template: str, *options: str) -> list[str]:
    return docker(kind, "ls", *options, "--format", template).split()


def _label(engine: Engine) -> str:
    return f"{LABEL}={engine.prefix}"
