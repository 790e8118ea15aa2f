"""A Docker engine through its own command: this machine's, or the one that DOCKER_HOST names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.errors import SlipwayError

SECONDS = 120

# Of containers, images, networks and volumes, as the engine and its command word it.
NOT_THERE = re.compile(
    r"\bno such (container|image|network|object|volume)|\bnot found\b", re.IGNORECASE
)


def docker(
    *arguments: str,
    stdin: str | bytes | None = None,
    seconds: float = SECONDS,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run ``docker …`` and return what it printed.

    Parameters
    ----------
    seconds
        How long it may take: an engine that went away must not hold a release for ever.
    environment
        The whole environment of the command; that of this process if None.

    Raises
    ------
    SlipwayError
        There is no ``docker`` command, the engine cannot be reached, it took too long, or it
        refused; the message ends with what Docker said.
    """
    if shutil.which("docker") is None:
        raise SlipwayError(
            "there is no `docker` command here",
            "install Docker: https://docs.docker.com/engine/install/",
        )
    given = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            ["docker", *arguments],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            env=environment,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SlipwayError(
            f"`docker {arguments[0]}` did not end within {seconds:.0f} s",
            "see that the engine answers: `docker info` (with the same DOCKER_HOST)",
        ) from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise SlipwayError(f"`docker {arguments[0]}` failed: {_end_of(said)}", _advice(said))
    return done.stdout.decode("utf-8", "replace")


def is_not_there(error: SlipwayError) -> bool:
    """Return whether Docker refused because the engine does not have what a command names."""
    return bool(NOT_THERE.search(str(error)))


@dataclass(frozen=True)
class Container:
    """A container of the engine, by its name."""

    name: str

    def about(self) -> dict[str, Any] | None:
        """Return what ``docker inspect`` says of it, or None if there is no such container."""
        try:
            found: list[dict[str, Any]] = json.loads(docker("container", "inspect", self.name))
        except SlipwayError as error:
            if is_not_there(error):
                return None
            raise
        return found[0]

    def run(self, *command: str, stdin: str | None = None, seconds: float = SECONDS) -> str:
        """Run a command inside it and return what that printed."""
        return docker("exec", "-i", self.name, *command, stdin=stdin or "", seconds=seconds)

    def python(self, source: str, stdin: str = "", seconds: float = SECONDS) -> str:
        """Run a Python program inside it, which must need the standard library only."""
        return self.run("python3", "-c", source, stdin=stdin, seconds=seconds)

    def output(self, lines: int = 20) -> str:
        """Return the last lines that it wrote."""
        done = subprocess.run(
            ["docker", "logs", "--tail", str(lines), self.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout.decode("utf-8", "replace").strip()

    def remove(self) -> None:
        """Stop it at once and remove it; one that is gone already is fine."""
        docker("rm", "--force", "--volumes", self.name)


def _end_of(said: str) -> str:
    return "\n  ".join(said.splitlines()[-5:]) or "no output"


def _advice(said: str) -> str:
    known = {
        "cannot connect": "start the engine, or set DOCKER_HOST to the one you mean",
        "permission denied": "let your user use Docker: add it to the group `docker`",
        "no space left": "make room on the engine's disk: `docker system df`, `docker image prune`",
        "unauthorized": "log in to the registry first: `docker login <registry>`",
        "denied": "log in to the registry with an account that may do this: `docker login`",
        "connection refused": "see that the registry or the server named above is running",
        "no such host": "check the name of the server or registry",
        "could not resolve": "check the name of the server or registry",
    }
    for words, advice in known.items():
        if words in said.lower():
            return advice
    return "fix the error that Docker reports, then retry"
