"""A Docker engine, a registry and images for the tests; `tests/services/engine` makes them ready.

Where there is no engine the tests that need it are skipped, with a line that says so; in CI that
line is a failure.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from tests.services.servers import free_port, program, running

BASE = "slipway-test-base:bookworm"

REGISTRY = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="session")
def engine() -> None:
    """Ask for it to be sure that a Docker engine answers."""
    if shutil.which("docker") is None:
        pytest.skip("there is no `docker` here: run tests/services/install")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers: run tests/services/engine")


@pytest.fixture(scope="session")
def base_image(engine: None) -> str:
    """An image with Python, HAProxy and bash: base of the service, and proxy."""
    found = subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"there is no image {BASE} here: run tests/services/engine")
    return BASE


@pytest.fixture(scope="session")
def registry(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running registry, empty at first."""
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    settings = folder / "settings.yml"
    settings.write_text(REGISTRY.format(folder=folder / "stored", port=port))
    with running([program("docker-registry"), "serve", str(settings)], port, folder):
        yield f"127.0.0.1:{port}"
