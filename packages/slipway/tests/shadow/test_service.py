"""A model in shadow mode on a real engine: it scores every request and changes no answer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from tests.serving.test_durability import wait_until

from slipway.containers import Container
from slipway.docker import HARDENED, docker
from slipway.errors import SlipwayError
from slipway.settings import read_params
from slipway.shadow.candidates import score
from slipway.shadow.run import shadow_container
from slipway.targets.docker.engine import Engine
from slipway.targets.docker.shadow import DockerShadow
from slipway.training.score import Model

LOG = "/var/lib/slipway/log"

# Traffic, from inside: prints how each request ended.
ASK = """
import json, sys, urllib.request
rows, answers = json.load(sys.stdin), []
for row in rows:
    kind, url = {"Content-Type": "application/json"}, "http://127.0.0.1:3000/predict"
    request = urllib.request.Request(url, json.dumps(row).encode(), kind)
    with urllib.request.urlopen(request, timeout=30) as answer:
        answers.append([answer.status, json.load(answer)["probability"]])
print(json.dumps(answers))
"""

READY = """
import urllib.request
urllib.request.urlopen("http://127.0.0.1:3000/readyz", timeout=2)
"""

CRASH = """

_sound = features

def features(columns):
    import os
    os._exit(3)
"""

SLOW = """

_sound = features

def features(columns):
    import time
    time.sleep(0.5)
    return _sound(columns)
"""


@pytest.fixture
def shadow_model(service_image, params) -> Iterator[DockerShadow]:
    """The shadow service of an engine on which a service runs and has answered nothing yet."""
    prefix = f"slipway-test-{uuid.uuid4().hex[:8]}"
    shadow_model = DockerShadow(Engine("local", prefix, 0, params.deploy), params)
    service = Container(f"{prefix}-blue")
    docker("volume", "create", shadow_model.engine.log)
    docker(
        *("run", "--detach", "--name", service.name, "--tmpfs", "/tmp", *HARDENED),
        *("-v", f"{shadow_model.engine.log}:{LOG}", service_image.built.image),
    )
    try:
        wait_until(lambda: is_ready(service))
        yield shadow_model
    finally:
        for container in (service, shadow_model.container):
            container.remove()
        docker("volume", "rm", "--force", shadow_model.engine.log, shadow_model.volume)


@pytest.fixture
def params(service_image):
    """Some of the requests of a test are few."""
    params = read_params(service_image.tree / "params.yaml")
    limits = params.deploy.shadow.model_copy(update={"min_rows": 1, "max_row_ms": 200.0})
    deploy = params.deploy.model_copy(update={"shadow": limits})
    monitoring = params.monitoring.model_copy(update={"labels": str(service_image.tree / "labels")})
    return params.model_copy(update={"deploy": deploy, "monitoring": monitoring})


def is_ready(container):
    try:
        container.python(READY)
    except SlipwayError:
        return False
    return True


def service(shadow_model):
    return Container(f"{shadow_model.engine.prefix}-blue")


@pytest.fixture(scope="module")
def golden(service_image):
    return Model.load(service_image.tree / "build/model").manifest["golden"]


def ask_all(shadow_model, golden, rounds=1):
    """Ask the service for every golden row; every answer must be there and right."""
    rows = [example["row"] for example in golden] * rounds
    answers = json.loads(service(shadow_model).python(ASK, json.dumps(rows)))
    assert answers == [[200, example["probability"]] for example in golden] * rounds


def answered(shadow_model, params):
    try:
        return shadow_model.report().rows
    except SlipwayError:
        return 0


def with_fault(service_image, build_variant, fault):
    features = (service_image.tree / "src/model/features.py").read_text()
    return build_variant(files={"/app/model/features.py": features + fault})


def test_it_answers_what_the_service_answers_and_reports_it(
    shadow_model, golden, params, service_image
):
    shadow_model.start(service_image.built.image)
    ask_all(shadow_model, golden)
    wait_until(lambda: answered(shadow_model, params) == 20)
    shadow_model.container.run("true")
    docker("kill", shadow_model.container.name)
    ask_all(shadow_model, golden)
    shadow_model.start(service_image.built.image)
    wait_until(lambda: answered(shadow_model, params) == 40)

    report = shadow_model.report()

    assert report.exit_code == 0
    assert report.agreement.same == 1.0
    assert report.subject.live == report.subject.model == service_image.built.model_sha256
    shadow_model.stop()
    assert shadow_model.report().rows == 40


def test_it_can_neither_write_to_the_log_nor_reach_anything(shadow_model, golden, service_image):
    shadow_model.start(service_image.built.image)
    wait_until(shadow_model.container.is_running)

    with pytest.raises(SlipwayError, match="Read-only file system"):
        shadow_model.container.run("touch", "/var/lib/slipway/live/x")
    (about,) = json.loads(docker("container", "inspect", shadow_model.container.name))
    assert about["HostConfig"]["NetworkMode"] == "none"
    assert about["HostConfig"]["ReadonlyRootfs"] is True
    assert about["HostConfig"]["CapDrop"] == ["ALL"]
    assert about["Config"]["User"].startswith("10001")


def test_one_that_crashes_touches_no_answer_and_is_reported(
    shadow_model, golden, params, service_image, build_variant
):
    shadow_model.start(with_fault(service_image, build_variant, CRASH))
    ask_all(shadow_model, golden, rounds=5)
    wait_until(lambda: shadow_model.container.inspect().restarts >= 2)
    ask_all(shadow_model, golden, rounds=5)

    with pytest.raises(SlipwayError, match="has not answered anything yet"):
        shadow_model.report()
    shadow_model.start(service_image.built.image)
    wait_until(lambda: answered(shadow_model, params) == 200)


def test_one_that_is_slow_touches_no_answer_and_falls_behind(
    shadow_model, golden, params, service_image, build_variant
):
    shadow_model.start(with_fault(service_image, build_variant, SLOW))
    ask_all(shadow_model, golden, rounds=10)
    wait_until(lambda: answered(shadow_model, params) > 0)

    report = shadow_model.report()

    assert report.rows < 200
    assert report.following.behind > 0
    assert "ms for a row" in report.reasons[0]


def test_an_image_answers_the_log_of_the_engine(shadow_model, golden, params, service_image):
    ask_all(shadow_model, golden)

    found = score(service_image.built.image, f"volume:{shadow_model.engine.log}", 15, "", 512)

    assert found.model == found.live == service_image.built.model_sha256
    assert len(found.answers) == 15
    assert all(one["probability"] == one["live"]["probability"] for one in found.answers)


def test_a_candidate_in_its_slot_answers_what_the_other_one_was_asked(shadow_model, golden, params):
    ask_all(shadow_model, golden)

    report = shadow_container(service(shadow_model), params, LOG)

    assert report.exit_code == 0
    assert report.rows == 20
    assert report.agreement
    assert report.agreement.same == 1.0


def test_what_is_no_image_is_not_started(shadow_model):
    with pytest.raises(SlipwayError, match="not an image named by its digest"):
        shadow_model.start("slipway:latest")


def test_without_a_log_or_a_model_in_shadow_mode_it_fails(service_image, params):
    nowhere = DockerShadow(
        Engine("local", f"slipway-test-{uuid.uuid4().hex[:8]}", 0, params.deploy), params
    )

    with pytest.raises(SlipwayError, match="no prediction log"):
        nowhere.start(service_image.built.image)
    with pytest.raises(SlipwayError, match="there is no model in shadow mode"):
        nowhere.report()
    with pytest.raises(SlipwayError, match="there is no model in shadow mode"):
        nowhere.stop()
