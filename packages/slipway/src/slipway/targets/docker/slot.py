"""A container in a slot: start it, wait until it is ready, and until the proxy sees it."""

from __future__ import annotations

import os
import secrets

from slipway.containers import Container, ContainerState, Inspected
from slipway.docker import HARDENED, docker
from slipway.polling import wait_until
from slipway.predictions.checkpoints import CHECKPOINTS
from slipway.predictions.personal import SECRET
from slipway.release.outcome import CheckFailed
from slipway.serving import SMOKE_SECRET, TOKENS
from slipway.targets.docker.engine import LOG, SECOND_PLACE, Engine, ensure_checkpoints
from slipway.targets.docker.lease import Lease
from slipway.targets.docker.session import answer_or_none

OK = 200


def start(engine: Engine, slot: str, image: str, tokens: str) -> None:
    """Start a container of an image in a slot, in place of any other."""
    container = engine.slot(slot)
    docker("rm", "--force", container.name)
    ensure_checkpoints(engine)
    memory = f"{engine.settings.memory_mb}m"
    docker(
        *("run", "--detach", "--name", container.name, "--network", engine.network),
        *engine.label,
        # Until the switch a container that crashes is not restarted, so that it can be inspected.
        *("--restart", "no", "--stop-timeout", "30", "--pids-limit", "256"),
        *("--memory", memory, "--memory-swap", memory, "--tmpfs", "/tmp", *HARDENED),  # noqa: S108
        *("-v", f"{engine.log}:{LOG}", "-v", f"{engine.checkpoints}:{SECOND_PLACE}"),
        # Secrets go through the environment: every user can read a command line.
        *(f"--env={name}" for name in (TOKENS, SMOKE_SECRET, CHECKPOINTS, SECRET)),
        image,
        environment=os.environ
        | {TOKENS: tokens, SMOKE_SECRET: secrets.token_urlsafe(24), CHECKPOINTS: _second_place()},
    )


def _second_place() -> str:
    """Return where the ends of the log go: a URL of the environment, else the volume for them."""
    stated = os.environ.get(CHECKPOINTS, "")
    return stated if "://" in stated else SECOND_PLACE


def wait_until_ready(engine: Engine, lease: Lease, slot: str) -> None:
    """Return when the container answers that it is ready.

    Raises
    ------
    CheckFailed
        It ended, or was not ready in time.
    """
    container = engine.slot(slot)
    seconds = engine.settings.start_seconds

    def ready() -> bool:
        answer = answer_or_none(lambda: lease.get(container.name, "/readyz"))
        if answer and answer[0] == OK:
            return True
        check_running(container)
        return False

    if not wait_until(ready, seconds):
        answer = answer_or_none(lambda: lease.get(container.name, "/readyz"))
        why = f"/readyz answers {answer[0]} {answer[1][:200]}" if answer else "it does not answer"
        raise CheckFailed(f"it was not ready within {seconds:g} s: {why}")


def wait_until_up(engine: Engine, lease: Lease, slot: str) -> None:
    """Return when the proxy sees the container as up.

    Raises
    ------
    CheckFailed
        It does not in time, although the container is ready.
    """
    container = engine.slot(slot)
    inspected = check_running(container)
    address = inspected.address_in(engine.network)
    seconds = engine.settings.start_seconds
    if not wait_until(lambda: is_up(lease.servers()[slot], address), seconds):
        check_running(container)
        server = lease.servers()[slot]
        raise CheckFailed(
            f"the proxy did not see it as up within {seconds:g} s: "
            f"{server['status']}, {server['check_status']} {server['last_chk']}".strip()
        )


def is_up(server: dict[str, str], address: str = "") -> bool:
    # A star marks that the next check is under way.
    passed = server["check_status"].removeprefix("* ") == "L7OK"
    return server["status"].startswith("UP") and passed and address in ("", server["addr"])


def check_running(container: Container) -> Inspected:
    """Return the result of `inspect`; raise `CheckFailed` unless the container runs."""
    inspected = container.inspect()
    state = inspected.state if inspected else ContainerState(running=False)
    if inspected and state.running:
        return inspected
    if state.out_of_memory:
        raise CheckFailed("the engine stopped it: it used more memory than deploy.memory_mb")
    exit_code = "unknown" if state.exit_code is None else state.exit_code
    raise CheckFailed(f"it ended with exit code {exit_code}")


def tokens_for(current: str) -> str:
    """Return the next release's tokens: from the environment, else the current, else new ones."""
    return os.environ.get(TOKENS, "").strip() or current or secrets.token_urlsafe(24)


def tokens_of(container: Container) -> str:
    """Return the tokens that a container was started with; empty without any."""
    inspected = container.inspect()
    for line in (inspected and inspected.environment) or ():
        name, _, value = line.partition("=")
        if name == TOKENS:
            return value
    return ""
