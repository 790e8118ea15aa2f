"""The bento: what is in it, what is not, and that it answers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import time
import venv
from pathlib import Path

import httpx
import pytest
import yaml
from tests.services.projects import ROOT
from tests.services.repository import commit as commit_all

from slipway.dataset.tables import digest, read_json
from slipway.errors import SlipwayError
from slipway.manifest import MODEL
from slipway.release.build import build
from slipway.release.machine import unpack_machine
from slipway.repository.layout import MACHINE_CODE
from slipway.reproduction.lock import folder_md5
from slipway.serving.start import free_port, serving

SOURCE = ROOT / MACHINE_CODE


@pytest.fixture(scope="module")
def bento(tree):
    """Built next to files that must stay out of it."""
    for name in (".env", "packages/slipway/src/slipway/extra.py", "build/model/extra.bin"):
        (tree / name).write_text("SECRET=1")
    try:
        yield build(tree)
    finally:
        for name in (".env", "packages/slipway/src/slipway/extra.py", "build/model/extra.bin"):
            (tree / name).unlink()


def files_of(bento):
    source = bento.path / "src"
    return {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}


def test_it_is_named_after_the_commit_and_its_state(bento, commit):
    # The extra file in src is not in the commit, and the name does not hide that.
    assert bento.tag == f"slipway:{commit}-dirty"


def test_it_holds_the_model_that_was_trained(bento, tree):
    inside = bento.path / "src/build/model/model.onnx"

    assert bento.model_sha256 == digest(inside) == digest(tree / "build/model/model.onnx")


def test_it_names_the_commit_and_the_data_it_comes_from(bento, commit, model):
    release = read_json(bento.path / "src/build/model/release.json", "slipway build")

    assert release["commit"] == f"{commit}-dirty"
    assert release["data"] == model.manifest["data"]["md5"]
    assert release["built_at"]


def test_it_holds_the_model_its_settings_and_the_machine_and_nothing_else(bento):
    package = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "slipway").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    held = {name for name in files_of(bento) if not re.fullmatch(r"model/\w+\.py", name)}

    # The file that is in the tree and in no commit is why its tag ends in -dirty.
    assert held - package - {"slipway/extra.py"} == {
        "bentofile.yaml",
        "model/card.md",
        "params.yaml",
        "requirements-serve.lock",
        "build/model/card.json",
        "build/model/manifest.json",
        "build/model/model.onnx",
        "build/model/release.json",
    }
    assert package <= held


def test_its_machine_is_the_wheel_of_this_commit(bento, tree, tmp_path):
    assert bento.machine == unpack_machine(tree, tmp_path)
    assert len(bento.machine.sha256) == 64


def test_building_again_gives_the_same_files(bento, tree):
    def content():
        return {name: digest(bento.path / "src" / name) for name in files_of(bento)}

    before = content()
    build(tree)

    after = content()
    changed = {name for name in before if after.get(name) != before[name]}
    assert before.keys() == after.keys()
    assert changed <= {"build/model/release.json"}


def test_it_serves_with_its_own_code_and_model(bento, tree, golden, tmp_path):
    environment = os.environ | {"SLIPWAY_LOG": str(tmp_path), "SLIPWAY_TOKENS": ""}
    with serving(tree, bento.tag, environment=environment) as running:
        about = httpx.get(f"{running.url}/model").json()
        card = httpx.get(f"{running.url}/card").json()
        answer = httpx.post(f"{running.url}/predict", json=golden[0]["row"]).json()

    assert about["sha256"] == bento.model_sha256
    assert about["commit"] == bento.tag.removeprefix("slipway:")
    assert about["built_at"]
    assert card["model"]["sha256"] == bento.model_sha256
    assert card["written"]["Out of scope"] == "Everything else."
    assert answer["probability"] == golden[0]["probability"]


@pytest.fixture
def other_python(tmp_path):
    """A Python that has the packages of this one, but neither of this repository's."""
    venv.create(tmp_path / "venv", with_pip=False)
    [packages] = (tmp_path / "venv/lib").glob("python*/site-packages")
    (packages / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return tmp_path / "venv/bin/python"


def test_bentoml_alone_serves_it_where_no_model_is_installed(bento, other_python, tmp_path):
    port = free_port()
    names = ("PATH", "HOME", "OPENBLAS_CORETYPE")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    process = subprocess.Popen(
        [other_python, "-P", "-m", "bentoml", "serve", str(bento.path), "--port", str(port)],
        cwd=bento.path / "src",
        env=environment | {"BENTOML_HOME": str(tmp_path), "SLIPWAY_LOG": str(tmp_path / "log")},
    )
    try:
        while not is_ready(port):
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait()


def is_ready(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("model", ["that of the commit", "another one"])
def test_a_model_that_the_lock_does_not_record_is_not_that_of_the_commit(tree, tmp_path, model):
    copy = Path(shutil.copytree(tree, tmp_path / "copy", symlinks=True))
    md5 = folder_md5(copy / MODEL) if model == "that of the commit" else f"{'0' * 32}.dir"
    lock = {"schema": "2.0", "stages": {"train": {"outs": [{"path": str(MODEL), "md5": md5}]}}}
    (copy / "dvc.lock").write_text(yaml.safe_dump(lock), "utf-8")
    commit_all(copy, "Record a model")

    assert build(copy).tag.endswith("-dirty") == (model == "another one")


@pytest.fixture
def model_file(tree):
    path = tree / "build/model/model.onnx"
    aside = path.with_suffix(".aside")
    shutil.copy(path, aside)
    yield path
    path.unlink(missing_ok=True)
    aside.rename(path)


def test_a_missing_model_is_not_built(tree, model_file):
    model_file.unlink()

    with pytest.raises(SlipwayError, match=r"model\.onnx: missing"):
        build(tree)


def test_a_link_to_a_model_is_not_built(tree, model_file):
    model_file.unlink()
    model_file.symlink_to(model_file.with_suffix(".aside"))

    with pytest.raises(SlipwayError, match=r"model\.onnx: a link"):
        build(tree)


def test_a_bentofile_that_leaves_the_model_out_is_found_out(tree):
    bentofile = tree / "bentofile.yaml"
    listed = bentofile.read_text()
    bentofile.write_text(listed.replace("  - /build/model/model.*\n", ""))
    try:
        with pytest.raises(SlipwayError, match=r"model\.onnx: missing"):
            build(tree)
    finally:
        bentofile.write_text(listed)


def test_the_lock_of_the_service_is_part_of_the_lock_of_the_project_without_the_pipeline():
    def pinned(name):
        lines = (ROOT / name).read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line}

    service = pinned("requirements-serve.lock")

    assert service <= pinned("requirements.lock")
    names = {line.split("==")[0] for line in service}
    assert "onnxruntime" in names
    assert not names & {"pandas", "scikit-learn", "pandera", "pyarrow", "dvc", "scipy"}
