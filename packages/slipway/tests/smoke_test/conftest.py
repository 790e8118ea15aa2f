"""A release that runs as a process of this machine, tested as if it were in a container."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.serving.conftest import SMOKE_SECRET, TOKEN, commit, model, tree

from slipway.containers import Container, ContainerState
from slipway.dataset.tables import digest
from slipway.errors import SlipwayError
from slipway.release.smoke_test import Check, Expected, run_smoke_test
from slipway.release.smoke_test.run import CONNECTIONS, PROBE, ROUNDS
from slipway.serving.start import free_port, serving
from slipway.settings import Deploy, read_params

__all__ = ["commit", "model", "tree"]


@dataclass(frozen=True)
class Process(Container):
    """A process with the interface of a container."""

    environment: Mapping[str, str] = field(default_factory=dict)
    known_state: ContainerState = field(default_factory=lambda: ContainerState(running=True))
    runs: bool = True

    def python(self, source: str, stdin: str = "", seconds: float = 120) -> str:
        if not self.runs:
            raise SlipwayError(f"container {self.name} is not running")
        done = subprocess.run(
            [sys.executable, "-c", source],
            input=stdin,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise SlipwayError(done.stderr)
        return done.stdout

    def state(self) -> ContainerState | None:
        return self.known_state

    def output(self, lines: int = 20) -> str:
        return "what it wrote last"


@dataclass
class Release:
    """A running release and what was reviewed."""

    container: Process
    expected: Expected
    settings: Deploy
    port: int
    pid: int

    def test(self, expected: Expected | None = None, *, load: bool = True) -> dict[str, Check]:
        checks = run_smoke_test(
            self.container,
            expected or self.expected,
            self.settings,
            port=self.port,
            pid=self.pid,
            load=load,
        )
        return {check.name: check for check in checks}

    def facts(self) -> dict[str, Any]:
        """The output of the probe, without any check."""
        asked = {
            "rounds": ROUNDS,
            "requests": 400,
            "connections": CONNECTIONS,
            "port": self.port,
            "pid": self.pid,
            "rows": [example["row"] for example in self.expected.golden],
            "start_seconds": 10,
            "seconds": 60,
        }
        facts: dict[str, Any] = json.loads(
            self.container.python(PROBE.read_text("utf-8"), json.dumps(asked))
        )
        return facts


@pytest.fixture(scope="session")
def settings(tree: Path) -> Deploy:
    """Those of the repository, but for a machine that others work on as well."""
    known = read_params(tree / "params.yaml").deploy
    canary = known.canary.model_copy(update={"max_latency_ms": 2000.0})
    return known.model_copy(update={"start_seconds": 2.0, "canary": canary})


Run = Callable[..., contextlib.AbstractContextManager[Release]]


@pytest.fixture(scope="session")
def run(
    tree: Path, commit: str, model: Any, settings: Deploy, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Starts a release of a tree."""

    @contextlib.contextmanager
    def run(of: Path = tree) -> Iterator[Release]:
        log = tmp_path_factory.mktemp("log")
        environment = {
            "SLIPWAY_TOKENS": TOKEN,
            "SLIPWAY_SMOKE_SECRET": f"{SMOKE_SECRET}\n",  # as secrets made from files end
            "SLIPWAY_LOG": str(log),
        }
        with serving(of, environment=os.environ | environment) as running:
            expected = Expected(
                model.sha256,
                commit,
                model.manifest["data"]["md5"],
                model.manifest["golden"],
                digest(of / "build/model/manifest.json"),
            )
            port = int(running.url.rpartition(":")[2])
            container = Process("release", environment)
            yield Release(container, expected, settings, port, running.pid)

    return run


@pytest.fixture(scope="session")
def release(run: Run) -> Iterator[Release]:
    with run() as release:
        yield release


@pytest.fixture(scope="session")
def faulty(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a copy of the tree with code added to the end of some modules."""

    def faulty(faults: dict[str, str]) -> Path:
        copy = tmp_path_factory.mktemp("faulty") / "tree"
        shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("__pycache__", "serve.log"))
        for name, code in faults.items():
            with (copy / f"packages/slipway/src/slipway/{name}.py").open("a") as file:
                file.write(f"\n\n{code}\n")
        return copy

    return faulty


@pytest.fixture
def ended(settings: Deploy, release: Release) -> Release:
    """A release whose container ended at once."""
    state = ContainerState(running=False, exit_code=3)
    impatient = settings.model_copy(update={"start_seconds": 0.5})
    container = Process("release", known_state=state, runs=False)
    return Release(container, release.expected, impatient, free_port(), 1)
