"""A place to deploy to on a real engine, real traffic, and candidates that fail in every way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.services.engine import BuildVariant, ServiceImage
from tests.services.load import Tally, traffic
from tests.services.repository import edit_params
from tests.services.servers import free_port

from slipway.containers import Container
from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.release.outcome import Outcome
from slipway.release.records import read_history
from slipway.release.status import Status
from slipway.repository.layout import MACHINE_CODE, python_path
from slipway.targets.commands import deploy, rollback, status, stop
from slipway.targets.docker.state import CONFIG, HISTORY, State

TOKEN = "a-token-for-the-tests"
SECONDS = 180.0

SETTINGS: dict[str, Any] = {
    "start_seconds": 60,
    "smoke_requests": 0,
    "drain_seconds": 2,
    "shadow_rows": 200,
    "shadow": {"min_rows": 20, "max_flipped": 0.1, "max_refused": 0, "max_row_ms": 1000},
    "canary": {
        "share": 0.5,
        "seconds": 1,
        "min_requests": 20,
        # Most tests deploy without traffic.
        "on_inconclusive": "go",
        "max_error_share": 0.01,
        # The tests share two cores with whatever else runs: what is slow here is slow by far.
        "max_latency_ratio": 100,
        "max_latency_ms": 800,
        "max_score_psi": 0.5,
    },
}

# Answers soon even on a slow machine: nothing of the service is loaded first.
UNREADY = """
from http.server import BaseHTTPRequestHandler, HTTPServer


class Never(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503, "not today")


HTTPServer(("", 3000), Never).serve_forever()
"""

OTHER_ANSWERS = """

_true = Model.score
Model.score = lambda self, columns: _true(self, columns) + 1e-6
"""

SCORE = "slipway/training/score.py"


@dataclass
class Place:
    """One target on the engine, with names and a port of its own, and the tree it is fed from."""

    tree: Path
    prefix: str
    port: int
    target: str = "local"
    environment: dict[str, str] = field(default_factory=dict)
    logged_lines: list[str] = field(default_factory=list)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def deploy(self, image: str = "") -> Outcome:
        return self._within(lambda: deploy(self.target, image, self.logged_lines.append))

    def rollback(self, to: str = "") -> Outcome:
        return self._within(lambda: rollback(self.target, to, self.logged_lines.append))

    def stop(self, *, forget: bool = False) -> Outcome:
        return self._within(lambda: stop(self.target, self.logged_lines.append, forget=forget))

    def typed_status(self) -> Status:
        found: Status = self._within(lambda: status(self.target))
        return found

    def status(self) -> dict[str, Any]:
        return self.typed_status().to_json()

    def status_text(self) -> str:
        return self.typed_status().to_text()

    def is_healthy(self) -> bool:
        return self.typed_status().exit_code == 0

    def live(self) -> str:
        """The commit that has all of the traffic; empty if none has."""
        found = self.typed_status()
        if found.live and found.live.traffic == 1 and found.exit_code == 0:
            return found.live.record.commit
        return ""

    def events(self) -> list[str]:
        history = read_history(self.container("proxy").run("cat", f"/state/{HISTORY}"))
        return [f"{it.event} {it.name}" for it in history]

    def lock_is_free(self) -> bool:
        try:
            self.container("proxy").run("flock", "--nonblock", "/state/lock", "true")
        except SlipwayError:
            return False
        return True

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command as a process; its output is not buffered."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "slipway", *command],
            cwd=self.tree,
            env=self._environment() | {"PYTHONPATH": python_path(self.tree)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    @contextlib.contextmanager
    def traffic(self, rate: float = 50.0) -> Iterator[Tally]:
        rows = json.loads((self.tree / "build/model/manifest.json").read_text("utf-8"))["golden"]
        with traffic(self.port, [json.dumps(it["row"]) for it in rows], TOKEN, rate) as tally:
            wait_for(lambda: len(tally.answers) > 20, "the first answers")
            yield tally

    def logged(self) -> dict[str, str]:
        """The commit that answered, by the id of the prediction; without smoke tests."""
        state = State.from_config(self.container("proxy").run("cat", f"/state/{CONFIG}"))
        assert state.live
        slot = self.container(state.live.slot)
        lines = slot.run("sh", "-c", "cat /var/lib/slipway/log/*.jsonl")
        records = [json.loads(line) for line in lines.splitlines()]
        return {it["id"]: it["commit"] for it in records if not it.get("proof")}

    def container(self, name: str) -> Container:
        return Container(f"{self.prefix}-{name}")

    def containers(self) -> list[str]:
        return docker("ps", "-aq", "--filter", f"name=^{self.prefix}-").split()

    def edit(self, **settings: Any) -> None:
        edit_params(self.tree, deploy=SETTINGS | settings)

    def clear(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        if names := self.containers():
            docker("rm", "--force", "--volumes", *names)
        for kind in ("volume", "network"):
            found = docker(kind, "ls", "-q", "--filter", f"name=^{self.prefix}").split()
            if found:
                docker(kind, "rm", *found)

    def _environment(self) -> dict[str, str]:
        mine = {
            "SLIPWAY_PREFIX": self.prefix,
            "SLIPWAY_PORT": str(self.port),
            "SLIPWAY_TOKENS": TOKEN,
        }
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GITHUB_", "SLIPWAY_", "DOCKER_HOST"))
        }
        return kept | mine | self.environment

    def _within(self, work: Callable[[], Any]) -> Any:
        before, mine = dict(os.environ), self._environment()
        os.environ.clear()
        os.environ.update(mine)
        try:
            with contextlib.chdir(self.tree):
                return work()
        finally:
            os.environ.clear()
            os.environ.update(before)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


MakePlace = Callable[..., Place]


def without_data(folder: str, _names: list[str]) -> set[str]:
    """Leave the data and the context of the image out of a copy."""
    return {"image"} if Path(folder).name == "build" else {"data"}


@contextlib.contextmanager
def places(tree: Path, proxy_image: str, folders: pytest.TempPathFactory) -> Iterator[MakePlace]:
    made: list[Place] = []

    def make(**settings: Any) -> Place:
        copy = folders.mktemp("place") / "repository"
        shutil.copytree(tree, copy, ignore=without_data)
        place = Place(copy, f"t{uuid.uuid4().hex[:10]}", free_port())
        place.edit(proxy_image=proxy_image, **settings)
        made.append(place)
        return place

    try:
        yield make
    finally:
        for place in made:
            place.clear()


@pytest.fixture(scope="module")
def make_place(
    service_image: ServiceImage,
    build_variant: BuildVariant,
    base_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MakePlace]:
    """Makes a place to which nothing is deployed yet; gone before the images that it runs."""
    with places(service_image.tree, base_image, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="session")
def shared_place(
    service_image: ServiceImage,
    build_variant: BuildVariant,
    base_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    with places(service_image.tree, base_image, tmp_path_factory) as make:
        yield make()


@pytest.fixture(scope="module")
def place(shared_place: Place) -> Place:
    """A place where the first release runs; others may have run there before."""
    outcome = shared_place.deploy()
    assert outcome.ok, outcome.to_text()
    return shared_place


@pytest.fixture(scope="session")
def first(service_image: ServiceImage) -> str:
    """The commit of the first release."""
    return service_image.built.commit


def commit_of(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="session")
def second(build_variant: BuildVariant) -> str:
    """The image of another valid release; its commit is that of `second`."""
    return build_variant(commit=commit_of("second"))


Faulty = Callable[[str], str]


@pytest.fixture(scope="session")
def faulty(service_image: ServiceImage, build_variant: BuildVariant) -> Faulty:
    """Builds the image of a candidate with a fault, by the name of the fault."""
    source = service_image.tree / MACHINE_CODE

    files = {
        "crashes at start": {
            "/app/slipway/serving/service.py": "raise SystemExit('no such luck')\n"
        },
        "never ready": {"/app/slipway/serving/service.py": UNREADY},
        "other answers": {f"/app/{SCORE}": (source / SCORE).read_text("utf-8") + OTHER_ANSWERS},
    }
    built: dict[str, str] = {}

    def build(name: str) -> str:
        if name not in built:
            built[name] = build_variant(files[name], commit=commit_of(name))
        return built[name]

    return build
