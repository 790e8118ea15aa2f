"""The same commit gives the same image; a changed file gives none."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.manifest import MODEL
from slipway.release.image.build import build_image, check_inside
from slipway.release.image.contents import look_inside


def layers(image):
    return json.loads(docker("image", "inspect", image))[0]["RootFS"]["Layers"]


def built_anew(context, small):
    options = ["--quiet", "--no-cache", f"--build-arg=BASE={small.base}", f"--tag={small.tag}"]
    return docker("build", *options, str(context.path)).split()[-1]


def test_packages_and_code_are_the_same_layers_whenever_and_wherever_it_is_built(small):
    first = built_anew(small.context(), small)
    mask = os.umask(0o077)
    try:
        context = small.context()
    finally:
        os.umask(mask)
    second = built_anew(context, small)

    base = len(layers(small.base))
    assert layers(first)[: base + 2] == layers(second)[: base + 2]
    assert first != second  # release.json and the empty folder of the log have a time
    assert look_inside(first).files == look_inside(second).files
    docker("rmi", "--force", first)


def test_what_was_laid_out_is_what_is_inside(small_image, service_image):
    image, context = small_image

    inside = check_inside(image, context, service_image.tree)

    assert inside.files == context.files


def test_files_swapped_between_laying_out_and_building_are_refused_by_name(small, service_image):
    context = small.context()
    code = context.path / "code/app"
    (code / "build/model/model.onnx").write_bytes(b"another model")
    (code / "build/model/manifest.json").write_text("{}")
    (code / "slipway/extra.py").write_text("")
    (code / "params.yaml").unlink()
    (context.path / "packages/opt/site/toy/__init__.py").write_text("NAMES = {}")

    with pytest.raises(SlipwayError, match="5 files are not those of the bento") as error:
        check_inside(small.build(context), context, service_image.tree)
    for name in (
        "/app/build/model/manifest.json",
        "/app/build/model/model.onnx",
        "/app/params.yaml",
        "/app/slipway/extra.py",
        "/opt/site/toy/__init__.py",
    ):
        assert name in str(error.value)


def test_a_model_that_changed_after_the_bento_was_built_is_refused(
    small_image, service_image, tmp_path
):
    image, context = small_image
    other = tmp_path / "other"
    (other / MODEL).mkdir(parents=True)
    manifest = json.loads((service_image.tree / MODEL / "manifest.json").read_text())
    (other / MODEL / "model.onnx").write_bytes(b"retrained")
    manifest["model"]["sha256"] = hashlib.sha256(b"retrained").hexdigest()
    (other / MODEL / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(SlipwayError, match=r"model\.onnx of the model has sha256"):
        check_inside(image, context, other)


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ("USER root", "runs as user 0"),
        ("USER 10001:0", r"in the groups \[0\]"),
        ("USER root\nRUN chmod 777 /app/slipway\nUSER 10001:10001", "may write /app/slipway"),
        ("USER root\nRUN install /bin/true /usr/bin/git\nUSER 10001:10001", "contains git"),
    ],
    ids=["root", "group", "writable", "git"],
)
def test_an_image_that_could_be_misused_is_refused(small_image, lines, word):
    image, _ = small_image
    worse = docker("build", "--quiet", "-", stdin=f"FROM {image}\n{lines}\n").split()[-1]

    try:
        with pytest.raises(SlipwayError, match=word) as error:
            look_inside(worse)
    finally:
        docker("rmi", "--force", worse)
    assert "deploy.base_image" in error.value.do


@pytest.mark.parametrize("fault", ["missing", "another"])
def test_no_image_without_the_model_that_the_manifest_names(copy, fault):
    model = copy / MODEL / "model.onnx"
    model.unlink()
    if fault == "another":
        model.write_bytes(b"another model")

    with pytest.raises(SlipwayError, match=r"model\.onnx: (missing|sha256 is)"):
        build_image(copy)
    assert not (copy / "build/image.json").exists()
