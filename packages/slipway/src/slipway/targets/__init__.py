"""The deployment targets. A new one is a module here and an entry in `TARGETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from slipway.errors import SlipwayError

if TYPE_CHECKING:
    from slipway.release.target import Target
    from slipway.settings import Params


class Access(Enum):
    """What a job of the workflows needs to reach a target (`slipway.github.host`)."""

    RUNNER = auto()  # nothing: it is the runner, or the runner reaches it
    ADDRESS = auto()  # the address of the server, and a key for SSH
    KUBECONFIG = auto()  # a secret, or what an earlier step of the workflow has set up


@dataclass(frozen=True)
class Entry:
    """A target: how it is made of its name and the settings, and how a job reaches it."""

    make: Callable[[str, Params], Target]
    access: Access = Access.RUNNER


def _docker(name: str, params: Params) -> Target:
    from slipway.targets.docker.target import DockerTarget

    return DockerTarget.of(name, params)


def _kubernetes(_name: str, params: Params) -> Target:
    from slipway.targets.kubernetes.target import KubernetesTarget

    return KubernetesTarget(params)


# The modules are imported by the command that needs them.
TARGETS = {
    "local": Entry(_docker),
    "host": Entry(_docker, Access.ADDRESS),
    "kubernetes": Entry(_kubernetes, Access.KUBECONFIG),
}


def names() -> str:
    """Return the names of all targets, for a sentence."""
    *first, last = TARGETS
    return f"{', '.join(first)} or {last}"


def find_target(name: str, params: Params) -> Target:
    """Return a target by its name; `deploy.target` of params.yaml if that is empty."""
    name = name or params.deploy.target
    if name not in TARGETS:
        raise SlipwayError(f"target {name}: unknown", f"choose {names()}")
    return TARGETS[name].make(name, params)
