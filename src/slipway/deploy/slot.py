"""A candidate in its slot: started, ready, and seen by the proxy."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from typing import Any

from slipway.deploy.engine import HARDENED, LOG, Engine
from slipway.deploy.guard import Guard, GuardLost
from slipway.docker import Container, docker
from slipway.errors import Refused, SlipwayError
from slipway.serve import SMOKE_SECRET, TOKENS

POLL_SECONDS = 0.25  # a look takes processor time from what is starting


class Unfit(Refused):
    """A candidate does not do what it must; all goes back to what was.

    Parameters
    ----------
    details
        Markdown for the summary.
    """

    def __init__(self, what: str, do: str = "", details: str = "") -> None:
        super().__init__(what, do)
        self.details = details


def start(engine: Engine, slot: str, image: str, tokens: str) -> None:
    """Start a container of an image in a slot; one that was there is gone."""
    container = engine.slot(slot)
    docker("rm", "--force", container.name)
    memory = f"{engine.settings.memory_mb}m"
    docker(
        *("run", "--detach", "--name", container.name, "--network", engine.network),
        *engine.label,
        # Until it is proven: what crashes stays down, so that one can look at it.
        *("--restart", "no", "--stop-timeout", "30", "--pids-limit", "256"),
        *("--memory", memory, "--memory-swap", memory, "--tmpfs", "/tmp", *HARDENED),  # noqa: S108
        *("--env", TOKENS, "--env", SMOKE_SECRET, "-v", f"{engine.log}:{LOG}", image),
        # Through the environment: a command line can be read by everybody on the machine.
        environment=os.environ | {TOKENS: tokens, SMOKE_SECRET: secrets.token_urlsafe(24)},
    )


def wait_until_ready(engine: Engine, guard: Guard, slot: str) -> None:
    """Return when the container answers that it is ready.

    Raises
    ------
    Unfit
        It ended, or was not ready in time.
    """
    container = engine.slot(slot)
    seconds = engine.settings.start_seconds

    def ready() -> bool:
        if is_ready(guard, container.name):
            return True
        _check_running(container)
        return False

    if not _until(ready, seconds):
        why = why_not_ready(guard, container)
        raise Unfit(f"it was not ready within {seconds:g} s: {why}")


def wait_until_up(engine: Engine, guard: Guard, slot: str) -> None:
    """Return when the proxy has found the container and calls it up.

    Raises
    ------
    Unfit
        It does not, although the container is ready.
    """
    container = engine.slot(slot)
    about = _check_running(container)
    address = about["NetworkSettings"]["Networks"][engine.network]["IPAddress"]
    seconds = engine.settings.start_seconds
    if not _until(lambda: is_up(guard.servers()[slot], address), seconds):
        _check_running(container)
        server = guard.servers()[slot]
        raise Unfit(
            f"the proxy did not call it up within {seconds:g} s: "
            f"{server['status']}, {server['check_status']} {server['last_chk']}".strip()
        )


def is_up(server: dict[str, str], address: str = "") -> bool:
    # A star says that the next check is under way.
    passed = server["check_status"].removeprefix("* ") == "L7OK"
    return server["status"].startswith("UP") and passed and address in ("", server["addr"])


def is_ready(guard: Guard, name: str) -> bool:
    try:
        return guard.get(name, "/readyz")[0] == 200
    except GuardLost:
        raise
    except SlipwayError:
        return False


def why_not_ready(guard: Guard, container: Container) -> str:
    try:
        status, body = guard.get(container.name, "/readyz")
    except GuardLost:
        raise
    except SlipwayError:
        return "it does not answer"
    return f"/readyz says {status} {body[:200]}"


def tokens_for(current: str) -> str:
    """Return the tokens that callers are to use.

    They are those of the environment, else the current ones, else a new one.
    """
    return os.environ.get(TOKENS, "").strip() or current or secrets.token_urlsafe(24)


def tokens_of(container: Container) -> str:
    """Return the tokens that a container was started with; empty without any."""
    for line in (container.about() or {}).get("Config", {}).get("Env") or []:
        name, _, value = line.partition("=")
        if name == TOKENS:
            return str(value)
    return ""


def _check_running(container: Container) -> dict[str, Any]:
    about = container.about() or {"State": {}}
    state = about["State"]
    if state.get("Running"):
        return about
    if state.get("OOMKilled"):
        raise Unfit("it was stopped by the engine: it used more memory than deploy.memory_mb")
    raise Unfit(f"it ended with exit code {state.get('ExitCode', 'unknown')}")


def check_alive(engine: Engine, slot: str) -> None:
    """Raise `Unfit` when the container of a slot does not run."""
    _check_running(engine.slot(slot))


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
