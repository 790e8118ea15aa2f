"""Jobs on a cluster: a worker that dies is replaced by another, an error of the code is not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.services.dask import Cluster

from slipway.errors import SlipwayError
from slipway.workers import ADDRESS, workers


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(
    two_workers: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def square(number: int, mark: Path) -> int:
        if number == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2

    monkeypatch.setenv(ADDRESS, two_workers.address)
    with workers() as pool:
        found = list(pool.run(square, [(number,) for number in range(20)], tmp_path / "killed"))
    assert found == [number**2 for number in range(20)]
    assert (tmp_path / "killed").exists()
    two_workers.start_worker()
    two_workers.wait(2)


def test_an_error_of_the_code_is_named(
    two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def divide(number: int, by: int) -> float:
        return number / by

    monkeypatch.setenv(ADDRESS, two_workers.address)
    with workers() as pool, pytest.raises(SlipwayError, match="ZeroDivisionError"):
        list(pool.run(divide, [(1,)], 0))
