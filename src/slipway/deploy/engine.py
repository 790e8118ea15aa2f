"""A Docker engine as a place to deploy to: its names, its network, its volumes, its proxy."""

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

from slipway.deploy.outcome import Say
from slipway.deploy.state import CONFIG, SLOTS, State
from slipway.docker import Container, docker, is_not_there
from slipway.errors import SlipwayError
from slipway.settings import Canary, Deploy

# What the environment may say before params.yaml: two services can share one engine.
PREFIX = "SLIPWAY_PREFIX"  # of the names of all that is made there
PORT = "SLIPWAY_PORT"
ON_INCONCLUSIVE = "SLIPWAY_ON_INCONCLUSIVE"  # staging has little traffic, and the same settings
IMAGE_PORT = 8080  # where the proxy listens inside its container

USER = "10001:10001"
LOG = "/var/lib/slipway/log"
LABEL = "slipway.service"
"""On all that is made for a service; the value is its prefix."""

SETUP_SECONDS = 120.0
OLDEST = (20, 10)
ROOM_MB = 500  # for a new container, its log and a while of predictions
PULL_SECONDS = 1800.0

HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--log-driver", "local", "--log-opt", "max-size=10m", "--log-opt", "max-file=3"),
)


@dataclass(frozen=True)
class Engine:
    """Where a release goes.

    Attributes
    ----------
    target
        ``local`` or ``host``.
    prefix
        Starts the name of everything of this service on the engine.
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
    def state(self) -> str:
        return f"{self.prefix}-state"

    @property
    def patience_ms(self) -> int:
        return self.settings.canary.patience_ms

    @property
    def place(self) -> str:
        """Return the engine's name, for people."""
        return os.environ.get("DOCKER_HOST", "") if self.target == "host" else "this machine"

    def slot(self, name: str) -> Container:
        return Container(f"{self.prefix}-{name}")

    def slots(self) -> dict[str, Container]:
        return {name: self.slot(name) for name in SLOTS}


def engine_of(target: str, settings: Deploy, environment: Mapping[str, str] = os.environ) -> Engine:
    """Return the engine that a target means.

    Raises
    ------
    SlipwayError
        `host` without DOCKER_HOST, `local` with that of another machine, or a name or port
        that cannot be one.
    """
    if target not in ("local", "host"):
        raise SlipwayError(
            f"target {target}: this works on a Docker engine, local or host",
            "on Kubernetes: `kubectl rollout undo`, `kubectl rollout status` (docs/kubernetes.md)"
            if target == "kubernetes"
            else "choose local, host or kubernetes",
        )
    address = environment.get("DOCKER_HOST", "")
    far = address.startswith(("ssh://", "tcp://"))
    if target == "host" and not far:
        raise SlipwayError(
            "target host: DOCKER_HOST does not name a server",
            "set it, as in DOCKER_HOST=ssh://user@server, or deploy with --to local",
        )
    if target == "local" and far:
        raise SlipwayError(
            f"target local is the engine of this machine, but DOCKER_HOST is {address}",
            "deploy with --to host, or unset DOCKER_HOST",
        )
    prefix = environment.get(PREFIX) or "slipway"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", prefix):
        raise SlipwayError(
            f"{PREFIX}={prefix}: not a name for containers",
            "use up to 40 small letters, digits and hyphens",
        )
    port = environment.get(PORT) or str(settings.port)
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise SlipwayError(f"{PORT}={port}: not a port", "use a number from 1 to 65535")
    return Engine(target, prefix, int(port), _with_choice(settings, environment))


def _with_choice(settings: Deploy, environment: Mapping[str, str]) -> Deploy:
    """Return the settings with what the environment overrides of the canary."""
    choice = environment.get(ON_INCONCLUSIVE)
    if not choice:
        return settings
    choices = get_args(Canary.model_fields["on_inconclusive"].annotation)
    if choice not in choices:
        raise SlipwayError(
            f"{ON_INCONCLUSIVE}={choice}: no such choice", f"use one of {', '.join(choices)}"
        )
    canary = settings.canary.model_copy(update={"on_inconclusive": choice})
    return settings.model_copy(update={"canary": canary})


def check(engine: Engine) -> str:
    """Return what the engine is, in words.

    Raises
    ------
    SlipwayError
        It cannot be reached, is too old, or runs no Linux containers.
    """
    said = json.loads(docker("version", "--format", "{{json .Server}}", seconds=30))
    version, system = said["Version"], said["Os"]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST or system != "linux":
        raise SlipwayError(
            f"the engine is Docker {version} for {system}; 20.10 or newer for Linux is needed",
            "upgrade it: https://docs.docker.com/engine/install/",
        )
    return f"Docker {version} on {engine.place}, {system}/{said['Arch']}"


def check_room(room_mb: float) -> None:
    """Refuse to begin what would end on a full disk."""
    if room_mb < ROOM_MB:
        raise SlipwayError(
            f"the engine's disk has {room_mb:,.0f} MB left, and {ROOM_MB} are needed",
            "make room there: `docker image prune`, `docker system df`; nothing was changed",
        )


def has_image(image: str) -> bool:
    try:
        docker("image", "inspect", "--format", "{{.Id}}", image)
    except SlipwayError as error:
        if is_not_there(error):
            return False
        raise
    return True


def pull(image: str, built_by: str = "slipway build --image") -> str:
    """Make sure that the engine has an image; return how, in words.

    Raises
    ------
    SlipwayError
        It has not, and no registry gives it.
    """
    if has_image(image):
        return "the engine has it"
    if image.startswith("sha256:"):
        raise SlipwayError(
            f"the engine has no image {image[:19]}…, and no registry has it",
            f"build it there (`{built_by}` with the same DOCKER_HOST), or set deploy.registry",
        )
    docker("pull", "--quiet", image, seconds=PULL_SECONDS)
    return f"pulled {image}"


def ensure_proxy(engine: Engine, say: Say) -> None:
    """Make network, volumes and proxy, whatever of them is missing; a running proxy stays.

    Raises
    ------
    SlipwayError
        The port is taken, the proxy's image cannot be had, or the engine refused.
    """
    _keep_one_network(engine, say)
    if _proxy_runs(engine, say):
        return
    pull(engine.settings.proxy_image, "docker pull")
    with _alone(engine):
        if _proxy_runs(engine, say):  # another deployer has made it meanwhile
            return
        if not networks_of(engine):
            docker("network", "create", *engine.label, engine.network)
        for volume in (engine.state, engine.log):
            docker("volume", "create", *engine.label, volume)
        _prepare_volumes(engine)
        _run_proxy(engine)


def _proxy_runs(engine: Engine, say: Say) -> bool:
    """Return whether the proxy runs; one that has stopped is started."""
    about = engine.proxy.about()
    if about and about["State"]["Running"]:
        _tell_differences(engine, about, say)
        return True
    if about and _starts(engine.proxy):
        say(f"the proxy had stopped: started it again, port {engine.port}")
        return True
    return False


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Let one deployer at a time make the first things on an engine.

    The lease is in the proxy, which is not there yet. So the name of a container, which only one
    can have, is held; the container ends with the deployer that holds it.
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
            # Ctrl-C is for the deployer, which still needs this to put things back.
            start_new_session=True,
        )
        with holder:
            if holder.stdout and holder.stdout.readline() == "held\n":
                yield
                return
            _, reason = holder.communicate()
        if "already in use" not in reason:
            raise SlipwayError(f"`docker run` failed: {reason.strip()}", "fix that, then try again")
        if time.monotonic() > deadline:
            raise SlipwayError(
                f"another deployment has been setting up {engine.prefix} for {SETUP_SECONDS:g} s",
                f"if none runs any more: `docker rm --force {engine.setup.name}`, then try again",
            )
        time.sleep(0.5)


def networks_of(engine: Engine) -> list[str]:
    """Return the ids of all networks that have the engine's name: Docker allows several."""
    wanted = ("--no-trunc", "--filter", f"name=^{engine.network}$", "--format", "{{.ID}}")
    return docker("network", "ls", *wanted).split()


def users_of(network: str) -> list[str]:
    """Return the names of the running containers in a network, given by its id."""
    shown = "{{range .Containers}}{{.Name}} {{end}}"
    try:
        return docker("network", "inspect", "--format", shown, network).split()
    except SlipwayError as error:
        if is_not_there(error):
            return []
        raise


def _keep_one_network(engine: Engine, say: Say) -> None:
    """Remove the spare ones of several networks with the same name: Docker refuses to use any.

    Raises
    ------
    SlipwayError
        Containers run in more than one of them.
    """
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
                f"stop those, `docker network rm {network[:12]}`, then try again",
            )
        remove_network(network)
        say(f"removed a second network of the name {engine.network} ({network[:12]})")


def remove_network(network: str) -> None:
    """Remove a network, given by its id; one that is gone already is fine."""
    try:
        docker("network", "rm", network)
    except SlipwayError as error:
        if not is_not_there(error):
            raise


def _prepare_volumes(engine: Engine) -> None:
    """Give the volumes to the user of proxy and service; a state that is there stays."""
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


def _run_proxy(engine: Engine) -> None:
    docker("rm", "--force", engine.proxy.name)
    try:
        docker(
            *("run", "--detach", "--name", engine.proxy.name, "--restart", "unless-stopped"),
            *engine.label,
            *("--network", engine.network, "--user", USER, "--memory", "512m", *HARDENED),
            # As the first process of its container it would not hear any other.
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


def _tell_differences(engine: Engine, about: dict[str, object], say: Say) -> None:
    """A proxy is never replaced under traffic, so new settings for it wait."""
    found = json.dumps(about["HostConfig"])
    wanted = f'"HostIp": "{engine.settings.address}", "HostPort": "{engine.port}"'
    if wanted not in found:
        say(
            f"the proxy keeps the address it was started with; for "
            f"{engine.settings.address}:{engine.port}: `slipway stop`, then deploy (a pause)"
        )
