"""To a registry and back, by digest only."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid

import pytest
from tests.services.projects import FLIGHTS
from tests.services.servers import free_port

from slipway.dataset.tables import read_json
from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.release.image.registry import push_image, repository
from slipway.repository.layout import python_path
from slipway.settings import read_params


def slipway(tree, *arguments, registry="", before=()):
    environment = os.environ | {"SLIPWAY_REGISTRY": registry, "PYTHONPATH": python_path(tree)}
    environment.pop("GITHUB_ACTIONS", None)
    command = [*before, sys.executable, "-m", "slipway", *arguments]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


def settings(registry):
    return read_params(FLIGHTS / "params.yaml").deploy.model_copy(update={"registry": registry})


def test_what_a_pull_by_digest_brings_is_the_image_that_was_pushed(copy, registry):
    repository = f"{registry}/team/{uuid.uuid4().hex}"

    done = slipway(copy, "build", "--image", "--push", registry=repository)

    assert done.returncode == 0, done.stderr
    record = read_json(copy / "build/image.json", "slipway build --image")
    assert re.fullmatch(rf"{repository}@sha256:[0-9a-f]{{64}}", record["image"])
    assert record["image"] in done.stdout
    pushed = docker("image", "inspect", "--format={{.Id}}", record["image"])
    docker("rmi", "--force", pushed.strip())
    docker("pull", "--quiet", record["image"])
    about = json.loads(docker("image", "inspect", record["image"]))[0]
    assert about["Id"] == pushed.strip()
    assert about["Config"]["Labels"]["slipway.model"] == record["model_sha256"]
    assert record["image"] in (copy / record["sbom"]).read_text("utf-8")
    docker("rmi", "--force", about["Id"])


def test_a_registry_that_is_down_is_reported_in_a_sentence(base_image):
    name = f"127.0.0.1:{free_port()}/team/service"

    with pytest.raises(SlipwayError, match="connection refused") as error:
        push_image(base_image, name, "test")
    docker("rmi", f"{name}:test")

    assert error.value.exit_code == 2
    assert "registry" in error.value.do


def test_to_push_without_a_registry_ends_before_any_work(copy):
    done = slipway(copy, "build", "--image", "--push")

    assert done.returncode == 2
    assert "no registry is set" in done.stderr
    assert "deploy.registry" in done.stderr
    assert not (copy / "build/bentoml").exists()


def test_what_no_commit_holds_is_not_pushed(copy, registry):
    (copy / "src/model/slices.py").open("a").write("\n")

    done = slipway(copy, "build", "--image", "--push", registry=f"{registry}/team/service")

    assert done.returncode == 2
    assert "-dirty: there are uncommitted changes" in done.stderr
    assert not (copy / "build/image.json").exists()


def test_push_alone_is_no_request(copy):
    done = slipway(copy, "build", "--push")

    assert done.returncode == 2
    assert "--image" in done.stderr


@pytest.mark.parametrize(
    "name", ["https://ghcr.io/a/b", "ghcr.io/a/b:1", "ghcr.io", "ghcr.io/a b", "ghcr.io/a/../b"]
)
def test_a_name_that_no_registry_has_is_refused(name, monkeypatch):
    monkeypatch.delenv("SLIPWAY_REGISTRY", raising=False)

    with pytest.raises(SlipwayError, match="not the name of an image repository"):
        repository(settings(name))


def test_the_environment_overrides_the_settings_and_capitals_are_no_fault(monkeypatch):
    monkeypatch.setenv("SLIPWAY_REGISTRY", "ghcr.io/Owner/My-Fork")

    assert repository(settings("localhost:5000/x")) == "ghcr.io/owner/my-fork"


def test_a_full_disk_is_reported_in_a_sentence_and_leaves_no_record(copy):
    apart = ["unshare", "--mount", "sh", "-ec"]
    small_disk = "mount -t tmpfs -o size=64k none build/image"
    (copy / "build/image").mkdir(exist_ok=True)
    if subprocess.run([*apart, small_disk], cwd=copy, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: run the tests on Linux, as root")

    done = slipway(copy, "build", "--image", before=[*apart, f'{small_disk}; exec "$@"', "sh"])

    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "free space on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (copy / "build/image.json").exists()
