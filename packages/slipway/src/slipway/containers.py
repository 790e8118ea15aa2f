"""Containers of a Docker engine: their state, their addresses, commands in them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from pydantic import AliasPath, BaseModel, ConfigDict, Field, ValidationError

from slipway.docker import SECONDS, docker, is_not_found
from slipway.errors import SlipwayError, first_fault


class _Part(BaseModel):
    """A part of the output of ``docker inspect``, of which other keys are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, validate_by_name=True)


class ContainerState(_Part):
    """The state of a container or of a pod's container.

    Attributes
    ----------
    exit_code
        Of its last end; None before that.
    """

    running: bool = Field(default=False, validation_alias="Running")
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

    address: str = Field(default="", validation_alias="HostIp")
    port: str = Field(default="", validation_alias="HostPort")


class Inspected(_Part):
    """The result of ``docker container inspect``; what a container does not have is None."""

    state: ContainerState = Field(validation_alias="State")
    restarts: int | None = Field(default=None, validation_alias="RestartCount")
    environment: list[str] | None = Field(default=None, validation_alias=AliasPath("Config", "Env"))
    networks: dict[str, Network] | None = Field(
        default=None, validation_alias=AliasPath("NetworkSettings", "Networks")
    )
    ports: dict[str, list[HostPort] | None] | None = Field(
        default=None, validation_alias=AliasPath("HostConfig", "PortBindings")
    )

    def address_in(self, network: str) -> str:
        """Return its address in a network; empty if it is in none of that name."""
        found = (self.networks or {}).get(network)
        return found.address if found else ""

    def is_published_at(self, address: str, port: int) -> bool:
        """Return whether an address and port of the host lead to the container."""
        expected = HostPort(address=address, port=str(port))
        return any(expected in (each or ()) for each in (self.ports or {}).values())


@dataclass(frozen=True)
class Container:
    """A container of the engine, by its name."""

    name: str

    def inspect(self) -> Inspected | None:
        """Return the result of ``docker inspect``, or None if there is no such container.

        Raises
        ------
        SlipwayError
            Names the first key that is not as an engine writes it.
        """
        try:
            (found,) = json.loads(docker("container", "inspect", self.name))
        except SlipwayError as error:
            if is_not_found(error):
                return None
            raise
        try:
            return Inspected.model_validate(found)
        except ValidationError as error:
            place, fault = first_fault(error)
            raise SlipwayError(
                f"docker container inspect {self.name}: `{place}`: {fault}",
                "use an engine that answers as Docker 20 or newer does",
            ) from None

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
