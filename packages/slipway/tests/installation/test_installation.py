"""A checkout is worked on by its own code, with the packages that its own lock names."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.services.projects import ROOT
from tests.services.repository import copy_code

from slipway.repository.layout import python_path
from slipway.repository.worktrees import environment


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkout, with code and a lock of its own."""
    root = tmp_path_factory.mktemp("other") / "checkout"
    copy_code(root)
    for name in ("requirements.lock", "params.yaml"):
        shutil.copy(ROOT / name, root / name)
    return root


def slipway(cwd: Path, code: Path) -> subprocess.CompletedProcess[str]:
    """Start a verb in one folder with the code of another, as an activated environment does."""
    return subprocess.run(
        [sys.executable, "-m", "slipway", "validate"],
        cwd=cwd,
        env=environment(cwd) | {"PYTHONPATH": python_path(code), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_code_of_another_checkout_is_refused_and_both_are_named(other):
    done = slipway(other, code=ROOT)

    assert done.returncode == 2
    assert str(other) in done.stderr
    assert str(ROOT) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_packages_of_another_checkout_are_refused_where_its_lock_differs(other):
    lock = other / "requirements.lock"
    same = lock.read_text("utf-8")
    assert "Python has the packages" not in slipway(other, code=other).stderr
    lock.write_text(same.replace("numpy==", "numpy==0", 1), "utf-8")
    try:
        done = slipway(other, code=other)
    finally:
        lock.write_text(same, "utf-8")

    assert done.returncode == 2
    assert str(other) in done.stderr
    assert str(ROOT) in done.stderr


def test_any_folder_without_code_of_its_own_is_served(tmp_path):
    done = slipway(tmp_path, code=ROOT)
    assert "runs the code of" not in done.stderr
