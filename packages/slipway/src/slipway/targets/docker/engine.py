"""A Docker engine as a target: its names, network, volumes and proxy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

from slipway.containers import Container, Inspected
from slipway.docker import HARDENED, docker, is_not_found, pull
from slipway.errors import SlipwayError
from slipway.release.outcome import Log
from slipway.settings import Canary, Deploy
from slipway.targets.docker.state import CONFIG, SLOTS, State

# Environment variables that override params.yaml: two services can share one engine.
PREFIX = "SLIPWAY_PREFIX"  # of the names of everything that is made there
PORT = "SLIPWAY_PORT"
ON_INCONCLUSIVE = "SLIPWAY_ON_INCONCLUSIVE"  # staging has little traffic, and the same settings
IMAGE_PORT = 8080  # where the proxy listens inside its container

USER = "10001:10001"
LOG = "/var/lib/slipway/log"
SECOND_PLACE = "/var/lib/slipway/checkpoints"
LABEL = "slipway.service"
"""On everything that is made for a service; the value is its prefix."""

SETUP_SECONDS = 120.0
OLDEST = (20, 10)
ROOM_MB = 500  # for a new container, its output and some days of predictions


@dataclass(frozen=True)
class Engine:
    """A Docker engine, and the names of one service on it.

    Attributes
    ----------
    target
        ``local`` or ``host``.
    prefix
        Of the names of everything that belongs to this service on the engine.
    """

    target: str
    prefix: str
    port: int
    settings: Deploy

    @property
    def proxy(self) -> Container:
        return Container(f"{self.prefix}-proxy")

    @property
    def setup(self) -> Container:
        return Container(f"{self.prefix}-setup")

    @property
    def network(self) -> str:
        return self.prefix

    @property
    def label(self) -> tuple[str, str]:
        return "--label", f"{LABEL}={self.prefix}"

    @property
    def log(self) -> str:
        return f"{self.prefix}-log"

    @property
    def checkpoints(self) -> str:
        """The volume with the ends of the log's files."""
        return f"{self.prefix}-checkpoints"

    @property
    def state(self) -> str:
        return f"{self.prefix}-state"

    @property
    def patience_ms(self) -> int:
        return self.settings.canary.patience_ms

    @property
    def place(self) -> str:
        """The engine in words."""
        return os.environ.get("DOCKER_HOST", "") if self.target == "host" else "this machine"

    def slot(self, name: str) -> Container:
        return Container(f"{self.prefix}-{name}")

    def slots(self) -> dict[str, Container]:
        return {name: self.slot(name) for name in SLOTS}


def engine_of(target: str, settings: Deploy, environment: Mapping[str, str] = os.environ) -> Engine:
    """Return the engine of the target ``local`` or ``host``."""
    address = environment.get("DOCKER_HOST", "")
    remote = address.startswith(("ssh://", "tcp://"))
    if target == "host" and not remote:
        raise SlipwayError(
            "target host: DOCKER_HOST does not name a server",
            "set it, as in DOCKER_HOST=ssh://user@server, or deploy with --to local",
        )
    if target == "local" and remote:
        raise SlipwayError(
            f"target local is the engine of this machine, but DOCKER_HOST is {address}",
            "deploy with --to host, or unset DOCKER_HOST",
        )
    prefix = environment.get(PREFIX) or "slipway"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", prefix):
        raise SlipwayError(
            f"{PREFIX}={prefix}: not a valid name for containers",
            "use up to 40 lower-case letters, digits and hyphens",
        )
    port = environment.get(PORT) or str(settings.port)
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise SlipwayError(f"{PORT}={port}: not a port", "use a number from 1 to 65535")
    return Engine(target, prefix, int(port), _with_overrides(settings, environment))


def _with_overrides(settings: Deploy, environment: Mapping[str, str]) -> Deploy:
    """Return the settings with the overrides of the environment."""
    choice = environment.get(ON_INCONCLUSIVE)
    if not choice:
        return settings
    choices = get_args(Canary.model_fields["on_inconclusive"].annotation)
    if choice not in choices:
        raise SlipwayError(
            f"{ON_INCONCLUSIVE}={choice}: unknown value", f"use one of {', '.join(choices)}"
        )
    canary = settings.canary.model_copy(update={"on_inconclusive": choice})
    return settings.model_copy(update={"canary": canary})


def check_engine(engine: Engine) -> str:
    """Return the version of the engine, in words."""
    server = json.loads(docker("version", "--format", "{{json .Server}}", seconds=30))
    version, system = server["Version"], server["Os"]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST or system != "linux":
        raise SlipwayError(
            f"the engine is Docker {version} for {system}; 20.10 or newer for Linux is needed",
            "upgrade it: https://docs.docker.com/engine/install/",
        )
    return f"Docker {version} on {engine.place}, {system}/{server['Arch']}"


def check_room(room_mb: float) -> None:
    """Refuse to start a release that would fill the disk."""
    if room_mb < ROOM_MB:
        raise SlipwayError(
            f"the engine's disk has {room_mb:,.0f} MB left, and {ROOM_MB} are needed",
            "free space there: `docker image prune`, `docker system df`; nothing was changed",
        )


def ensure_proxy(engine: Engine, log: Log) -> None:
    """Create network, volumes and proxy where they are missing; a running proxy is kept."""
    _remove_spare_networks(engine, log)
    if _proxy_runs(engine, log):
        return
    pull(engine.settings.proxy_image, "docker pull")
    with _setup_lock(engine):
        if _proxy_runs(engine, log):  # another deployer has started it meanwhile
            return
        if not networks_of(engine):
            docker("network", "create", *engine.label, engine.network)
        for volume in (engine.state, engine.log):
            docker("volume", "create", *engine.label, volume)
        _prepare_volumes(engine)
        _run_proxy(engine)


def _proxy_runs(engine: Engine, log: Log) -> bool:
    """Return whether the proxy runs; starts one that has stopped."""
    inspected = engine.proxy.inspect()
    if inspected and inspected.state.running:
        _log_differences(engine, inspected, log)
        return True
    if inspected and _starts(engine.proxy):
        log(f"the proxy had stopped: started it again, port {engine.port}")
        return True
    return False


@contextmanager
def _setup_lock(engine: Engine) -> Iterator[None]:
    """Let one deployer at a time create network, volumes and proxy.

    The lease is in the proxy, which does not exist yet. So the lock is the name of a container,
    which is unique; the container ends with the deployer that started it.
    """
    deadline = time.monotonic() + SETUP_SECONDS
    while True:
        holder = subprocess.Popen(
            [
                *("docker", "run", "--rm", "-i", "--name", engine.setup.name, *engine.label),
                *("--network", "none", "--entrypoint", "sh", engine.settings.proxy_image),
                *("-c", "echo held; cat"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C goes to the deployer only, which still needs this to undo its work.
            start_new_session=True,
        )
        with holder:
            if holder.stdout and holder.stdout.readline() == "held\n":
                yield
                return
            _, reason = holder.communicate()
        if "already in use" not in reason:
            raise SlipwayError(f"`docker run` failed: {reason.strip()}", "fix that, then retry")
        if time.monotonic() > deadline:
            raise SlipwayError(
                f"another deployment has been setting up {engine.prefix} for {SETUP_SECONDS:g} s",
                f"if none runs any more: `docker rm --force {engine.setup.name}`, then retry",
            )
        time.sleep(0.5)


def networks_of(engine: Engine) -> list[str]:
    """Return the ids of all networks with the engine's name: Docker allows several."""
    options = ("--no-trunc", "--filter", f"name=^{engine.network}$", "--format", "{{.ID}}")
    return docker("network", "ls", *options).split()


def users_of(network: str) -> list[str]:
    """Return the names of the running containers in a network, given by its id."""
    template = "{{range .Containers}}{{.Name}} {{end}}"
    try:
        return docker("network", "inspect", "--format", template, network).split()
    except SlipwayError as error:
        if is_not_found(error):
            return []
        raise


def _remove_spare_networks(engine: Engine, log: Log) -> None:
    """Keep one of several networks with the same name: Docker refuses to use any of them."""
    networks = networks_of(engine)
    if len(networks) < 2:
        return
    users = {network: users_of(network) for network in networks}
    kept = max(sorted(networks), key=lambda it: (engine.proxy.name in users[it], len(users[it])))
    for network in networks:
        if network == kept:
            continue
        if users[network]:
            raise SlipwayError(
                f"the engine has {len(networks)} networks named {engine.network}, and containers "
                f"run in more than one: {', '.join(users[network])} in {network[:12]}",
                f"stop those, `docker network rm {network[:12]}`, then retry",
            )
        remove_network(network)
        log(f"removed a second network with the name {engine.network} ({network[:12]})")


def remove_network(network: str) -> None:
    """Remove a network, given by its id; one that does not exist is no error."""
    try:
        docker("network", "rm", network)
    except SlipwayError as error:
        if not is_not_found(error):
            raise


def _prepare_volumes(engine: Engine) -> None:
    """Make the user of proxy and service the owner of the volumes; an existing state is kept."""
    script = (
        f"test -s /state/{CONFIG} || cat >/state/{CONFIG} && "
        f"chown -R {USER} /state && chown {USER} /log"
    )
    docker(
        *("run", "--rm", "-i", "--network", "none", "--user", "0:0", "--entrypoint", "sh"),
        *("-v", f"{engine.state}:/state", "-v", f"{engine.log}:/log"),
        *(engine.settings.proxy_image, "-c", script),
        stdin=State().to_config(engine.prefix, engine.patience_ms),
    )


def ensure_checkpoints(engine: Engine) -> None:
    """Create the volume of checkpoints, which engines of earlier versions lack."""
    listed = docker("volume", "ls", "--quiet", "--filter", f"name=^{engine.checkpoints}$")
    if listed.split():
        return
    docker("volume", "create", *engine.label, engine.checkpoints)
    docker(
        *("run", "--rm", "--network", "none", "--user", "0:0", "--entrypoint", "chown"),
        *("-v", f"{engine.checkpoints}:/checkpoints", engine.settings.proxy_image),
        *(USER, "/checkpoints"),
    )


def _run_proxy(engine: Engine) -> None:
    docker("rm", "--force", engine.proxy.name)
    try:
        docker(
            *("run", "--detach", "--name", engine.proxy.name, "--restart", "unless-stopped"),
            *engine.label,
            *("--network", engine.network, "--user", USER, "--memory", "512m", *HARDENED),
            # As the first process of its container it handles no other signal.
            *("--stop-signal", "SIGUSR1", "--stop-timeout", "40"),
            *("--publish", f"{engine.settings.address}:{engine.port}:{IMAGE_PORT}"),
            *("-v", f"{engine.state}:/state", "--entrypoint", "haproxy"),
            *(engine.settings.proxy_image, "-db", "-f", f"/state/{CONFIG}"),
        )
    except SlipwayError as error:
        docker("rm", "--force", engine.proxy.name)  # Docker leaves one that has no port
        if "port is already allocated" in str(error) or "address already in use" in str(error):
            raise SlipwayError(
                f"port {engine.port} of {engine.place} is taken",
                f"stop what listens there, or choose another: deploy.port, or {PORT}",
            ) from None
        raise


def _starts(proxy: Container) -> bool:
    try:
        docker("start", proxy.name)
    except SlipwayError:
        return False
    return True


def _log_differences(engine: Engine, inspected: Inspected, log: Log) -> None:
    """Report settings that a running proxy lacks: it is never replaced under traffic."""
    if not inspected.is_published_at(engine.settings.address, engine.port):
        log(
            f"the proxy keeps the address it was started with; for "
            f"{engine.settings.address}:{engine.port}: `slipway stop`, then deploy (a pause)"
        )
