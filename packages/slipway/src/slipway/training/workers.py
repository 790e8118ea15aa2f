"""Parallel jobs: on every core of this machine, or on a Dask cluster if its address is set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from slipway.errors import SlipwayError

# Where Dask itself looks for its scheduler.
ADDRESS = "DASK_SCHEDULER_ADDRESS"

# Where joblib looks for the number of cores that it may use.
MOST_CORES = "LOKY_MAX_CPU_COUNT"

SECONDS = 20

LIBRARIES = ("numpy", "pandas", "scikit-learn")

Result = TypeVar("Result")

Jobs = Sequence[tuple[Any, ...]]


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
    """The workers of a Dask scheduler, all of which run this code."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self.where = f"Dask at {address}, {_check_workers(client, address)} workers"

    def run(self, work: Callable[..., Result], jobs: Jobs, shared: Any) -> Iterator[Result]:
        # Sent to every worker once, not with every job.
        sent = self._client.scatter([shared], broadcast=True)[0]
        futures = [self._client.submit(work, *job, sent, pure=False) for job in jobs]
        for future in futures:
            try:
                yield future.result()
            except SlipwayError:
                raise
            except Exception as error:  # noqa: BLE001 - a worker may die in any way
                raise SlipwayError(
                    f"{self._address}: a worker failed: {error!r}", "look at the worker's own log"
                ) from None


@contextmanager
def workers() -> Iterator[_Cores | _Cluster]:
    """Yield an object whose `run(work, jobs, shared)` yields `work(*job, shared)` in order.

    Raises
    ------
    SlipwayError
        A cluster is configured and cannot be used, or would give other results.
    """
    address = os.environ.get(ADDRESS, "")
    if not address:
        yield _Cores()
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
