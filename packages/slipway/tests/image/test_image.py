"""What is in the image, how it runs, and what is not in it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess

import pytest
from tests.image.conftest import SECONDS, TOKEN, container, ready, wait_until

from slipway.dataset.tables import digest, read_json
from slipway.docker import docker
from slipway.manifest import MODEL
from slipway.release.image.contents import look_inside


@pytest.fixture(scope="module")
def about(service_image):
    return json.loads(docker("image", "inspect", service_image.built.image))[0]["Config"]


@pytest.fixture(scope="module")
def inside(service_image):
    return look_inside(service_image.built.image)


def test_its_labels_name_commit_data_and_model(about, service_image):
    built, marks = service_image.built, about["Labels"]

    assert marks["slipway.commit"] == marks["org.opencontainers.image.revision"] == built.commit
    assert marks["slipway.data"] == built.data
    assert marks["slipway.model"] == digest(service_image.tree / MODEL / "model.onnx")
    assert marks["slipway.manifest"] == digest(service_image.tree / MODEL / "manifest.json")


def test_the_record_names_it_by_its_id_as_no_registry_has_it(service_image):
    record = read_json(service_image.tree / "build/image.json", "slipway build --image")

    assert re.fullmatch(r"sha256:[0-9a-f]{64}", record["image"])
    assert record["model_sha256"] == digest(service_image.tree / MODEL / "model.onnx")
    assert record["bytes"] > 1e8


def test_the_model_inside_is_the_reviewed_one(inside, service_image):
    assert inside.model_file("model.onnx") == digest(service_image.tree / MODEL / "model.onnx")


def test_the_code_inside_is_what_the_bento_lists_and_nothing_else(inside, bento):
    listed = {
        f"/app/{path.relative_to(bento.path / 'src')}": digest(path)
        for path in (bento.path / "src").rglob("*")
        if path.is_file()
    }

    assert {path: sha for path, sha in inside.files.items() if path.startswith("/app")} == listed


def test_neither_data_nor_secrets_nor_tools_are_inside(service):
    unwanted = (
        "import os, re, shutil; print([os.path.join(folder, name) "
        "for top in ('/app', '/home', '/root', '/tmp', '/var/lib/slipway') "
        "for folder, folders, names in os.walk(top) for name in (*folders, *names) "
        r"if re.search(r'\.(parquet|csv|env|dvc|key)$|_history$|^\.git$|^\.ssh$', name)]"
        " + [name for name in ('gcc', 'cc', 'git', 'make', 'pip') if shutil.which(name)])"
    )

    assert service.container.python(unwanted).strip() == "[]"


def test_it_answers_as_the_training_environment_did_with_nothing_to_write_to(service, golden):
    answers = service.client.post("/predict", json=[each["row"] for each in golden]).json()

    for answer, expected in zip(answers, golden, strict=True):
        assert answer["probability"] == pytest.approx(expected["probability"], abs=1e-9)


def test_it_answers_with_the_commit_the_data_and_the_model_that_its_labels_name(service, about):
    answer = service.client.get("/model").json()

    assert answer["sha256"] == about["Labels"]["slipway.model"]
    assert answer["commit"] == about["Labels"]["slipway.commit"]
    assert answer["data"] == about["Labels"]["slipway.data"]


def test_its_log_is_in_the_volume(service, golden):
    identity = service.client.post("/predict", json=golden[0]["row"]).json()["id"]

    logged = service.container.run("grep", "-rl", identity, "/var/lib/slipway/log")
    assert logged.startswith("/var/lib/slipway/log/")


def test_nothing_of_it_runs_as_root(service):
    users = {line.split()[0] for line in service.container.run("ps", "-eo", "uid,pid").splitlines()}

    assert users - {"UID"} == {"10001"}


def test_without_a_token_there_is_no_answer(service, golden):
    refused = service.client.post("/predict", json=golden[0]["row"], headers={"Authorization": ""})

    assert refused.status_code == 401


def test_docker_sees_that_it_is_healthy(service):
    wait_until(lambda: _health(service.container) == "healthy", "healthy")


def test_docker_sees_that_it_does_not_answer(service_image):
    mute = ["--entrypoint=sleep", "--health-interval=1s", "--health-start-period=1ms"]
    with container(service_image.built.image, *mute, "--health-retries=1", command=["60"]) as it:
        wait_until(lambda: _health(it) == "unhealthy", "unhealthy")


def test_a_request_in_flight_is_answered_before_it_stops(service_image, golden):
    body = json.dumps(golden[0]["row"]).encode()
    with ready(service_image.built.image) as service:
        url = service.client.base_url
        idle = http.client.HTTPConnection(url.host, url.port, timeout=SECONDS)
        idle.request("GET", "/readyz")
        assert idle.getresponse().read()
        asking = socket.create_connection((url.host, url.port), timeout=SECONDS)
        asking.sendall(
            _head("POST /predict", f"Content-Length: {len(body)}", "Expect: 100-continue")
        )
        assert asking.recv(1000).startswith(b"HTTP/1.1 100")  # it waits for the body
        stop = subprocess.Popen(["docker", "stop", "-t", "30", service.container.name])
        assert idle.sock.recv(1000) == b""  # it stops: an idle connection is closed at once
        asking.sendall(body)
        assert asking.recv(1000).startswith(b"HTTP/1.1 200")
        assert stop.wait(SECONDS) == 0
        assert _state(service.container)["ExitCode"] == 0


def _state(it):
    return json.loads(docker("container", "inspect", it.name))[0]["State"]


def _head(what, *headers):
    lines = [f"{what} HTTP/1.1", "Host: service", f"Authorization: Bearer {TOKEN}"]
    return "\r\n".join([*lines, "Content-Type: application/json", *headers, "", ""]).encode()


def _health(it):
    return _state(it)["Health"]["Status"]
