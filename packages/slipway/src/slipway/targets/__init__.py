"""The deployment targets. A new one is a module here and an entry in `TARGETS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from slipway.errors import SlipwayError

if TYPE_CHECKING:
    from slipway.release.target import Target
    from slipway.settings import Params


def _docker(name: str, params: Params) -> Target:
    from slipway.targets.docker.target import DockerTarget

    return DockerTarget.of(name, params)


def _kubernetes(_name: str, params: Params) -> Target:
    from slipway.targets.kubernetes.target import KubernetesTarget

    return KubernetesTarget(params)


# The modules are imported by the command that needs them.
TARGETS: dict[str, Callable[[str, Params], Target]] = {
    "local": _docker,
    "host": _docker,
    "kubernetes": _kubernetes,
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
    return TARGETS[name](name, params)
