"""A small project with this repository's own DVC and git settings, and clones of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from tests.services.projects import ROOT

DVC = str(Path(sys.executable).with_name("dvc"))
# The files are text with bare line feeds: what a careless git would rewrite on Windows.
DATA = {"2024-01.csv": "id,late\n1,0\n2,1\n", "2024-02.csv": "id,late\n3,1\n4,0\n"}


class Clone:
    """A work tree, and the commands that a person would type in it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            check=False,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(DVC, *arguments)

    def do(self, command: str) -> None:
        """Run a `dvc` command that must succeed."""
        done = self.dvc(*command.split())
        assert done.returncode == 0, done.stderr

    def data(self) -> dict[str, str]:
        return {path.name: path.read_bytes().decode() for path in self.folder.glob("data/*")}

    def forget_data(self) -> None:
        """Become a clone on another machine: no data, no cache, no remote in the repository."""
        for name in ("data", ".dvc/cache", "data-remote"):
            if (self.folder / name).exists():
                shutil.rmtree(self.folder / name)


def tamper(files: AbstractFileSystem, remote: str, name: str) -> None:
    """Turn a late flight of one data file into a punctual one, behind DVC's back."""
    digest = hashlib.md5(DATA[name].encode()).hexdigest()
    stored = f"{remote}/files/md5/{digest[:2]}/{digest[2:]}"
    if isinstance(files, LocalFileSystem):
        Path(stored).chmod(0o644)
    files.pipe_file(stored, files.cat_file(stored).replace(b",1", b",0"))
    if isinstance(files, LocalFileSystem):
        Path(stored).chmod(0o444)  # DVC trusts what is read-only, unless `verify` is set


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment that sees nothing of this machine's git and DVC settings."""
    folder = tmp_path_factory.mktemp("apart")
    return {
        "DVC_GLOBAL_CONFIG_DIR": str(folder / "global"),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "tester",
        "GIT_AUTHOR_EMAIL": "tester@example.com",
        "GIT_COMMITTER_NAME": "tester",
        "GIT_COMMITTER_EMAIL": "tester@example.com",
    }


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory, apart: dict[str, str]) -> Path:
    """A repository whose data is in the DVC remote that ships with it."""
    folder = tmp_path_factory.mktemp("origin")
    for name in (".gitattributes", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "data").mkdir()
    for name, text in DATA.items():
        (folder / "data" / name).write_bytes(text.encode())
    project = Clone(folder, apart)
    project.run("git", "init", "--quiet")
    # A fork may have switched to a remote of its own: these tests begin with the embedded one.
    project.do("remote modify storage url data-remote")
    project.do("add --quiet data")
    project.do("push --quiet")
    project.run("git", "add", "--all")
    assert project.run("git", "commit", "--quiet", "--message", "data").returncode == 0
    return folder


@pytest.fixture
def clone(origin: Path, tmp_path: Path, apart: dict[str, str]) -> Clone:
    return _clone(origin, tmp_path / "clone", apart)


@pytest.fixture
def windows_clone(origin: Path, tmp_path: Path, apart: dict[str, str]) -> Clone:
    """A clone whose git turns line feeds into CRLF wherever it may."""
    return _clone(origin, tmp_path / "clone", apart, "--config", "core.autocrlf=true")


def _clone(origin: Path, folder: Path, environment: dict[str, str], *options: str) -> Clone:
    command = ["git", "clone", "--quiet", *options, str(origin), str(folder)]
    subprocess.run(command, env={**os.environ, **environment}, check=True)
    return Clone(folder, environment)
