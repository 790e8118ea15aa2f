"""A real MLflow server, and a released model as MLflow loads it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.services.servers import free_port, running

from slipway.export.mlflow_store import QUIET
from slipway.export.packed import machine_archive, packed
from slipway.repository.git import resolve

SECONDS_TO_START = 240  # it makes a database first: eight seconds of a core that nothing else uses


@dataclass(frozen=True)
class MlflowServer:
    """A server, and a copy of its database from before anything was written to it."""

    url: str
    empty: Path


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    os.environ |= QUIET
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with running(command, port, folder, SECONDS_TO_START):
        shutil.copy(folder / "mlflow.db", folder / "empty.db")
        yield MlflowServer(f"http://127.0.0.1:{port}", folder / "empty.db")


@contextmanager
def pyfunc_of(root: Path) -> Iterator[Any]:
    """Yield the model of the newest commit as MLflow loads it."""
    import mlflow.pyfunc

    with machine_archive(root) as machine, packed(root, resolve(root, "HEAD"), "", machine) as made:
        yield mlflow.pyfunc.load_model(str(made.folder))
