"""`slipway build`: pack the service, with the model in it, as a bento."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.lock import folder_md5, outputs
from slipway.pointers import LOCK, read_stages
from slipway.score import MODEL
from slipway.serve.release import Release, verify_model
from slipway.serve.start import BENTOS
from slipway.tables import files_of
from slipway.verified import VERIFIED, read_verified
from slipway.workspace import environment

NAME = "slipway"


@dataclass(frozen=True)
class BuiltBento:
    """A bento: its tag ``slipway:<commit>``, its folder, and the sha256 of the model in it."""

    tag: str
    path: Path
    model_sha256: str


def build(tree: Path = Path()) -> BuiltBento:
    """Build the bento of this commit and check what is inside.

    Two builds of one commit have the same files and the same bytes, but for the time in
    ``bento.yaml`` and ``release.json``.

    Raises
    ------
    SlipwayError
        The model is missing or not what its manifest says, here or in the bento; or BentoML
        failed.
    """
    sha256 = verify_model(tree / MODEL)
    release = _release_of(tree)
    bento = tree / BENTOS / NAME / release.commit
    shutil.rmtree(bento, ignore_errors=True)
    _bentoml_build(tree, release.commit)
    release.write(bento / "src" / MODEL)
    # BentoML is content with a missing model, or with a link to one.
    if verify_model(bento / "src" / MODEL) != sha256:
        raise SlipwayError(f"{bento}: holds another model than {MODEL}", "build it again")
    return BuiltBento(f"{NAME}:{release.commit}", bento, sha256)


def _release_of(tree: Path) -> Release:
    """Return the release of a tree, dirty as well if its model is not that of the commit."""
    release = Release.of_tree(tree)
    if release.commit.endswith("-dirty") or _is_of_commit(tree, release.commit):
        return release
    return replace(release, commit=f"{release.commit}-dirty")


def _is_of_commit(tree: Path, commit: str) -> bool:
    """Return whether the model is what dvc.lock names, or what `slipway verify` has rebuilt."""
    if not (tree / LOCK).exists():
        return True  # a commit that records no model has no other one
    locked = outputs(read_stages(tree / LOCK)).get(str(MODEL))
    if locked == folder_md5(tree / MODEL):
        return True
    if not (tree / VERIFIED).exists():
        return False
    found = read_verified(tree)
    return found["commit"] == commit and found["files"] == files_of(tree / MODEL)


def _bentoml_build(tree: Path, version: str) -> None:
    home = tree / BENTOS.parent
    home.mkdir(parents=True, exist_ok=True)
    quiet = {"BENTOML_HOME": str(home.resolve()), "BENTOML_DO_NOT_TRACK": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--version", version],
        cwd=tree,
        env=environment(tree) | quiet,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise SlipwayError(
            f"BentoML could not build the service:\n{said}", "fix the error that it reports"
        )
