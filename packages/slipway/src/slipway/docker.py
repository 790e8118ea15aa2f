"""A Docker engine through its own command: this machine's, or the one that DOCKER_HOST names.

Uses only the standard library, as `slipway.github.live_release` does: nothing else may be installed
yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from slipway.errors import SlipwayError
from slipway.tool import Tool

SECONDS = 120  # an engine that went away must not block a release for ever

PULL_SECONDS = 1800.0

HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--log-driver", "local", "--log-opt", "max-size=10m", "--log-opt", "max-file=3"),
)

# The messages of the engine and its command about containers, images, networks and volumes.
NOT_FOUND = re.compile(
    r"\bno such (container|image|network|object|volume)|\bnot found\b", re.IGNORECASE
)

DOCKER = Tool(
    "docker",
    install="install Docker: https://docs.docker.com/engine/install/",
    check="check that the engine answers: `docker info` (with the same DOCKER_HOST)",
    advice={
        "cannot connect": "start the engine, or set DOCKER_HOST to the right one",
        "permission denied": "allow your user to use Docker: add it to the group `docker`",
        "no space left": "free space on its disk: `docker system df`, `docker image prune`",
        "unauthorized": "log in to the registry first: `docker login <registry>`",
        "denied": "log in to the registry with an account that has access: `docker login`",
        "connection refused": "check that the registry or the server named above is running",
        "no such host": "check the name of the server or registry",
        "could not resolve": "check the name of the server or registry",
    },
)


def docker(
    *arguments: str,
    stdin: str | bytes | None = None,
    seconds: float = SECONDS,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run ``docker …`` and return its output; parameters and errors as in `Tool.run`."""
    return DOCKER.run(*arguments, stdin=stdin, seconds=seconds, environment=environment)


def is_not_found(error: SlipwayError) -> bool:
    """Return whether Docker refused because the object that a command names does not exist."""
    return bool(NOT_FOUND.search(str(error)))


def has_image(image: str) -> bool:
    try:
        docker("image", "inspect", "--format", "{{.Id}}", image)
    except SlipwayError as error:
        if is_not_found(error):
            return False
        raise
    return True


def pull(image: str, built_by: str = "slipway build --image") -> str:
    """Make sure that the engine has an image; return how, in words."""
    if has_image(image):
        return "the engine has it"
    if image.startswith("sha256:"):
        raise SlipwayError(
            f"the engine has no image {image[:19]}…, and no registry has it",
            f"build it there (`{built_by}` with the same DOCKER_HOST), or set deploy.registry",
        )
    docker("pull", "--quiet", image, seconds=PULL_SECONDS)
    return f"pulled {image}"
