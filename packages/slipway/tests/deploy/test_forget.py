"""`slipway stop --forget` while something else removes the same things: gone is gone."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.conftest import Place
from tests.services.projects import FLIGHTS
from tests.services.servers import free_port

from slipway.docker import docker

# Removes what a command is about to work on, then runs the command.
FASTER = """\
#!/bin/sh
case "$*" in
  "{command}"*) for last in "$@"; do :; done; "{docker}" {remove} "$last" >/dev/null ;;
esac
exec "{docker}" "$@"
"""

# What the command line begins with, and how another one removes that thing first.
COMMANDS = {
    "stop ": "rm --force",
    "rm ": "rm --force",
    "network inspect ": "network rm",
    "network rm ": "network rm",
    "volume rm ": "volume rm",
}


@pytest.fixture
def left_over(base_image: str, tmp_path: Path) -> Iterator[Place]:
    """What a first deployment that was killed leaves: no proxy yet."""
    shutil.copy(FLIGHTS / "params.yaml", tmp_path)
    place = Place(tmp_path, f"t{uuid.uuid4().hex[:10]}", free_port())
    label = ("--label", f"slipway.service={place.prefix}")
    docker("network", "create", *label, place.prefix)
    docker("volume", "create", *label, f"{place.prefix}-log")
    options = ("--detach", "--init", *label, "--name", f"{place.prefix}-setup")
    docker("run", *options, "--network", "none", base_image, "sleep", "600")
    try:
        yield place
    finally:
        place.clear()


def things(prefix: str) -> list[str]:
    """All that the engine has of a service."""
    return [
        f"{kind} {thing}"
        for kind, options in (("container", ["--all"]), ("network", []), ("volume", []))
        for thing in docker(
            kind, "ls", *options, "--quiet", "--filter", f"label=slipway.service={prefix}"
        ).split()
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_vanishes_between_listing_and_removal_is_gone(
    left_over: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    real = shutil.which("docker")
    shim = tmp_path / "bin" / "docker"
    shim.parent.mkdir()
    shim.write_text(FASTER.format(command=command, docker=real, remove=COMMANDS[command]))
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent), prepend=":")
    outcome = left_over.stop(forget=True)
    monkeypatch.undo()
    assert outcome.exit_code == 0, outcome.to_text()
    assert not things(left_over.prefix)


def test_two_that_forget_at_once_both_succeed(left_over: Place) -> None:
    command = ("stop", "--target", "local", "--forget")
    processes = [left_over.start(*command) for _ in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert not things(left_over.prefix)
