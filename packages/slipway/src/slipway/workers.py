"""Parallel jobs: on this machine, or on a Dask cluster if its address is set."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Protocol, TypeVar

from slipway.errors import SlipwayError

# Where Dask itself looks for its scheduler.
ADDRESS = "DASK_SCHEDULER_ADDRESS"

# Where joblib looks for the number of cores that it may use.
MOST_CORES = "LOKY_MAX_CPU_COUNT"

SECONDS = 20

# In which a scheduler answers that is busy, or whose connection is lost; after these it has gone.
SECONDS_IF_BUSY, SECONDS_IF_LOST = 60, 3

CODE = "code"

FIX = "start `dask worker` again, in this environment, with PYTHONPATH naming src/ of this commit"

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
        with self._reaching():
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
            sent = (identity(), shared)
            self._sent = shared, self._client.scatter([sent], broadcast=True)[0]
        return self._sent[1]

    def _submit(self, work: Callable[..., Result], job: tuple[Any, ...], sent: Any) -> Any:
        with self._reaching():
            return self._client.submit(_work, work, *job, sent, pure=False)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Name a scheduler that does not answer any more, whatever its calls raise then."""
        try:
            yield
        except Exception:
            self._require_scheduler()
            raise

    def _require_scheduler(self) -> None:
        busy = self._client.status == "running"
        if reason := _no_answer(self._address, SECONDS_IF_BUSY if busy else SECONDS_IF_LOST):
            raise SlipwayError(
                f"the Dask scheduler at {self._address} does not answer any more ({reason})",
                "look at its log, start it and the workers again, then run the same command again",
            )

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
                with self._reaching():
                    sent = self._send(shared)
                future = self._submit(work, job, sent)
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
        self._require_scheduler()
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
    # Asked first: a client that cannot connect tries to close its connection for a long time.
    if reason := _no_answer(address, SECONDS):
        raise SlipwayError(
            f"{ADDRESS}={address}: no Dask scheduler answers ({reason})",
            "start it with `dask scheduler`, and set the address that it prints, such as "
            "tcp://localhost:8786",
        )
    for name in ("distributed", "distributed.client"):
        # What is logged here is raised as well, and the log has tracebacks.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with Client(address, timeout=SECONDS, set_as_default=False) as client:
        yield _Cluster(client, address)


def _no_answer(address: str, seconds: float) -> str:
    """Return why no scheduler answers at an address; '' if one does."""
    with ThreadPoolExecutor(1) as thread:  # a notebook has a loop in this one
        try:
            found = thread.submit(asyncio.run, _ask_scheduler(address, seconds)).result()
        except TimeoutError:
            return f"not within {seconds:g} s"
        except Exception as error:  # noqa: BLE001 -- any program may listen there, and answer anything
            return " ".join(str(error).split()) or type(error).__name__
    kind = str(found["type"])
    return "" if kind == "Scheduler" else f"it is the address of a {kind.lower()}"


async def _ask_scheduler(address: str, seconds: float) -> Any:
    from distributed.core import rpc
    from distributed.security import Security

    options = Security().get_connection_args("client")
    async with rpc(address, timeout=seconds, connection_args=options) as scheduler:
        return await asyncio.wait_for(scheduler.identity(n_workers=0), seconds)


def identity() -> dict[str, str]:
    """Return a hash of the code, and the versions of the packages: they determine the results."""
    import model
    import slipway

    return _identity(tuple(Path(str(package.__file__)).parent for package in (model, slipway)))


@lru_cache(maxsize=1)
def _identity(packages: tuple[Path, ...]) -> dict[str, str]:
    # Once for each process: a worker goes on with what it has imported when files change.
    digest = hashlib.sha256()
    for top in packages:
        for path in sorted(top.rglob("*.py")):
            digest.update(path.relative_to(top).as_posix().encode() + b"\0" + path.read_bytes())
    installed = {each.name.lower(): each.version for each in distributions() if each.name}
    return installed | {CODE: digest.hexdigest()}


def difference(own: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return what a worker has in another version, as text; '' if its results are the same."""
    if own[CODE] != theirs[CODE]:
        return "other code in src/model or slipway"
    # A package that only one of them has either changes no result, or cannot be imported.
    other = sorted(name for name in own.keys() & theirs.keys() if own[name] != theirs[name])
    return f"{other[0]} {theirs[other[0]]} instead of {own[other[0]]}" if other else ""


def _work(work: Callable[..., Result], *arguments: Any) -> Result:
    """Run a job on a worker, which may have joined after the command began."""
    *job, (expected, shared) = arguments
    if found := difference(expected, identity()):
        raise SlipwayError(f"a worker that has joined since has {found}", FIX)
    return work(*job, shared)


def _check_workers(client: Any, address: str) -> int:
    """Return the number of workers; refuse those that would give other results."""
    try:
        found = client.run(identity)
    except Exception as error:  # noqa: BLE001 - a worker may raise anything
        raise SlipwayError(f"{address}: a worker cannot run this code: {error!r}", FIX) from None
    if not found:
        raise SlipwayError(f"{address}: the scheduler has no worker", FIX)
    own = identity()
    differences = {worker: difference(own, theirs) for worker, theirs in found.items()}
    if other := sorted(worker for worker, what in differences.items() if what):
        raise SlipwayError(
            f"{address}: other code or libraries on {len(other)} of {len(found)} workers: "
            f"{other[0]} has {differences[other[0]]}",
            FIX,
        )
    return len(found)
