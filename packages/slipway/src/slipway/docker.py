"""A Docker engine through its own command: this machine's, or the one that DOCKER_HOST names."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import AliasPath, BaseModel, ConfigDict, Field

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


class _Part(BaseModel):
    """A part of the output of ``docker inspect``, of which other keys are ignored."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)


class ContainerState(_Part):
    """The state of a container or of a pod's container.

    Attributes
    ----------
    exit_code
        Of its last end; None before that.
    """

    running: bool = Field(validation_alias="Running")
    restarting: bool = Field(default=False, validation_alias="Restarting")
    out_of_memory: bool = Field(default=False, validation_alias="OOMKilled")
    exit_code: int | None = Field(default=None, validation_alias="ExitCode")

    @property
    def stable(self) -> bool:
        """Whether it runs and is not being restarted."""
        return self.running and not self.restarting


class Network(_Part):
    """A network of a container, and its address there."""

    address: str = Field(default="", validation_alias="IPAddress")


class HostPort(_Part):
    """An address and port of the host that lead to a container."""

    address: str = Field(validation_alias="HostIp")
    port: str = Field(validation_alias="HostPort")


class Inspected(_Part):
    """The result of ``docker container inspect``; what a container does not have is empty."""

    state: ContainerState = Field(validation_alias="State")
    restarts: int | None = Field(default=None, validation_alias="RestartCount")
    environment: list[str] | None = Field(default=None, validation_alias=AliasPath("Config", "Env"))
    networks: dict[str, Network] = Field(
        default={}, validation_alias=AliasPath("NetworkSettings", "Networks")
    )
    ports: dict[str, list[HostPort] | None] | None = Field(
        default=None, validation_alias=AliasPath("HostConfig", "PortBindings")
    )

    def is_published_at(self, address: str, port: int) -> bool:
        """Return whether an address and port of the host lead to the container."""
        expected = HostPort(address=address, port=str(port))
        return any(expected in (each or ()) for each in (self.ports or {}).values())


@dataclass(frozen=True)
class Container:
    """A container of the engine, by its name."""

    name: str

    def inspect(self) -> Inspected | None:
        """Return the result of ``docker inspect``, or None if there is no such container."""
        try:
            (found,) = json.loads(docker("container", "inspect", self.name))
        except SlipwayError as error:
            if is_not_found(error):
                return None
            raise
        return Inspected.model_validate(found)

    def state(self) -> ContainerState | None:
        """Return its state, or None if there is no such container."""
        inspected = self.inspect()
        return inspected.state if inspected else None

    def is_running(self) -> bool:
        state = self.state()
        return state is not None and state.running

    def run(self, *command: str, stdin: str | None = None, seconds: float = SECONDS) -> str:
        """Run a command in the container and return its output."""
        return docker("exec", "-i", self.name, *command, stdin=stdin or "", seconds=seconds)

    def python(self, source: str, stdin: str = "", seconds: float = SECONDS) -> str:
        """Run a Python program in the container; it may use the standard library only."""
        return self.run("python3", "-c", source, stdin=stdin, seconds=seconds)

    def output(self, lines: int = 20) -> str:
        """Return the last lines of the container's log."""
        done = subprocess.run(
            ["docker", "logs", "--tail", str(lines), self.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout.decode("utf-8", "replace").strip()

    def remove(self) -> None:
        """Stop the container at once and remove it; one that does not exist is no error."""
        docker("rm", "--force", "--volumes", self.name)
