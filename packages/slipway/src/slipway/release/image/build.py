"""Build the image of a commit, check its contents, write its SBOM, push it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from slipway.dataset.tables import digest, read_json
from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL, read_manifest
from slipway.progress import spinner
from slipway.release.build import NAME, BuiltBento, build
from slipway.release.image.contents import Inside, compare, look_inside
from slipway.release.image.context import Context, lay_out
from slipway.release.image.packages import Platform, install
from slipway.release.image.record import ImageRecord
from slipway.release.image.registry import push_image, repository
from slipway.release.image.sbom import Contents, write_sbom
from slipway.release.verified import VERIFIED, Verified, check_files, released_files
from slipway.serving.release import RELEASE_FILE, Release, verify_model
from slipway.settings import Deploy, read_params

WORK = Path("build/image")
SBOM = Path("build/sbom.json")

BUILD_SECONDS = 900


def build_image(tree: Path = Path(), push: bool = False) -> ImageRecord:
    """Build the image of this commit and check its contents; write its record and its SBOM."""
    settings = read_params(tree / "params.yaml").deploy
    if push:
        check_may_push(tree, settings)
    check_model(tree)
    with spinner("packing the service"):
        bento = build(tree)
    with spinner("fetching the base image"):
        platform = Platform.of_image(settings.base_image)
    with spinner("unpacking the packages"):
        site = install(tree / "requirements-serve.lock", platform, tree / WORK / "packages")
        context = lay_out(bento.path, site, tree / WORK / "context")
    marks = labels(bento)
    with spinner("building the image"):
        name = image = assemble(context, settings.base_image, marks)
    with spinner("checking the contents of the image"):
        inside = check_inside(image, context, tree)
    if push:
        with spinner("pushing the image"):
            name = push_image(image, repository(settings), marks["slipway.commit"])
    manifest = read_manifest(tree / MODEL)
    base, packages = settings.base_image, site.packages
    contents = Contents(name, marks, base, platform, packages, inside.debian, manifest)
    write_sbom(contents, tree / SBOM)
    return _record(tree, name, image, marks)


def labels(bento: BuiltBento) -> dict[str, str]:
    """Return the labels of the image; GHCR links it to the repository by its source label."""
    release = Release(**read_json(bento.path / "src" / MODEL / RELEASE_FILE, "slipway build"))
    server, project = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    source = {"org.opencontainers.image.source": f"{server}/{project}"} if project else {}
    return {
        "slipway.commit": release.commit,
        "slipway.data": release.data,
        "slipway.model": bento.model_sha256,
        "slipway.machine": bento.machine.version,
        "slipway.machine.sha256": bento.machine.sha256,
        "slipway.manifest": digest(bento.path / "src" / MODEL / MANIFEST_FILE),
        "org.opencontainers.image.title": NAME,
        "org.opencontainers.image.revision": release.commit,
        **source,
    }


def assemble(context: Context, base: str, marks: Mapping[str, str]) -> str:
    """Build the image of a context, tagged with its commit, and return its id."""
    output = docker(
        *("build", "--quiet", "--network=none", f"--build-arg=BASE={base}"),
        *(f"--label={name}={value}" for name, value in marks.items()),
        *(f"--tag={NAME}:{marks['slipway.commit']}", str(context.path)),
        seconds=BUILD_SECONDS,
        # The workflow attests its provenance, not the builder.
        environment=os.environ | {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
    )
    return output.split()[-1]


def check_inside(image: str, context: Context, tree: Path) -> Inside:
    """Return the contents of the image: the files of the context, with the model of the tree."""
    inside = look_inside(image)
    compare(image, inside.files, context.files)
    verify_model(tree / MODEL)
    for name in released_files(tree / MODEL).values():
        expected = digest(tree / MODEL / name)
        if (found := inside.model_file(name)) != expected:
            raise SlipwayError(
                f"image {image}: {name} of the model has sha256 {found}, in {MODEL} it is "
                f"{expected}",
                "build it again: the model has changed meanwhile",
            )
    check_model(tree)
    return inside


def check_model(tree: Path) -> None:
    """Refuse a model that differs from the verified one, where `slipway verify` has run.

    Raises
    ------
    Refused
        A file of the model folder is not the one that was verified.
    """
    if not (tree / VERIFIED).exists():
        return
    verified = Verified.read(tree)
    if verified.commit == Release.of_tree(tree).commit:
        check_files(tree, verified.files)


def check_may_push(tree: Path, settings: Deploy) -> None:
    """Refuse, before any work, an image that could not be pushed."""
    repository(settings)
    if (commit := Release.of_tree(tree).commit).endswith("-dirty"):
        raise SlipwayError(
            f"{commit}: there are uncommitted changes, and a release must be a commit",
            "commit them, or build without --push",
        )


def _record(tree: Path, name: str, image: str, marks: Mapping[str, str]) -> ImageRecord:
    record = ImageRecord(
        image=name,
        commit=marks["slipway.commit"],
        data=marks["slipway.data"],
        model_sha256=marks["slipway.model"],
        manifest_sha256=marks["slipway.manifest"],
        bytes=int(docker("image", "inspect", "--format={{.Size}}", image)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        sbom=SBOM.as_posix(),
    )
    record.write(tree)
    return record
