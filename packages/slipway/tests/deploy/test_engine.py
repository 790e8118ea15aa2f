"""Obstacles on an engine: each is reported, and what runs goes on."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest
from tests.deploy.conftest import MakePlace, Place, commit_of
from tests.services.projects import FLIGHTS

from slipway.docker import docker, has_image
from slipway.errors import SlipwayError
from slipway.settings import read_params
from slipway.targets import TARGETS, find_target
from slipway.targets.docker.engine import ROOM_MB, Engine, engine_of


def test_an_image_whose_labels_are_not_those_of_the_review_is_refused(
    place: Place, first: str, second: str
) -> None:
    """build/image.json names one commit, the image itself another."""
    record = place.tree / "build/image.json"
    reviewed, before = record.read_text("utf-8"), place.containers()
    record.write_text(json.dumps(json.loads(reviewed) | {"image": second}), "utf-8")
    outcome = place.deploy()
    record.write_text(reviewed, "utf-8")
    assert outcome.exit_code == 1
    assert f"is {commit_of('second')}" in outcome.message
    assert place.live() == first
    assert place.events()[-1] == f"refused {first[:7]}"
    assert place.containers() == before


def test_an_image_with_another_model_than_the_tree_is_refused(
    place: Place, first: str, second: str
) -> None:
    path = place.tree / "build/model/manifest.json"
    reviewed = path.read_text("utf-8")
    manifest = json.loads(reviewed)
    swapped = manifest | {"model": manifest["model"] | {"sha256": "0" * 64}}
    path.write_text(json.dumps(swapped), "utf-8")
    outcome = place.deploy(second)
    path.write_text(reviewed, "utf-8")
    assert outcome.exit_code == 1
    assert "not what was reviewed" in outcome.message
    assert place.live() == first


def test_an_image_with_another_manifest_than_the_tree_is_refused(
    place: Place, first: str, second: str
) -> None:
    """The model is the same; its threshold is not."""
    path = place.tree / "build/model/manifest.json"
    reviewed = path.read_text("utf-8")
    path.write_text(json.dumps(json.loads(reviewed) | {"threshold": 0.99}), "utf-8")
    outcome = place.deploy(second)
    path.write_text(reviewed, "utf-8")
    assert outcome.exit_code == 1
    assert "manifest.json" in outcome.message
    assert place.live() == first


def test_an_image_that_slipway_did_not_build_is_refused(
    place: Place, first: str, base_image: str
) -> None:
    image = docker("image", "inspect", "--format", "{{.Id}}", base_image).strip()
    outcome = place.deploy(image)
    assert outcome.exit_code == 2
    assert "did not make it" in outcome.message
    assert place.live() == first


@pytest.mark.parametrize("name", ["slipway:latest", "ghcr.io/ada/model:v1"])
def test_an_image_is_named_by_digest_only(place: Place, name: str) -> None:
    outcome = place.deploy(name)
    assert outcome.exit_code == 2
    assert "by its digest" in outcome.message


def test_a_registry_that_is_down_changes_nothing(place: Place, first: str) -> None:
    outcome = place.deploy(f"127.0.0.1:1/ada/model@sha256:{'5' * 64}")
    assert outcome.exit_code == 2
    assert "127.0.0.1:1" in outcome.message
    assert place.live() == first


def test_an_image_comes_from_a_registry_by_digest(place: Place, first: str, registry: str) -> None:
    """A small one, pulled before its labels are read; tests/workflows deploys a release."""
    name = f"{registry}/ada/model:small"
    tar = subprocess.check_output(["tar", "-c", "params.yaml"], cwd=place.tree)
    docker("import", "-", name, stdin=tar)
    docker("push", name)
    (pushed,) = json.loads(docker("image", "inspect", "--format", "{{json .RepoDigests}}", name))
    docker("rmi", "--force", pushed, name)
    assert not has_image(pushed)
    outcome = place.deploy(pushed)
    assert outcome.exit_code == 2
    assert "did not make it" in outcome.message
    assert has_image(pushed)
    docker("rmi", "--force", pushed)
    assert place.live() == first


def test_a_port_that_is_taken_is_named(make_place: MakePlace) -> None:
    place = make_place()
    with socket.create_server(("127.0.0.1", place.port)):
        outcome = place.deploy()
    assert outcome.exit_code == 2
    assert f"port {place.port}" in outcome.message
    assert place.container("proxy").inspect() is None
    assert "nothing is deployed" in place.status_text()


def small_disk(place: Place, megabytes: int) -> None:
    """Put the state of a place on a disk of its own, so that it can be full."""
    options = ["type=tmpfs", "device=tmpfs", f"o=size={megabytes}m"]
    opts = [word for option in options for word in ("--opt", option)]
    volume = f"{place.prefix}-state"
    docker("volume", "create", "--driver", "local", *opts, volume)
    # A container keeps it in use: a disk in memory loses its files as soon as nothing uses it.
    command = ["run", "--detach", "--name", f"{place.prefix}-holder", "-v", f"{volume}:/state"]
    docker(*command, read_params(place.tree / "params.yaml").deploy.proxy_image, "sleep", "600")


def test_a_disk_without_room_is_seen_before_anything_changes(make_place: MakePlace) -> None:
    place = make_place()
    small_disk(place, ROOM_MB // 2)
    outcome = place.deploy()
    assert outcome.exit_code == 2
    assert "MB left" in outcome.message
    assert place.container("blue").inspect() is None


def test_a_disk_that_fills_up_during_a_release_takes_it_back(
    make_place: MakePlace, first: str, second: str
) -> None:
    place = make_place()
    small_disk(place, ROOM_MB + 20)
    assert place.deploy().ok
    fill = place.start("deploy", "--image", second)
    assert fill.stdout
    for line in fill.stdout:
        if line.startswith("✓ start"):
            place.container("holder").run("sh", "-c", "dd if=/dev/zero of=/state/full bs=1M; true")
    assert fill.wait() == 2
    with place.traffic() as tally:
        assert place.live() == first
    assert not tally.failed()
    assert place.container("green").inspect() is None


@pytest.mark.parametrize(
    ("target", "environment", "words"),
    [
        ("host", {}, "DOCKER_HOST"),
        ("local", {"DOCKER_HOST": "ssh://ada@example.org"}, "unset DOCKER_HOST"),
        ("local", {"SLIPWAY_PREFIX": "Not A Name"}, "SLIPWAY_PREFIX"),
        ("local", {"SLIPWAY_PORT": "99999"}, "SLIPWAY_PORT"),
        ("local", {"SLIPWAY_ON_INCONCLUSIVE": "maybe"}, "extend, back, go"),
    ],
)
def test_a_target_that_cannot_be_is_refused(
    target: str, environment: dict[str, str], words: str
) -> None:
    with pytest.raises(SlipwayError) as refused:
        engine_of(target, read_params(FLIGHTS / "params.yaml").deploy, environment)
    assert words in f"{refused.value} {refused.value.do}"


def test_an_unknown_target_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(SlipwayError) as refused:
        find_target("moon", read_params(FLIGHTS / "params.yaml"))
    assert all(name in refused.value.do for name in TARGETS)


def test_two_services_share_an_engine_by_their_prefix() -> None:
    names = [
        {engine.proxy.name, engine.network, engine.log, engine.state, engine.slot("blue").name}
        for engine in (of("staging"), of("production"))
    ]
    assert names[0].isdisjoint(names[1])


def test_the_environment_overrides_what_an_inconclusive_canary_means() -> None:
    for choice in ("extend", "back", "go"):
        engine = engine_of(
            "local",
            read_params(FLIGHTS / "params.yaml").deploy,
            {"SLIPWAY_ON_INCONCLUSIVE": choice},
        )
        assert engine.settings.canary.on_inconclusive == choice


def of(prefix: str) -> Engine:
    return engine_of(
        "local", read_params(FLIGHTS / "params.yaml").deploy, {"SLIPWAY_PREFIX": prefix}
    )
