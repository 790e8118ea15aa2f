"""Start the service: in the foreground, or in the background for a program."""

from __future__ import annotations

import http.client
import ipaddress
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.polling import wait_until
from slipway.proxies import open_here
from slipway.repository.layout import python_path
from slipway.serving import LOG, TOKENS, WORKERS
from slipway.serving.auth import Tokens, is_loopback
from slipway.settings import read_params

BENTOS = Path("build/bentoml/bentos")
STATE = Path("build/serve")

READY_SECONDS = 60
STOP_SECONDS = 30


@dataclass(frozen=True)
class Command:
    """The command of the service, its folder and its environment."""

    arguments: list[str]
    folder: Path
    environment: dict[str, str]
    url: str


def serve(bento: str = "", host: str = "127.0.0.1", port: int = 3000, workers: int = 1) -> None:
    """Replace this process by the service of this working tree, or of a bento."""
    command = prepare(Path(), bento, host, port or free_port(), workers, os.environ)
    os.chdir(command.folder)
    os.execve(command.arguments[0], command.arguments, command.environment)  # noqa: S606


@contextmanager
def serving(
    tree: Path = Path(),
    bento: str = "",
    port: int = 0,
    workers: int = 1,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Running]:
    """Run the service on loopback while the block lasts; enters when it is ready.

    Parameters
    ----------
    tree
        The working tree: its settings, its model and, without `bento`, its code.
    port
        0 takes a free one.
    environment
        May have SLIPWAY_TOKENS and SLIPWAY_LOG.
    """
    command = prepare(tree, bento, "127.0.0.1", port or free_port(), workers, environment)
    log = Path(command.environment["BENTOML_HOME"]) / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.arguments,
            cwd=command.folder,
            env=command.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, command.url, log)
        yield Running(command.url, process.pid, log)
    finally:
        _stop(process)


@dataclass(frozen=True)
class Running:
    """A running service: its URL, the process id of its supervisor, its output."""

    url: str
    pid: int
    output: Path


def prepare(
    tree: Path, bento: str, host: str, port: int, workers: int, environment: Mapping[str, str]
) -> Command:
    """Return the command of the service, which checks model, release and log itself."""
    _check_host(host, environment)
    _check_free(host, port)
    tree = tree.resolve()
    folder = find_bento(bento, tree) / "src" if bento else tree
    settings = read_params(folder / "params.yaml").serve
    home = tree / STATE / str(port)
    home.mkdir(parents=True, exist_ok=True)
    what = str(folder.parent) if bento else "slipway.serving.service:Slipway"
    bentoml = [sys.executable, "-m", "bentoml", "serve"]
    arguments = [*bentoml, what, f"--host={host}", f"--port={port}"]
    added = {
        # A home of its own: two services must not share the directory of their counters.
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "1",
        WORKERS: str(workers),
        LOG: str(tree / (environment.get(LOG) or settings.log)),
        "PYTHONPATH": str(folder) if bento else python_path(tree),
    }
    return Command(arguments, folder, {**environment, **added}, f"http://{host}:{port}")


def find_bento(bento: str, tree: Path) -> Path:
    """Return the folder of a bento, named by its path or its tag."""
    by_path = tree / bento
    by_tag = tree / BENTOS / bento.replace(":", "/")
    for folder in (by_path, by_tag):
        if (folder / "bento.yaml").is_file():
            return folder
    raise SlipwayError(
        f"{bento}: neither the folder of a bento nor the tag of one in {BENTOS}",
        "build one with `slipway build`, which prints its tag",
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _check_host(host: str, environment: Mapping[str, str]) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise SlipwayError(
            f"--host {host}: not an IP address", "use 127.0.0.1 or 0.0.0.0"
        ) from None
    if not is_loopback(host) and not Tokens(environment.get(TOKENS, "")):
        raise SlipwayError(
            f"--host {host}: other machines have access, and no token is configured",
            f"set {TOKENS} to one or more secrets, separated by commas; or leave --host out",
        )


def _check_free(host: str, port: int) -> None:
    """Try the address first: BentoML fails with a traceback if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the service does, so that a port that was just released does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SlipwayError(
                f"cannot listen on {host}, port {port}: {error.strerror}",
                "choose another with --port (0 takes a free one), or stop what listens there",
            ) from None


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    wait_until(lambda: process.poll() is not None or _is_ready(url), READY_SECONDS, poll=0.05)
    if process.poll() is None and _is_ready(url):
        return
    output = log.read_text("utf-8", "replace").strip().splitlines()[-15:]
    state = "did not become ready" if process.poll() is None else f"ended ({process.returncode})"
    raise SlipwayError(
        f"the service {state}; its output:\n  " + "\n  ".join(output), "fix that error"
    )


def _is_ready(url: str) -> bool:
    try:
        with open_here(f"{url}/readyz", 5):
            return True
    except (OSError, http.client.HTTPException):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
