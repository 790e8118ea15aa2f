"""The smoke test in a real container: of a valid release, and of some that are not."""

from __future__ import annotations

import contextlib
import uuid

import pytest

from slipway.containers import Container
from slipway.docker import HARDENED, docker
from slipway.release.smoke_test import Expected, run_smoke_test
from slipway.settings import read_params
from slipway.training.score import Model

LEAK = """

_sound = features
_kept = []

def features(columns):
    _kept.append(bytearray(b"x" * {size}))
    return _sound(columns)
"""


@pytest.fixture(scope="module")
def expected(service_image):
    built = service_image.built
    golden = Model.load(service_image.tree / "build/model").manifest["golden"]
    return Expected(built.model_sha256, built.commit, built.data, golden, built.manifest_sha256)


@pytest.fixture(scope="module")
def settings(service_image):
    """As they are, but for an engine that others use as well."""
    known = read_params(service_image.tree / "params.yaml").deploy
    canary = known.canary.model_copy(update={"max_latency_ms": 3000.0})
    return known.model_copy(update={"canary": canary})


@contextlib.contextmanager
def started(image):
    container = Container(f"slipway-test-{uuid.uuid4().hex[:8]}")
    docker(
        *("run", "--detach", "--name", container.name, "--memory", "512m", "--tmpfs", "/tmp"),
        *("--memory-swap", "512m", *HARDENED, "--env", "SLIPWAY_TOKENS=secret"),
        *("--env", "SLIPWAY_SMOKE_SECRET=another", image),
    )
    try:
        yield container
    finally:
        container.remove()


def checked(image, expected, settings):
    with started(image) as container:
        found = {one.name: one for one in run_smoke_test(container, expected, settings)}
    return found, {name for name, check in found.items() if not check.ok}


def variant(service_image, build_variant, fault):
    features = (service_image.tree / "src/model/features.py").read_text()
    return build_variant(files={"/app/model/features.py": features + fault})


def test_the_image_that_was_built_passes_every_check(service_image, expected, settings):
    found, failed = checked(service_image.built.image, expected, settings)

    assert not failed, found
    assert len(found) == 9


def test_one_that_crashes_at_its_start_is_not_ready_and_its_last_words_are_shown(
    service_image, expected, settings, build_variant
):
    image = build_variant(files={"/app/build/model/model.onnx": b"another model"})

    found, failed = checked(image, expected, settings)

    assert failed == {"ready"}
    assert "ended" in found["ready"].message
    assert "but its manifest has" in found["ready"].message


def test_one_that_leaks_is_found(service_image, expected, settings, build_variant):
    image = variant(service_image, build_variant, LEAK.format(size=20_000))

    found, failed = checked(image, expected, settings)

    assert failed == {"memory"}, found
    assert "bytes a request" in found["memory"].message


def test_one_that_uses_up_its_memory_is_found(service_image, expected, settings, build_variant):
    image = variant(service_image, build_variant, LEAK.format(size=20_000_000))

    _, failed = checked(image, expected, settings)

    assert failed
