"""A Docker engine, a registry and images for the tests; the program `engine` makes them ready.

Where there is no engine the tests that need it are skipped, with a line about it; in CI that
line is a failure.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.services.once import made_once
from tests.services.projects import ROOT
from tests.services.repository import commit, edit_params
from tests.services.servers import free_port, program, running

from slipway.docker import docker
from slipway.manifest import MODEL
from slipway.release.image.build import WORK, build_image
from slipway.release.image.context import APP
from slipway.release.image.packages import Platform, install
from slipway.release.image.record import IMAGE, ImageRecord
from slipway.serving.release import RELEASE_FILE

BASE = "slipway-test-base:bookworm"

SERVICE = "service-image"

REGISTRY = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@dataclass(frozen=True)
class ServiceImage:
    """An image, and the working tree that it was built from."""

    built: ImageRecord
    tree: Path


@pytest.fixture(scope="session")
def engine() -> None:
    """Ask for it to be sure that a Docker engine answers."""
    if shutil.which("docker") is None:
        pytest.skip("there is no `docker` here: run packages/slipway/tests/services/install")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers: run packages/slipway/tests/services/engine")


@pytest.fixture(scope="session")
def base_image(engine: None) -> str:
    """An image with Python, HAProxy and bash: base of the service, and proxy."""
    found = subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"there is no image {BASE} here: run packages/slipway/tests/services/engine")
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


@pytest.fixture(scope="session")
def unpacked(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the service, which take longest of what an image needs."""
    lock = ROOT / "requirements-serve.lock"
    return made_once(
        tmp_path_factory,
        "packages",
        lambda folder: install(lock, Platform.of_image(base_image), folder),
    )


@pytest.fixture(scope="session")
def service_image(
    base_image: str,
    worker_id: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> ServiceImage:
    """The image of the small repository, on the tests' own base: made once for all processes."""
    # Each of two processes makes one of these; in the same order, one would wait for the other.
    parts = ["unpacked", "small_repository"]
    for name in parts if worker_id == "gw0" else reversed(parts):
        request.getfixturevalue(name)

    def make(folder: Path) -> None:
        tree = folder / "repository"
        shutil.copytree(request.getfixturevalue("small_repository"), tree)
        edit_params(tree, deploy={"base_image": base_image})
        commit(tree, "Build on the tests' own base")
        (tree / WORK).mkdir(parents=True)
        (tree / WORK / "packages").symlink_to(request.getfixturevalue("unpacked"))
        build_image(tree)
        shutil.rmtree(tree / WORK / "context")  # large, and not needed any more

    made = made_once(tmp_path_factory, SERVICE, make) / "repository"
    tree = tmp_path_factory.mktemp("service") / "repository"
    shutil.copytree(made, tree, symlinks=True)
    return ServiceImage(ImageRecord.read(tree), tree)


def remove_service_image(folder: Path) -> None:
    """Remove the image that the processes of a session, which had this folder, have made."""
    tree = folder / SERVICE / "repository"
    if (tree / IMAGE).exists():
        docker("rmi", "--force", ImageRecord.read(tree).image)


@functools.cache
def cache_tag(image: str) -> str:
    """Return what an image's Python puts into the name of a compiled file."""
    ask = "import sys; print(sys.implementation.cache_tag)"
    return docker("run", "--rm", "--entrypoint=python3", image, "-c", ask).strip()


def add_to_image(
    image: str,
    files: Mapping[str, str | bytes],
    tag: str,
    folder: Path,
    lines: Sequence[str] = (),
) -> str:
    """Build an image with some files, given by their path, added or replaced; return its id.

    Parameters
    ----------
    tag
        Of the new image.
    folder
        Empty; Docker builds from it.
    lines
        Of a Dockerfile, after these files.
    """
    added = folder / "files"
    added.mkdir()
    for name, content in files.items():
        path = added / name.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if path.suffix == ".py":
            # The service takes what was compiled before what is written, unless it is empty.
            compiled = path.parent / "__pycache__" / f"{path.stem}.{cache_tag(image)}.pyc"
            compiled.parent.mkdir(exist_ok=True)
            compiled.touch()
    (folder / "Dockerfile").write_text("\n".join([f"FROM {image}", "COPY files /", *lines]))
    return docker("build", "--quiet", f"--tag={tag}", str(folder)).split()[-1]


BuildVariant = Callable[..., str]


@pytest.fixture(scope="session")
def build_variant(
    service_image: ServiceImage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BuildVariant]:
    """A function that builds an image from `service_image`, with something changed.

    Call it with `files` (text or bytes by their path in the image, as
    /app/slipway/training/score.py), `environment` or `commit`; it returns the id of the image.
    """
    made: list[str] = []
    base = f"slipway-test:{uuid.uuid4().hex}"
    docker("tag", service_image.built.image, base)

    def build(
        files: Mapping[str, str | bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        commit: str = "",
    ) -> str:
        lines = [f"ENV {name}={json.dumps(value)}" for name, value in (environment or {}).items()]
        files = dict(files or {})
        if commit:
            release = {"commit": commit, "data": service_image.built.data, "built_at": None}
            files[f"{APP}/{MODEL}/{RELEASE_FILE}"] = json.dumps(release)
            lines.append(f"LABEL slipway.commit={commit}")
        made.append(f"slipway-test:{uuid.uuid4().hex}")
        return add_to_image(base, files, made[-1], tmp_path_factory.mktemp("variant"), lines)

    try:
        yield build
    finally:
        docker("rmi", "--force", *made, base)
