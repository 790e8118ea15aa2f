"""When the service starts, when it refuses to, and what its process holds."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys

import pytest

from slipway.errors import INCONCLUSIVE, SlipwayError
from slipway.repository.layout import python_path
from slipway.serving.api import check_start
from slipway.serving.start import free_port, serving

HEAVY = ("pandas", "sklearn", "pandera", "pyarrow", "duckdb")


def slipway(tree, *arguments, tokens=""):
    return subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=tree,
        env=os.environ | {"SLIPWAY_TOKENS": tokens, "PYTHONPATH": python_path(tree)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
@pytest.mark.parametrize("tokens", ["", " , "])
def test_it_does_not_listen_beyond_loopback_without_a_token(tree, host, tokens):
    done = slipway(tree, "serve", "--host", host, tokens=tokens)

    assert done.returncode == 2
    assert "no token is configured" in done.stderr
    assert "SLIPWAY_TOKENS" in done.stderr


def test_a_host_that_is_no_address_is_refused(tree):
    done = slipway(tree, "serve", "--host", "localhost")

    assert done.returncode == 2
    assert "not an IP address" in done.stderr


def test_a_port_that_is_taken_is_reported(tree):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = slipway(tree, "serve", "--port", str(port))

    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_no_machine_has_is_refused(tree, port):
    done = slipway(tree, "serve", "--port", port)

    assert done.returncode == 2
    assert "Invalid value for '--port'" in done.stderr


@pytest.fixture
def tampered(tree):
    """The tree while its model file is not the one that the manifest names."""
    path = tree / "build/model/model.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    yield tree
    path.write_bytes(content)


def test_another_model_than_the_manifests_is_not_served(tampered):
    done = slipway(tampered, "serve")

    assert done.returncode == 2
    assert "but its manifest has" in done.stderr
    assert "Traceback" not in done.stderr


def test_started_with_bentoml_alone_it_serves_no_other_model_either(tampered, tmp_path):
    service = ["slipway.serving.service:Slipway", "--port", str(free_port())]
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", *service],
        cwd=tampered,
        env=os.environ | {"PYTHONPATH": python_path(tampered), "BENTOML_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 2
    assert "but its manifest has" in done.stderr


@pytest.fixture
def of_other_code(tree):
    """The tree while its model has learned from rows without the column that a rule reads."""
    path = tree / "build/model/manifest.json"
    content = path.read_text("utf-8")
    manifest = json.loads(content)
    manifest["inputs"] = [each for each in manifest["inputs"] if each["name"] != "dest"]
    path.write_text(json.dumps(manifest), "utf-8")
    yield tree
    path.write_text(content, "utf-8")


def test_a_model_of_other_code_is_refused_before_a_worker_starts(of_other_code):
    done = slipway(of_other_code, "serve", f"--port={free_port()}")

    assert done.returncode == 2
    assert "dest" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(params=["lacks a feature", "reads another column"])
def earlier(tree, request):
    """The tree while its model is of earlier code; how the message names what differs."""
    path = tree / "build/model/manifest.json"
    content = path.read_text("utf-8")
    manifest = json.loads(content)
    if request.param == "lacks a feature":
        manifest["features"].append({"name": "crew", "type": "number"})
        named = "crew"
    else:
        named = "humid"
        manifest["inputs"] = [each for each in manifest["inputs"] if each["name"] != named]
        for golden in manifest["golden"]:
            del golden["row"][named]
    path.write_text(json.dumps(manifest), "utf-8")
    yield named
    path.write_text(content, "utf-8")


def test_a_model_whose_features_this_code_does_not_compute_is_refused(tree, earlier):
    with contextlib.chdir(tree), pytest.raises(SlipwayError, match=earlier) as refused:
        check_start()

    assert refused.value.exit_code == INCONCLUSIVE
    assert "dvc repro" in refused.value.do


def test_a_log_that_cannot_be_written_stops_the_start(tree, tmp_path):
    (tmp_path / "file").write_text("in the way")
    environment = os.environ | {"SLIPWAY_LOG": str(tmp_path / "file")}

    with (
        pytest.raises(SlipwayError, match="prediction log cannot be written"),
        serving(tree, environment=environment),
    ):
        pass


def test_a_bento_that_is_not_there_is_named(tree):
    done = slipway(tree, "serve", "--bento", "slipway:nothing")

    assert done.returncode == 2
    assert "slipway:nothing" in done.stderr


def test_answering_needs_none_of_the_heavy_libraries(tree, tmp_path):
    code = f"""
import asyncio, json, sys
import _bentoml_impl.worker.service, _bentoml_impl.server.app
import slipway.serving.service
from slipway.serving.api import Api
from slipway.serving.http import Request

async def answer():
    api = Api()
    row = json.load(open("build/model/manifest.json"))["golden"][0]["row"]
    await api._predictor.predict(Request(json.dumps(row).encode()))
    await api.close()

asyncio.run(answer())
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": python_path(tree), "SLIPWAY_LOG": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"


def test_no_heavy_library_is_loaded_in_the_running_processes(service, row):
    service.predict(row)

    for process in service.workers():
        paths = [file.path for file in process.memory_maps()]
        assert not [path for path in paths for name in HEAVY if f"/{name}/" in path]
        assert [path for path in paths if "/onnxruntime/" in path]
