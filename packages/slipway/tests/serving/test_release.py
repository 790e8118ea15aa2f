"""Which files make a release dirty: those that ship, and no others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.services.projects import ROOT

from slipway.serving.release import LITTER, Release


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A repository without a .gitignore."""
    (tmp_path / "src/model").mkdir(parents=True)
    (tmp_path / "src/model/features.py").write_text("")
    (tmp_path / "data.dvc").write_text("outs:\n- {md5: a.dir, path: data}\n")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "A model"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "src/model/__pycache__/features.cpython-311.pyc",
        "src/.DS_Store",
        "src/model/.features.py.swp",
        "src/model/features.py~",
        "src/model/#features.py#",
        "src/.idea/workspace.xml",
        "notes.txt",
        "tests/test_mine.py",
    ],
)
def test_what_programs_leave_behind_is_no_change(fork: Path, name: str) -> None:
    (fork / name).parent.mkdir(parents=True, exist_ok=True)
    (fork / name).write_text("x")
    assert not Release.of_tree(fork).commit.endswith("-dirty")


@pytest.mark.parametrize(
    "name", ["src/model/features.py", "src/model/new.py", "src/model/table é.csv", "params.yaml"]
)
def test_what_ships_and_is_not_committed_is_a_change(fork: Path, name: str) -> None:
    (fork / name).write_text("x")
    assert Release.of_tree(fork).commit.endswith("-dirty")


def test_a_tracked_file_that_is_gone_is_a_change(fork: Path) -> None:
    (fork / "src/model/features.py").unlink()
    assert Release.of_tree(fork).commit.endswith("-dirty")


def test_what_makes_no_release_dirty_is_packed_in_none() -> None:
    packed = yaml.safe_load((ROOT / "bentofile.yaml").read_text("utf-8"))
    assert {name.strip("\\/") for name in packed["exclude"]} == set(LITTER)
