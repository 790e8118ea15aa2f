"""The contents of a built image, listed by a program that runs in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.manifest import MODEL
from slipway.numbers import counted
from slipway.release.image.context import APP, SITE

USER = 10001

PROGRAM = """
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

# Writable for every user in Debian; with a read-only root only the mounted ones remain writable.
SCRATCH = ("/tmp", "/var/tmp", "/run/lock", "/var/lib/slipway/log")  # noqa: S108


@dataclass(frozen=True)
class Inside:
    """The sha256 of the files of code, packages and model by path, and Debian's packages."""

    files: Mapping[str, str]
    debian: list[tuple[str, str, str]]

    def model_file(self, name: str) -> str:
        """Return the sha256 of a file of the model folder, or ``none``."""
        return self.files.get(f"{APP}/{MODEL.as_posix()}/{name}", "none")


@dataclass(frozen=True)
class _Found:
    """The output of `PROGRAM`."""

    user: int
    groups: list[int]
    files: dict[str, str]
    writable: list[str]
    tools: list[str]
    debian: list[list[str]]


def look_inside(image: str) -> Inside:
    """Run the image as a deployment does, and return its contents."""
    program = f"FOLDERS = {[APP, SITE]!r}\n{PROGRAM}"
    run = ["run", "--rm", "--network=none", "--entrypoint=python3"]
    found = _Found(**json.loads(docker(*run, image, "-c", program)))
    if faults := _faults(found):
        raise SlipwayError(
            f"image {image}: " + "; ".join(faults),
            "use a slim base image (deploy.base_image in params.yaml): python:3.11-slim-bookworm",
        )
    return Inside(found.files, [(each[0], each[1], each[2]) for each in found.debian])


def compare(image: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Refuse an image whose files differ from those of its context."""
    differing = sorted(
        path for path in {*found, *expected} if found.get(path) != expected.get(path)
    )
    if differing:
        shown = ", ".join(differing[:5]) + (" …" if len(differing) > 5 else "")
        files = counted(len(differing), "file is", "files are")
        raise SlipwayError(
            f"image {image}: {files} not those of the bento: {shown}",
            "do not use it: build/ was changed meanwhile; build again from a clean checkout",
        )


def _faults(found: _Found) -> list[str]:
    writable = [path for path in found.writable if not path.startswith(SCRATCH)]
    faults = []
    if found.user != USER or found.groups != [USER]:
        ids = f"user {found.user} in the groups {found.groups}"
        faults.append(f"runs as {ids}, not as {USER}")
    if found.tools:
        faults.append(f"contains {', '.join(found.tools)}")
    if writable:
        faults.append(f"its user may write {', '.join(writable[:5])}")
    return faults
