"""Build the image of a commit, look inside, list what is in it, push it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from slipway.build import NAME, BuiltBento, build
from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.image.context import Context, lay_out
from slipway.image.inside import Inside, compare, look_inside
from slipway.image.packages import Target, install
from slipway.image.registry import push_image, repository
from slipway.image.sbom import Contents, write_sbom
from slipway.progress import busy
from slipway.score import MANIFEST_FILE, MODEL, MODEL_FILE, read_manifest
from slipway.serve.release import RELEASE_FILE, Release, verify_model
from slipway.settings import Deploy, read_params
from slipway.tables import digest, read_json, write_json
from slipway.verified import VERIFIED, check_files, read_verified

WORK = Path("build/image")
RECORD = Path("build/image.json")
SBOM = Path("build/sbom.json")

BUILD_SECONDS = 900


@dataclass(frozen=True)
class BuiltImage:
    """What ``build/image.json`` holds.

    Attributes
    ----------
    image
        ``repository@sha256:…`` when it was pushed, else the engine's own ``sha256:…``.
    bytes
        Its size on the engine, unpacked.
    sbom
        File that lists what is in it, from the top of the repository.
    """

    image: str
    commit: str
    data: str
    model_sha256: str
    manifest_sha256: str
    bytes: int
    created_at: str
    sbom: str

    def text(self) -> str:
        return (
            f"{self.image}\n"
            f"  model sha256 {self.model_sha256[:12]}…, {self.bytes / 1e6:.0f} MB; "
            f"{RECORD} names it, {self.sbom} lists what is in it"
        )


def build_image(tree: Path = Path(), push: bool = False) -> BuiltImage:
    """Build the image of this commit and check what is inside; write its record and its list.

    Raises
    ------
    SlipwayError
        The model is missing or not what its manifest says; the base, a package or the engine
        cannot be had; what is inside is not what was to be; or, with `push`, there are changes
        that no commit holds, no registry is set, or it does not take the image.
    """
    settings = read_params(tree / "params.yaml").deploy
    if push:
        check_may_push(tree, settings)
    check_model(tree)
    with busy("packing the service"):
        bento = build(tree)
    with busy("fetching the base image"):
        target = Target.of_image(settings.base_image)
    with busy("unpacking the packages"):
        site = install(tree / "requirements-serve.lock", target, tree / WORK / "packages")
        context = lay_out(bento.path, site, tree / WORK / "context")
    marks = labels(bento)
    with busy("building the image"):
        name = image = assemble(context, settings.base_image, marks)
    with busy("looking inside the image"):
        inside = check_inside(image, context, tree)
    if push:
        with busy("pushing the image"):
            name = push_image(image, repository(settings), marks["slipway.commit"])
    manifest = read_manifest(tree / MODEL)
    base, packages = settings.base_image, site.packages
    contents = Contents(name, marks, base, target, packages, inside.debian, manifest)
    write_sbom(contents, tree / SBOM)
    return _record(tree, name, image, marks)


def labels(bento: BuiltBento) -> dict[str, str]:
    """Return what the image says of itself; GHCR joins it to the repository by its source."""
    release = Release(**read_json(bento.path / "src" / MODEL / RELEASE_FILE, "slipway build"))
    server, project = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    source = {"org.opencontainers.image.source": f"{server}/{project}"} if project else {}
    return {
        "slipway.commit": release.commit,
        "slipway.data": release.data,
        "slipway.model": bento.model_sha256,
        "slipway.manifest": digest(bento.path / "src" / MODEL / MANIFEST_FILE),
        "org.opencontainers.image.title": NAME,
        "org.opencontainers.image.revision": release.commit,
        **source,
    }


def assemble(context: Context, base: str, marks: Mapping[str, str]) -> str:
    """Build the image of a laid-out folder, tagged after its commit, and return its id.

    Raises
    ------
    SlipwayError
        Docker could not build it.
    """
    said = docker(
        *("build", "--quiet", "--network=none", f"--build-arg=BASE={base}"),
        *(f"--label={name}={value}" for name, value in marks.items()),
        *(f"--tag={NAME}:{marks['slipway.commit']}", str(context.path)),
        seconds=BUILD_SECONDS,
        # Where it came from is attested by the workflow, not by the builder.
        environment=os.environ | {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
    )
    return said.split()[-1]


def check_inside(image: str, context: Context, tree: Path) -> Inside:
    """Return what is in the image: what it was laid out from, with the model of the tree.

    Raises
    ------
    SlipwayError
        It is something else, or an image that must not be deployed (see `look_inside`).
    """
    inside = look_inside(image)
    compare(image, inside.files, context.files)
    verify_model(tree / MODEL)
    for name in (MODEL_FILE, MANIFEST_FILE):
        expected = digest(tree / MODEL / name)
        if (found := inside.model_file(name)) != expected:
            raise SlipwayError(
                f"image {image}: {name} of the model has sha256 {found}, in {MODEL} it is "
                f"{expected}",
                "build it again: the model changed meanwhile",
            )
    check_model(tree)
    return inside


def check_model(tree: Path) -> None:
    """Refuse another model than was verified for this commit, where `slipway verify` has run.

    Raises
    ------
    Refused
        A file of the model folder is not the one that was verified.
    """
    if not (tree / VERIFIED).exists():
        return
    verified = read_verified(tree)
    if verified["commit"] == Release.of_tree(tree).commit:
        check_files(tree, verified)


def check_may_push(tree: Path, settings: Deploy) -> None:
    """Refuse before any work what could not be pushed in the end.

    Raises
    ------
    SlipwayError
        No registry is set, or the tree differs from its commit.
    """
    repository(settings)
    if (commit := Release.of_tree(tree).commit).endswith("-dirty"):
        raise SlipwayError(
            f"{commit}: there are changes that no commit holds, and a release must be one",
            "commit them, or build without --push",
        )


def _record(tree: Path, name: str, image: str, marks: Mapping[str, str]) -> BuiltImage:
    built = BuiltImage(
        image=name,
        commit=marks["slipway.commit"],
        data=marks["slipway.data"],
        model_sha256=marks["slipway.model"],
        manifest_sha256=marks["slipway.manifest"],
        bytes=int(docker("image", "inspect", "--format={{.Size}}", image)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        sbom=SBOM.as_posix(),
    )
    write_json({"version": 1} | asdict(built), tree / RECORD)
    return built
