"""The folder that Docker builds from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.image.packages import Site
from slipway.score import MODEL
from slipway.serve.release import RELEASE_FILE
from slipway.tables import digest

DOCKERFILE = Path(__file__).with_name("Dockerfile")

APP, SITE = "/app", "/opt/site"


@dataclass(frozen=True)
class Context:
    """A laid-out folder, and the sha256 of each file that is to be in the image, by its path there.

    The hashes are those of the files that it was laid out from.
    """

    path: Path
    files: Mapping[str, str]


def lay_out(bento: Path, site: Site, folder: Path) -> Context:
    """Lay packages and the code of a bento out for Docker; what was in `folder` before is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(DOCKERFILE, folder)
    packages, code = (folder / f"packages{SITE}", folder / f"code{APP}")
    shutil.copytree(site.path, packages, ignore=_compiled)
    shutil.copytree(bento / "src", code, ignore=_compiled)
    # What differs between two builds of a commit (its time) is alone in its layer.
    (folder / "release").mkdir()
    shutil.move(code / MODEL / RELEASE_FILE, folder / "release")
    (folder / "log").mkdir()
    # Modes are the same wherever it is laid out. Times are not, and must not be: a file of the same
    # size and time is one that Docker believes it has already. The Dockerfile evens them out.
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Context(folder, _digests(bento / "src", APP) | _digests(site.path, SITE))


def _digests(folder: Path, where: str) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {f"{where}/{path.relative_to(folder).as_posix()}": digest(path) for path in files}


_compiled = shutil.ignore_patterns("__pycache__", "*.pyc")
