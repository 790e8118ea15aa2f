"""Jobs on a cluster: one that dies has its jobs done by another worker; errors are named."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster
from tests.services.dask import Cluster

from slipway.errors import SlipwayError
from slipway.repository.worktrees import run
from slipway.workers import ADDRESS, difference, workers


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


@pytest.fixture(params=["no port", "unknown protocol", "another program"])
def wrong_address(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address at which no scheduler answers; the last one accepts connections and is silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        yield {
            "no port": host,
            "unknown protocol": f"dask://{host}:{port}",
            "another program": f"tcp://{host}:{port}",
        }[request.param]


def test_a_wrong_address_is_refused_with_what_to_set(
    wrong_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, wrong_address)
    monkeypatch.setattr("slipway.workers.SECONDS", 0.5)
    with pytest.raises(SlipwayError, match="no Dask scheduler answers") as refused, workers():
        pass
    assert wrong_address in str(refused.value)
    assert "tcp://" in refused.value.do


def test_a_scheduler_that_dies_is_named_not_its_workers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def half(number: int, by: int) -> float:
        return number / by

    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp", dashboard_address=":0"
    ) as cluster:
        monkeypatch.setenv(ADDRESS, cluster.scheduler_address)
        with workers() as pool:
            results = pool.run(half, [(number,) for number in range(1_000)], 2)
            assert next(results) == 0
            cluster.close()
            with pytest.raises(SlipwayError, match="does not answer") as died:
                list(results)
    assert cluster.scheduler_address in str(died.value)
    assert "Traceback" not in capfd.readouterr().err


def test_a_worker_whose_code_was_edited_since_has_what_it_has_imported(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/__init__.py").write_text("", "utf-8")
    code = (
        "from pathlib import Path; from slipway.workers import CODE, identity; "
        "file, own = Path('model/__init__.py'), identity(); file.write_text('EDITED = 1\\n'); "
        "print(own == identity(), own[CODE])"
    )
    before, after = (
        run([sys.executable, "-c", code], tmp_path, settings={"PYTHONPATH": "."}).split()
        for _ in range(2)
    )
    assert before[0] == after[0] == "True"
    assert before[1] != after[1]


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({}, ""),
        ({"code": "b"}, "other code in src/model or slipway"),
        ({"onnxruntime": "2"}, "onnxruntime 2 instead of 1"),
    ],
)
def test_a_worker_with_another_version_of_any_common_package_is_refused(
    theirs: dict[str, str], expected: str
) -> None:
    own = {"code": "a", "onnxruntime": "1", "ruff": "1"}
    assert difference(own, {"code": "a", "onnxruntime": "1", **theirs}) == expected
