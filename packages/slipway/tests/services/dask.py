"""A Dask scheduler and workers that run the code of a tree."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.services.projects import FLIGHTS

from slipway.repository.worktrees import environment
from slipway.workers import ADDRESS

WORKERS = 2


@dataclass
class Cluster:
    """A scheduler and its workers; files that they share are in `scratch`."""

    scratch: Path
    environment: dict[str, str]
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, part: str, *options: str) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-m", f"distributed.cli.dask_{part}"]
        known = ["--scheduler-file", str(self.scratch / "scheduler.json"), "--no-dashboard"]
        process = subprocess.Popen(
            [*module, *known, *options],
            cwd=self.scratch,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(self.scratch)]
        return self.start("worker", *options)

    def wait(self, workers: int) -> None:
        """Wait for a number of workers, and note the scheduler's address."""
        code = (
            "import sys, distributed; "
            "client = distributed.Client(scheduler_file=sys.argv[1], timeout=240); "
            f"client.wait_for_workers({workers}, timeout=240); print(client.scheduler.address)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(self.scratch / "scheduler.json")],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        self.address = done.stdout.strip()


@contextmanager
def cluster(tree: Path, scratch: Path) -> Iterator[Cluster]:
    """Start a scheduler and two workers, whose folder is not that of the test."""
    started = Cluster(scratch, environment(tree) | {"OMP_NUM_THREADS": "1", ADDRESS: ""})
    try:
        started.start("scheduler", "--host", "127.0.0.1", "--port", "0")
        for _ in range(WORKERS):
            started.start_worker()
        started.wait(WORKERS)
        yield started
    finally:
        for process in started.processes:
            process.kill()  # a worker whose scheduler has gone would wait for it
            process.wait(timeout=120)


@pytest.fixture(scope="session")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Workers with the code of this package and of the starter model."""
    with cluster(FLIGHTS, tmp_path_factory.mktemp("dask")) as started:
        yield started
