"""`slipway build`: pack the service, with the model in it, as a bento."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from slipway.card.content import METRICS, Card
from slipway.dataset.tables import files_of
from slipway.errors import SlipwayError
from slipway.manifest import MODEL, read_manifest
from slipway.release.machine import Wheel, unpack_machine
from slipway.release.verified import VERIFIED, Verified
from slipway.reports.model_card import as_json
from slipway.repository.pointers import LOCK, read_stages
from slipway.repository.worktrees import environment
from slipway.reproduction.lock import folder_md5, outputs
from slipway.serving.release import CARD_FILE, Release, verify_model
from slipway.serving.start import BENTOS
from slipway.texts import read_text
from slipway.training.formats.registry import format_of, model_path

NAME = "slipway"

REQUIREMENTS = "requirements-serve.lock"

ANY = ""

# A line of a lock: a package with its version, or with where it comes from, which may be any.
LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:==([^\s;\\]+)| *@ )", re.MULTILINE)


@dataclass(frozen=True)
class BuiltBento:
    """A bento: its tag ``slipway:<commit>``, folder, model sha256 and machine."""

    tag: str
    path: Path
    model_sha256: str
    machine: Wheel


def build(tree: Path = Path()) -> BuiltBento:
    """Build the bento of this commit and check its contents.

    Two builds of a commit have the same bytes, except for the time in ``bento.yaml`` and
    ``release.json``.
    """
    sha256 = verify_model(tree / MODEL)
    check_requirements(tree)
    release = _release_of(tree)
    bento = tree / BENTOS / NAME / release.commit
    shutil.rmtree(bento, ignore_errors=True)
    _bentoml_build(tree, release.commit)
    release.write(bento / "src" / MODEL)
    if (tree / METRICS).exists():
        (bento / "src" / MODEL / CARD_FILE).write_bytes(as_json(Card.read(tree)))
    machine = unpack_machine(tree, bento / "src")
    _check_included(tree, bento / "src")
    # BentoML accepts a link to a model.
    if verify_model(bento / "src" / MODEL) != sha256:
        raise SlipwayError(f"{bento}: contains another model than {MODEL}", "build it again")
    return BuiltBento(f"{NAME}:{release.commit}", bento, sha256, machine)


def check_requirements(tree: Path) -> None:
    """Refuse a service that would lack a package which its model imports, or have another version.

    Raises
    ------
    SlipwayError
        Names the packages, and the dependencies that bring them.
    """
    manifest = read_manifest(tree / MODEL)
    needed: dict[str, str] = manifest["model"].get("packages", {})
    locked = locked_versions(read_text(tree / REQUIREMENTS))
    missing = [name for name in needed if canonicalize_name(name) not in locked]
    other = [
        f"{name} {'/'.join(sorted(versions))} instead of {version}"
        for name, version in needed.items()
        if (versions := locked.get(canonicalize_name(name))) and not versions & {version, ANY}
    ]
    used = format_of(manifest)
    if missing:
        dependencies = ", ".join(f'"{name}"' for name in used.dependencies(missing))
        raise SlipwayError(
            f"{REQUIREMENTS}: lacks {', '.join(missing)}, which serving {MODEL / used.file} "
            "imports",
            f"make sure that `dependencies` of pyproject.toml has {dependencies}, then `make lock`",
        )
    if other and used.exact_versions:
        raise SlipwayError(
            f"{REQUIREMENTS}: has {', '.join(other)}, with which {MODEL / used.file} was made",
            "`make lock`, then `dvc repro`",
        )


def locked_versions(lock: str) -> dict[str, set[str]]:
    """Return the versions of each package of a lock: several if they differ by platform."""
    found: dict[str, set[str]] = {}
    for name, version in LOCKED.findall(lock):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def _check_included(tree: Path, source: Path) -> None:
    """Refuse a bentofile that leaves out the model: BentoML accepts that."""
    name = model_path(tree / MODEL).name
    if not (source / MODEL / name).exists():
        raise SlipwayError(
            f"bentofile.yaml: leaves out {MODEL / name}: missing in the service",
            f"add `/{MODEL}/model.*` to its `include`, which is right for every format",
        )


def _release_of(tree: Path) -> Release:
    """Return the release of a tree, marked dirty too if its model is not that of the commit."""
    release = Release.of_tree(tree)
    if release.commit.endswith("-dirty") or _is_of_commit(tree, release.commit):
        return release
    return replace(release, commit=f"{release.commit}-dirty")


def _is_of_commit(tree: Path, commit: str) -> bool:
    """Return whether the model is the one in dvc.lock, or the one that `slipway verify` rebuilt."""
    if not (tree / LOCK).exists():
        return True  # this commit records no model
    locked = outputs(read_stages(tree / LOCK)).get(str(MODEL))
    if locked == folder_md5(tree / MODEL):
        return True
    if not (tree / VERIFIED).exists():
        return False
    verified = Verified.read(tree)
    return verified.commit == commit and verified.files == files_of(tree / MODEL)


def _bentoml_build(tree: Path, version: str) -> None:
    home = tree / BENTOS.parent
    home.mkdir(parents=True, exist_ok=True)
    settings = {"BENTOML_HOME": str(home.resolve()), "BENTOML_DO_NOT_TRACK": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--version", version],
        cwd=tree,
        env=environment(tree) | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        output = done.stderr.strip() or done.stdout.strip()
        raise SlipwayError(
            f"BentoML could not build the service:\n{output}", "fix the error that it reports"
        )
