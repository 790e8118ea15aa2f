"""What is installed, and in which environment CI tests it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.services.projects import ROOT

from slipway.comparison.champion import wheels_of

# What a runner, a container or a developer's shell may set, and an ordinary user's shell does not.
UNUSUAL = ["PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "PYTEST_ADDOPTS"]
UNUSUAL += ["OMP_NUM_THREADS", "SLIPWAY_LOG", "DVC_REMOTE", "VIRTUAL_ENV"]


@pytest.mark.parametrize("name", UNUSUAL)
def test_ci_tests_in_the_environment_of_an_ordinary_shell(tmp_path: Path, name: str) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    for command in ("packages/slipway/tests/services/install", "bin/make"):
        (tmp_path / command).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / command).write_text("#!/bin/sh\nenv\n")
        (tmp_path / command).chmod(0o755)
    (tmp_path / "packages/slipway/tests/conftest.py").touch()
    done = subprocess.run(
        [tmp_path / ".ci/run"],
        env={
            "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
            "HOME": "/tmp",
            "OPENBLAS_CORETYPE": "Haswell",
            name: "1",
        },
        check=True,
        capture_output=True,
        text=True,
    )
    seen = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert name not in seen
    assert {"HOME", "CI", "OPENBLAS_CORETYPE"} <= seen


def test_an_environment_is_made_of_wheels_here_and_for_a_champion() -> None:
    printed = _make(ROOT, "--eval", "options: ; @echo $(WHEELS)", "options").stdout.split()
    only, but = printed[1], printed[3]
    assert wheels_of(ROOT) == [f"--only-binary={only}", f"--no-binary={but}"]
    assert only == ":all:"
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert all(f"\n{name}==" in lock for name in but.split(","))


@pytest.mark.parametrize("listed", [[], None])
def test_an_environment_without_packages_from_source(
    tmp_path: Path, listed: list[str] | None
) -> None:
    text = "" if listed is None else f"[tool.slipway]\nsource-only = {listed}\n"
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    shutil.copy(ROOT / "Makefile", tmp_path)
    printed = _make(tmp_path, "--eval", "options: ; @echo $(WHEELS)", "options").stdout.split()
    assert printed == ["--only-binary", ":all:"]
    assert wheels_of(tmp_path) == ([] if listed is None else ["--only-binary=:all:"])


def test_make_runs_no_tool_that_came_with_a_commit(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert _make(tmp_path).returncode == 0
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/slipway").touch()
    subprocess.run(["git", "add", "--force", ".venv"], cwd=tmp_path, check=True)
    done = _make(tmp_path)
    assert done.returncode == 2
    assert ".venv/bin/slipway" in done.stderr


def test_make_reports_that_neither_the_folder_of_slipway_nor_a_release_is_there(
    tmp_path: Path,
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    source = "slipway-ml = { path = 'packages/slipway', editable = true }\n"
    (tmp_path / "pyproject.toml").write_text(source)
    done = _make(tmp_path)
    assert done.returncode == 2
    assert "packages/slipway is missing, and pyproject.toml names no release" in done.stderr
    assert "docs/upgrade.md" in done.stderr

    (tmp_path / "packages/slipway").mkdir(parents=True)
    (tmp_path / "packages/slipway/pyproject.toml").touch()
    assert _make(tmp_path).returncode == 0


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", *(arguments or ["help"])]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
