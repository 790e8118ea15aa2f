"""What is inside a built image: it is run, and says so itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.image.context import APP, SITE
from slipway.score import MODEL, MODEL_FILE

USER = 10001

LOOK = """
import hashlib, json, os, shutil, subprocess, sys

def files(folder):
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                yield file.name, hashlib.sha256(file.read()).hexdigest()

def writable(top):
    for path, folders, names in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(path, name) not in SKIPPED]
        for name in (*folders, *names):
            found = os.path.join(path, name)
            if not os.path.islink(found) and os.access(found, os.W_OK):
                yield found

SKIPPED = {"/dev", "/proc", "/sys"}
def debian():
    if shutil.which("dpkg-query"):
        query = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\\n"]
        done = subprocess.run(query, capture_output=True, text=True, check=True)
        yield from map(str.split, done.stdout.splitlines())

print(json.dumps({
    "user": os.getuid(),
    "groups": sorted({os.getgid(), *os.getgroups()}),
    "files": dict(pair for folder in FOLDERS for pair in files(folder)),
    "writable": list(writable("/")),
    "tools": [name for name in ("cc", "gcc", "git", "make") if shutil.which(name)],
    "debian": list(debian()),
}))
"""

# Debian lets everybody write here; with a read-only root only those that are mounted remain.
SCRATCH = ("/tmp", "/var/tmp", "/run/lock", "/var/lib/slipway/log")  # noqa: S108


@dataclass(frozen=True)
class Inside:
    """The sha256 of each file of code, packages and model by its path; Debian's packages."""

    files: Mapping[str, str]
    debian: list[tuple[str, str, str]]

    @property
    def model_sha256(self) -> str:
        return self.model_file(MODEL_FILE)

    def model_file(self, name: str) -> str:
        """Return the sha256 of a file of the model folder, or `none`."""
        return self.files.get(f"{APP}/{MODEL.as_posix()}/{name}", "none")


def look_inside(image: str) -> Inside:
    """Run the image as it will be run, and return what it holds.

    Raises
    ------
    SlipwayError
        It would run as root or with another group, it holds a compiler or git, or its user
        could change a file.
    """
    program = f"FOLDERS = {[APP, SITE]!r}\n{LOOK}"
    run = ["run", "--rm", "--network=none", "--entrypoint=python3"]
    said = json.loads(docker(*run, image, "-c", program))
    faults = list(_faults(said))
    if faults:
        raise SlipwayError(
            f"image {image}: " + "; ".join(faults),
            "take a slim base (deploy.base_image in params.yaml): python:3.11-slim-bookworm",
        )
    return Inside(said["files"], [(each[0], each[1], each[2]) for each in said["debian"]])


def compare(image: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Refuse an image whose files are not those that it was to be built from.

    Raises
    ------
    SlipwayError
        A file is missing, is another one, or is too many; the message names the first ones.
    """
    differing = sorted(
        path for path in {*found, *expected} if found.get(path) != expected.get(path)
    )
    if differing:
        shown = ", ".join(differing[:5]) + (" …" if len(differing) > 5 else "")
        raise SlipwayError(
            f"image {image}: {len(differing)} files are not those of the bento: {shown}",
            "do not use it: something changed build/ meanwhile; build again from a clean checkout",
        )


def _faults(said: dict[str, Any]) -> list[str]:
    writable = [path for path in said["writable"] if not path.startswith(SCRATCH)]
    faults = []
    if said["user"] != USER or said["groups"] != [USER]:
        faults.append(f"runs as user {said['user']} in the groups {said['groups']}, not as {USER}")
    if said["tools"]:
        faults.append(f"holds {', '.join(said['tools'])}")
    if writable:
        faults.append(f"its user may write {', '.join(writable[:5])}")
    return faults
