"""Parallel jobs: on this machine, or on a Dask cluster if its address is set."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

from slipway.errors import SlipwayError

# Where Dask itself looks for its scheduler.
ADDRESS = "DASK_SCHEDULER_ADDRESS"

# Where joblib looks for the number of cores that it may use.
MOST_CORES = "LOKY_MAX_CPU_COUNT"

SECONDS = 20

LIBRARIES = ("duckdb", "numpy", "pandas", "pyarrow", "scikit-learn")

# Jobs that wait at the scheduler for each thread of the workers: results that were computed ahead
# are held in the memory of the workers.
AHEAD = 2

# Times that a job is sent again after all workers that held its arguments have died.
TRIES = 3

Result = TypeVar("Result")

Jobs = Iterable[tuple[Any, ...]]


class Workers(Protocol):
    """Runs jobs."""

    where: str

    def run(self, work: Callable[..., Result], jobs: Jobs, shared: Any) -> Iterator[Result]:
        """Yield `work(*job, shared)` of each job, in order.

        Raises
        ------
        SlipwayError
            The work raised it, or the job cannot be finished.
        """


class _Process:
    """The process itself: a job begins when the result of the one before has been taken."""

    where = "this process"

    def run(self, work: Callable[..., Result], jobs: Jobs, shared: Any) -> Iterator[Result]:
        return (work(*job, shared) for job in jobs)


class _Cores:
    """Processes of this machine."""

    def __init__(self) -> None:
        from joblib import cpu_count

        self.where = f"{cpu_count()} cores of this machine"

    def run(self, work: Callable[..., Result], jobs: Jobs, shared: Any) -> Iterator[Result]:
        from joblib import Parallel, delayed

        parallel = Parallel(n_jobs=-1, return_as="generator")
        try:
            yield from parallel(delayed(work)(*job, shared) for job in jobs)
        except BrokenProcessPool as error:
            # Each worker holds a copy of what is shared, and joblib starts one for each core.
            ended = " (SIGKILL)" if "SIGKILL" in str(error) else ""
            raise SlipwayError(
                f"a worker process was killed{ended}, probably for lack of memory; each of "
                f"{self.where} has one",
                f"set {MOST_CORES} to a lower number of workers, such as 1, use fewer rows, "
                "or run it on a machine with more memory",
            ) from None


class _Cluster:
    """The workers of a Dask scheduler, all of which run this code.

    If a worker dies, the scheduler gives its jobs to another one.
    """

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._sent: tuple[Any, Any] | None = None
        self.where = f"Dask at {address}, {_check_workers(client, address)} workers"

    def run(self, work: Callable[..., Result], jobs: Jobs, shared: Any) -> Iterator[Result]:
        sent = self._send(shared)
        most = max(AHEAD * sum(self._client.nthreads().values()), 1)
        waiting: deque[tuple[tuple[Any, ...], Any]] = deque()
        for job in jobs:
            waiting.append((job, self._submit(work, job, sent)))
            if len(waiting) >= most:
                yield self._result(work, *waiting.popleft(), shared)
        while waiting:
            yield self._result(work, *waiting.popleft(), shared)

    def _send(self, shared: Any) -> Any:
        """Send what all jobs share to every worker once, not with every job."""
        if self._sent is None or self._sent[0] is not shared:
            self._sent = shared, self._client.scatter([shared], broadcast=True)[0]
        return self._sent[1]

    def _submit(self, work: Callable[..., Result], job: tuple[Any, ...], sent: Any) -> Any:
        return self._client.submit(work, *job, sent, pure=False)

    def _result(
        self, work: Callable[..., Result], job: tuple[Any, ...], future: Any, shared: Any
    ) -> Result:
        from distributed.scheduler import KilledWorker

        for _ in range(TRIES):
            try:
                return self._wait(future)
            except SlipwayError:
                raise
            except CancelledError:
                # Every worker that held what is shared has died.
                self._require_worker()
                self._sent = None
                future = self._submit(work, job, self._send(shared))
            except KilledWorker as error:
                deaths = error.allowed_failures + 1
                raise self._dead(f"{deaths} workers died at the same job") from None
            except Exception as error:  # noqa: BLE001 - the code of the job may raise anything
                raise SlipwayError(
                    f"{self._address}: a job failed: {error!r}", "look at the worker's own log"
                ) from None
        raise self._dead(f"a job was lost {TRIES} times, with the workers that held its data")

    def _wait(self, future: Any) -> Any:
        from distributed import TimeoutError as LateError

        while True:
            try:
                return future.result(timeout=SECONDS)
            except LateError:
                if future.done():  # the job itself raised it
                    raise
                self._require_worker()

    def _require_worker(self) -> None:
        if not self._client.scheduler_info(n_workers=-1)["workers"]:
            raise self._dead("no worker is left")

    def _dead(self, what: str) -> SlipwayError:
        return SlipwayError(
            f"{self._address}: {what}",
            "look at the workers' own logs; often the memory is short: raise `--memory-limit`, or "
            "start fewer workers on a machine",
        )


def has_cluster() -> bool:
    """Return whether the address of a cluster is set."""
    return bool(os.environ.get(ADDRESS))


@contextmanager
def workers(*, cores: bool = True) -> Iterator[Workers]:
    """Yield what runs jobs: the cluster whose address is set, or this machine.

    Parameters
    ----------
    cores
        Whether this machine is used with a process for each core, or with this process alone, whose
        libraries have threads.

    Raises
    ------
    SlipwayError
        A cluster is configured and cannot be used, or would give other results.
    """
    address = os.environ.get(ADDRESS, "")
    if not address:
        yield _Cores() if cores else _Process()
        return
    try:
        from distributed import Client
    except ImportError:
        raise SlipwayError(
            f"{ADDRESS} is set, and the package `distributed` is not installed",
            "install the extra `dask`, or unset it",
        ) from None
    try:
        client = Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SlipwayError(
            f"{ADDRESS}={address}: no Dask scheduler answers ({error})", "check the address"
        ) from None
    with client:
        yield _Cluster(client, address)


def identity() -> dict[str, str]:
    """Return a hash of the code and the versions of the libraries, which determine the results."""
    import model
    import slipway

    digest = hashlib.sha256()
    for package in (model, slipway):
        top = Path(str(package.__file__)).parent
        for path in sorted(top.rglob("*.py")):
            digest.update(path.relative_to(top).as_posix().encode() + b"\0" + path.read_bytes())
    return {"code": digest.hexdigest()} | {name: version(name) for name in LIBRARIES}


def _check_workers(client: Any, address: str) -> int:
    """Return the number of workers; refuse those that would give other results."""
    fix = "start `dask worker` in this environment, with PYTHONPATH naming src/ of this commit"
    try:
        found = client.run(identity)
    except Exception as error:  # noqa: BLE001 - a worker may raise anything
        raise SlipwayError(f"{address}: a worker cannot run this code: {error!r}", fix) from None
    if not found:
        raise SlipwayError(f"{address}: the scheduler has no worker", fix)
    own = identity()
    other = sorted(worker for worker, theirs in found.items() if theirs != own)
    if other:
        raise SlipwayError(
            f"{address}: {len(other)} of {len(found)} workers have other code or libraries, "
            f"such as {other[0]}",
            fix,
        )
    return len(found)
