"""Jobs on a cluster: a worker that dies is replaced by another, an error of the code is not."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
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
