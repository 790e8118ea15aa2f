"""The SBOM of an image as CycloneDX: Python and Debian packages, the base image, the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from slipway.manifest import Manifest
from slipway.release.image.packages import Package, Platform
from slipway.release.machine import DISTRIBUTION


@dataclass(frozen=True)
class Contents:
    """What is in an image.

    Attributes
    ----------
    image
        Its name by digest.
    labels
        Of the image.
    debian
        Name, version and architecture of each Debian package.
    manifest
        That of the model.
    """

    image: str
    labels: Mapping[str, str]
    base: str
    platform: Platform
    packages: list[Package]
    debian: list[tuple[str, str, str]]
    manifest: Manifest


def write_sbom(contents: Contents, path: Path) -> None:
    """Write the SBOM as CycloneDX 1.6 in JSON."""
    root = Component(
        type=ComponentType.CONTAINER,
        bom_ref="image",
        name=contents.labels["org.opencontainers.image.title"],
        version=contents.labels["slipway.commit"],
        properties=_properties({**contents.labels, "slipway.image": contents.image}),
    )
    parts = [_model(contents), _machine(contents.labels)]
    parts += [_base(contents.base), _python(contents.platform)]
    parts += [*_packages(contents.packages), *_debian(contents.debian)]
    bom = Bom(components=parts, serial_number=uuid5(NAMESPACE_URL, contents.image))
    bom.metadata.component = root
    bom.register_dependency(root, parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n", "utf-8")


def _model(contents: Contents) -> Component:
    target, sha256 = contents.manifest["target"], contents.manifest["model"]["sha256"]
    marks = {name: contents.labels[name] for name in ("slipway.commit", "slipway.data")}
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref="model",
        name=target["name"],
        version=sha256,
        description=target["definition"],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        properties=_properties(marks),
    )


def _machine(labels: Mapping[str, str]) -> Component:
    sha256 = labels["slipway.machine.sha256"]
    return Component(
        bom_ref="machine",
        name=DISTRIBUTION,
        version=labels["slipway.machine"],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else [],
    )


def _base(base: str) -> Component:
    name, _, digest = base.partition("@")
    return Component(type=ComponentType.CONTAINER, bom_ref="base", name=name, version=digest)


def _python(platform: Platform) -> Component:
    return Component(
        type=ComponentType.PLATFORM, bom_ref="python", name="python", version=platform.python
    )


def _packages(packages: list[Package]) -> Iterator[Component]:
    for package in packages:
        purl = PackageURL("pypi", name=package.name, version=package.version)
        yield Component(
            bom_ref=str(purl),
            name=package.name,
            version=package.version,
            purl=purl,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)],
        )


def _debian(packages: list[tuple[str, str, str]]) -> Iterator[Component]:
    for name, version, architecture in packages:
        purl = PackageURL("deb", "debian", name, version, qualifiers={"arch": architecture})
        yield Component(bom_ref=str(purl), name=name, version=version, purl=purl)


def _properties(marks: Mapping[str, str]) -> list[Property]:
    return [Property(name=name, value=value) for name, value in marks.items()]
