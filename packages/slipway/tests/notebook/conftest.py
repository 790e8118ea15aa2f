"""The notebook, run once by a real kernel in a fork with a model on main."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from tests.services.projects import ROOT
from tests.services.repository import commit, edit_params

from slipway.repository.worktrees import run

NOTEBOOK = ROOT / "notebooks/explore.ipynb"


@pytest.fixture(scope="session")
def notebook() -> NotebookNode:
    """The notebook as it is committed."""
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)


@pytest.fixture(scope="session")
def fork(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fork with a user's identity, and a candidate that is trained in seconds."""
    root = tmp_path_factory.mktemp("fork") / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    run(["git", "config", "user.name", "Ada"], root)
    run(["git", "config", "user.email", "ada@example.org"], root)
    edit_params(root, search={"candidates": [{"iterations": 60}]})
    commit(root, "Try fewer trees")
    return root


@pytest.fixture(scope="session")
def own_kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the settings and the history of kernels out of the user's home."""
    folder = str(tmp_path_factory.mktemp("jupyter"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, folder)
        yield


def run_cells(cells: NotebookNode, root: Path) -> NotebookNode:
    """Run a notebook in a kernel of its own, in the folder of the notebooks; return its outputs."""
    resources = {"metadata": {"path": str(root / "notebooks")}}
    client = NotebookClient(
        copy.deepcopy(cells), timeout=300, kernel_name="python3", resources=resources
    )
    return client.execute()


@pytest.fixture(scope="session")
def executed(notebook: NotebookNode, fork: Path, own_kernels: None) -> NotebookNode:
    """The notebook with the outputs of each cell."""
    return run_cells(notebook, fork)
