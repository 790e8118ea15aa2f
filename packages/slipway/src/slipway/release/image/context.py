"""The context: the folder that Docker builds from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.dataset.tables import digest
from slipway.manifest import MODEL
from slipway.release.image.packages import Site
from slipway.serving.release import RELEASE_FILE

DOCKERFILE = Path(__file__).with_name("Dockerfile")

APP, SITE = "/app", "/opt/site"


@dataclass(frozen=True)
class Context:
    """A folder, and the sha256 of each file that the image must contain, by its path there.

    The hashes are those of the original files.
    """

    path: Path
    files: Mapping[str, str]


def lay_out(bento: Path, site: Site, folder: Path) -> Context:
    """Copy packages and the code of a bento for Docker; replaces `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(DOCKERFILE, folder)
    packages, code = (folder / f"packages{SITE}", folder / f"code{APP}")
    shutil.copytree(site.path, packages, ignore=_compiled)
    shutil.copytree(bento / "src", code, ignore=_compiled)
    # The file that differs between two builds of a commit (its time) has a layer of its own.
    (folder / "release").mkdir()
    shutil.move(code / MODEL / RELEASE_FILE, folder / "release")
    (folder / "log").mkdir()
    # Modes are the same on every machine. Times are not, and must not be: Docker takes a file with
    # the same size and time for unchanged. The Dockerfile sets the times.
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Context(folder, _digests(bento / "src", APP) | _digests(site.path, SITE))


def _digests(folder: Path, where: str) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {f"{where}/{path.relative_to(folder).as_posix()}": digest(path) for path in files}


_compiled = shutil.ignore_patterns("__pycache__", "*.pyc")
