"""The list of what is in the image is complete, and as CycloneDX wants it."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from slipway.docker import docker
from slipway.manifest import MODEL, read_manifest
from slipway.release.image.packages import Platform


@pytest.fixture(scope="module")
def text(service_image):
    return (service_image.tree / service_image.built.sbom).read_text("utf-8")


@pytest.fixture(scope="module")
def parts(text):
    return json.loads(text)["components"]


def of_kind(parts, purl):
    return {
        (part["name"].lower().replace("_", "-").replace(".", "-"), part["version"]): part
        for part in parts
        if part.get("purl", "").startswith(purl)
    }


def test_it_keeps_to_the_schema(text):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_a_list_that_does_not_would_be_found(text):
    wrong = json.loads(text)
    wrong["components"][0]["type"] = "a thing"

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(wrong)) is not None


def test_it_names_every_locked_package_with_a_hash_of_the_lock(parts, service_image, base_image):
    lock = (service_image.tree / "requirements-serve.lock").read_text("utf-8")
    markers = Platform.of_image(base_image).markers()
    image = {name: str(value) for name, value in markers.items()}
    locked = {}
    for line in lock.replace("\\\n", " ").splitlines():
        required = Requirement(line.partition("--hash")[0].strip())
        if required.marker is None or required.marker.evaluate(image):
            version = str(required.specifier).removeprefix("==")
            locked[canonicalize_name(required.name), version] = line

    listed = of_kind(parts, "pkg:pypi/")

    assert listed.keys() == locked.keys()
    for key, part in listed.items():
        (found,) = part["hashes"]
        assert found["alg"] == "SHA-256"
        assert f"sha256:{found['content']}" in locked[key]


def test_it_names_every_debian_package(parts, service_image):
    query = ["dpkg-query", "-W", "-f", "${Package} ${Version}\\n"]
    run = ["run", "--rm", f"--entrypoint={query[0]}", service_image.built.image]
    installed = {tuple(line.split()) for line in docker(*run, *query[1:]).splitlines()}

    listed = {
        (part["name"], part["version"])
        for part in parts
        if part.get("purl", "").startswith("pkg:deb/debian/")
    }

    assert len(installed) > 50
    assert listed == installed


def test_it_names_the_model_its_data_and_its_commit(parts, service_image):
    (model,) = [part for part in parts if part["type"] == "machine-learning-model"]
    properties = {each["name"]: each["value"] for each in model["properties"]}

    built = service_image.built
    assert model["hashes"] == [{"alg": "SHA-256", "content": built.model_sha256}]
    assert model["name"] == read_manifest(service_image.tree / MODEL)["target"]["name"]
    assert properties == {"slipway.commit": built.commit, "slipway.data": built.data}


def test_it_names_the_image_and_all_that_it_depends_on(text, parts, service_image):
    bom = json.loads(text)
    image = bom["metadata"]["component"]
    marks = {each["name"]: each["value"] for each in image["properties"]}
    (depends,) = [each for each in bom["dependencies"] if each["ref"] == image["bom-ref"]]

    assert marks["slipway.image"] == service_image.built.image
    assert set(depends["dependsOn"]) == {part["bom-ref"] for part in parts}


def test_it_names_no_index_and_no_folder_of_the_machine_that_built_it(text, service_image):
    assert "://" not in text.replace("http://cyclonedx.org", "")
    assert str(service_image.tree.parents[2]) not in text
