"""A small upstream with two releases, and forks of it; upstream as this repository is now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.services.projects import ROOT
from tests.services.repository import commit

from slipway.repository.worktrees import run

# The first commit with the package in packages/slipway, and the template around it.
FIRST = "f99c21c426590314751b06071e346cdbff32a0ee"

PROJECT = """[project]
name = "starter"
version = "1.0.0"
description = "Predicts flights."
dependencies = ["slipway-ml[serve]"]

[project.optional-dependencies]
pipeline = [
  "slipway-ml[pipeline]",
  "tables==1.0", # starter: the tables
]

[tool.uv.sources]
slipway-ml = { path = "packages/slipway", editable = true }

[tool.slipway]
source-only = ["antlr", "tables"]
"""

PAGE = """# Page

One.

<!-- starter -->
About flights.
<!-- /starter -->

Two.

Three.
"""

PIPELINE = """stages:
  train:
    params:
      - train
  evaluate:
    plots:
      - reports/roc.csv:
          x: a
"""

FILES = {
    "pyproject.toml": PROJECT,
    "packages/slipway/pyproject.toml": '[project]\nname = "slipway-ml"\nversion = "1.0.0"\n',
    "packages/slipway/CHANGELOG.md": "# Changelog\n\n## 1.0.0\n\n- The first release.\n",
    "packages/slipway/src/slipway/code.py": "ONE = 1\n",
    "machine.yaml": "train: 1\n",
    "requirements.lock": "antlr==1.0\nnumpy==1.0\ntables==1.0\n",
    "Makefile": "one:\n\techo one\n\n# -\n\ntwo:\n\techo two\n\n# -\n\nthree:\n\techo three\n",
    "docs/page.md": PAGE,
    "docs/other.md": "Other.\n",
    "dvc.yaml": PIPELINE,
    "params.yaml": "train:\n  rate: 1\n",
    "README.md": "A template.\n",
    "data.dvc": "outs: 1\n",
    "src/model/target.py": "TARGET = 1\n",
    "tools/run": "#!/bin/sh\necho 1\n",
    "tools/old": "old\n",
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def start(root: Path) -> None:
    """Name the author of the commits of a repository."""
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        run(["git", "config", key, value], root)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An upstream of two releases, with every kind of change between them, and a fork."""
    folder = tmp_path_factory.mktemp("made")
    root = folder / "upstream"
    write(root, FILES)
    (root / "tools/run").chmod(0o755)
    (root / "tools/link").symlink_to("run")
    (root / "tools/logo").write_bytes(b"\0one")
    run(["git", "init", "-q", "-b", "main"], root)
    start(root)
    commit(root, "One")
    run(["git", "tag", "v1.0.0"], root)
    edit(root, "packages/slipway/pyproject.toml", "1.0.0", "1.1.0")
    edit(root, "packages/slipway/CHANGELOG.md", "## 1.0.0", "## 1.1.0\n\n- A step.\n\n## 1.0.0")
    edit(root, "packages/slipway/src/slipway/code.py", "1", "2")
    write(root, {"packages/slipway/src/slipway/more.py": "", "docs/new.md": "New.\n"})
    edit(root, "machine.yaml", "1", "2")
    edit(root, "requirements.lock", "numpy==1.0", "numpy==2.0")
    edit(root, "Makefile", "echo two", "echo 2")
    edit(root, "docs/page.md", "About flights.", "About other flights.")
    edit(root, "docs/page.md", "Three.", "Four.")
    edit(root, "dvc.yaml", "- train", "- data\n      - train")
    write(root, {"params.yaml": "data:\n  encoding: auto\n\ntrain:\n  rate: 2\n"})
    edit(root, "README.md", "A template", "Another template")
    edit(root, "data.dvc", "1", "2")
    edit(root, "src/model/target.py", "1", "2")
    edit(root, "tools/run", "1", "2")
    (root / "tools/old").unlink()
    (root / "tools/link").unlink()
    (root / "tools/link").symlink_to("run2")
    (root / "tools/logo").write_bytes(b"\0two")
    commit(root, "Two")
    run(["git", "tag", "v1.1.0"], root)
    run(["git", "clone", "-q", "--no-tags", str(root), str(folder / "fork")], folder)
    run(["git", "reset", "-q", "--hard", "HEAD~1"], folder / "fork")
    run(["git", "remote", "rename", "origin", "upstream"], folder / "fork")
    start(folder / "fork")
    return folder


@pytest.fixture
def upstream(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "upstream", tmp_path / "upstream", symlinks=True))


@pytest.fixture
def fork(made: Path, upstream: Path, tmp_path: Path) -> Path:
    """A fork of the first release, with the address of upstream as its remote `upstream`."""
    root = Path(shutil.copytree(made / "fork", tmp_path / "fork", symlinks=True))
    run(["git", "remote", "set-url", "upstream", str(upstream)], root)
    return root


@pytest.fixture
def copy(fork: Path, upstream: Path) -> Path:
    """The same files without the history, as *Use this template* makes it."""
    shutil.rmtree(fork / ".git")
    run(["git", "init", "-q", "-b", "main"], fork)
    start(fork)
    run(["git", "remote", "add", "upstream", str(upstream)], fork)
    commit(fork, "Initial commit")
    return fork


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository, with its history and a commit of its files as they are now."""
    root = tmp_path_factory.mktemp("today") / "upstream"
    run(["git", "clone", "-q", "--shared", "--no-checkout", str(ROOT), str(root)], ROOT)
    start(root)
    run(["git", f"--work-tree={ROOT}", "add", "--all"], root)
    run(["git", "commit", "-q", "--allow-empty", "-m", "Now"], root)
    return root
