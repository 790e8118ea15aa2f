"""`slipway stop`: take the service off an engine; what it wrote stays unless it is to go too."""

from __future__ import annotations

from slipway.deploy.engine import Engine, check, engine_of
from slipway.deploy.outcome import Outcome, Say, Steps
from slipway.deploy.site import opened
from slipway.deploy.state import State
from slipway.deploy.tell import told
from slipway.docker import docker
from slipway.errors import YES, SlipwayError
from slipway.settings import read_params


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
    about = engine.proxy.about()
    if about and about["State"]["Running"]:
        with opened(engine, "stop", steps, say) as site:
            site.keep(State())
    with steps.step("stop") as step:
        step.words = f"removed {', '.join(_remove(engine)) or 'nothing'}"
    kept = f"The prediction log is in the volume {engine.log}, the history in {engine.state}."
    if forget:
        with steps.step("forget") as step:
            volumes = [it for it in _names("volume") if it in (engine.log, engine.state)]
            if volumes:
                docker("volume", "rm", *volumes)
            step.words = f"removed {', '.join(volumes) or 'nothing'}"
        kept = "The prediction log and the history are gone."
    return Outcome(YES, f"Nothing of {engine.prefix} runs on {engine.place}. {kept}")


def _remove(engine: Engine) -> list[str]:
    removed = []
    # The proxy first: callers are told at once that nobody is there, instead of waiting.
    for container in (engine.proxy, *engine.slots().values()):
        if container.about() is not None:
            docker("stop", "-t", "30", container.name)
            docker("rm", "--force", container.name)
            removed.append(container.name)
    if engine.network in _names("network"):
        try:
            docker("network", "rm", engine.network)
        except SlipwayError:  # something else uses it: the TLS proxy, most likely
            return removed
        removed.append(f"the network {engine.network}")
    return removed


def _names(kind: str) -> list[str]:
    return docker(kind, "ls", "--format", "{{.Name}}").split()
