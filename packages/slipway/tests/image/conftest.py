"""The image as it is run in production, and a small one of its kind that builds in seconds."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.services.engine import ServiceImage
from tests.services.projects import ROOT
from tests.services.repository import commit

from slipway.containers import Container
from slipway.docker import docker
from slipway.manifest import MODEL, Golden, read_manifest
from slipway.release.build import BuiltBento
from slipway.release.image.build import assemble, labels
from slipway.release.image.context import Context, lay_out
from slipway.release.image.packages import Site
from slipway.release.machine import unpack_machine

TOKEN = "correct horse"
SECONDS = 180

HARDENED = [
    *("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *("--memory=512m", "--publish=127.0.0.1::3000", f"--env=SLIPWAY_TOKENS={TOKEN}"),
]


@dataclass(frozen=True)
class Service:
    container: Container
    client: httpx.Client


def wait_until(true: Callable[[], object], what: str, details: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS} s\n{details()}"
        time.sleep(0.05)


@contextmanager
def container(image: str, *options: str, command: Sequence[str] = ()) -> Iterator[Container]:
    """Start an image with every restriction that it gets in production."""
    it = Container(f"slipway-test-{uuid.uuid4().hex}")
    docker("run", "--detach", "--name", it.name, *HARDENED, *options, image, *command)
    try:
        yield it
    finally:
        it.remove()


@contextmanager
def ready(image: str, *options: str) -> Iterator[Service]:
    with container(image, *options) as it:
        address = docker("port", it.name, "3000").split()[0]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=f"http://{address}", headers=headers, timeout=30) as client:
            wait_until(lambda: _is_ready(client), "ready", it.output)
            yield Service(it, client)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def service(service_image: ServiceImage) -> Iterator[Service]:
    """A running container of the image, whose health Docker asks for often."""
    with ready(service_image.built.image, "--health-interval=1s") as service:
        yield service


@pytest.fixture(scope="session")
def golden(service_image: ServiceImage) -> list[Golden]:
    return list(read_manifest(service_image.tree / MODEL)["golden"])


@pytest.fixture(scope="session")
def bento(service_image: ServiceImage, tmp_path_factory: pytest.TempPathFactory) -> BuiltBento:
    built, tree = service_image.built, service_image.tree
    folder = tree / "build/bentoml/bentos/slipway" / built.commit
    machine = unpack_machine(tree, tmp_path_factory.mktemp("machine"))
    return BuiltBento(f"slipway:{built.commit}", folder, built.model_sha256, machine)


@pytest.fixture
def copy(service_image: ServiceImage, tmp_path: Path) -> Path:
    """A copy of the tree of the image with nothing built; its lock has the model's packages."""
    tree = tmp_path / "repository"
    leave = shutil.ignore_patterns("bentoml", "packages", "context", "image.json", "sbom.json")
    shutil.copytree(service_image.tree, tree, ignore=leave)
    lock = tree / "requirements-serve.lock"
    needed = read_manifest(tree / MODEL)["model"]["packages"]
    lock.write_text("\n".join(line for name in needed for line in locked(name)) + "\n", "utf-8")
    commit(tree, "Need the packages of the model only")
    return tree


def locked(name: str) -> list[str]:
    """Return the lines of a package in the lock of this repository: one for each version."""
    lock = (ROOT / "requirements-serve.lock").read_text("utf-8").replace("\\\n", " ")
    return [line for line in lock.splitlines() if line.startswith(f"{name}==")]


@dataclass(frozen=True)
class Small:
    """What the image is made of, but with one small package."""

    bento: BuiltBento
    base: str
    folder: Path

    @property
    def tag(self) -> str:
        return f"slipway:{self.marks()['slipway.commit']}"

    def context(self, name: str = "context") -> Context:
        toy = self.folder / "site" / "toy"
        toy.mkdir(parents=True, exist_ok=True)
        (toy / "__init__.py").write_text("NAMES = {'one', 'two', 'three', 'four'}\n")
        return lay_out(self.bento.path, Site(toy.parent, []), self.folder / name)

    def build(self, context: Context) -> str:
        return assemble(context, self.base, self.marks())

    def marks(self) -> Mapping[str, str]:
        return {**labels(self.bento), "slipway.commit": f"test-{self.folder.name}"}


@pytest.fixture
def small(bento: BuiltBento, base_image: str, tmp_path: Path) -> Iterator[Small]:
    small = Small(bento, base_image, tmp_path)
    yield small
    if docker("images", "--quiet", small.tag):
        docker("rmi", "--force", small.tag)


@pytest.fixture(scope="session")
def small_image(
    bento: BuiltBento, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Context]]:
    """The tag of a small image that is as it should be, and what it was built from."""
    small = Small(bento, base_image, tmp_path_factory.mktemp("small-image"))
    context = small.context()
    small.build(context)
    yield small.tag, context
    docker("rmi", "--force", small.tag)
