"""The packages of the service, unpacked on this machine for the image's Python.

So the image is built without network, compiler, pip or certificates, on macOS as on Linux. uv
shares its cache with `make setup`: what is installed there is not fetched again.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import cast

from packaging.markers import Environment
from packaging.pylock import PackageWheel, Pylock
from packaging.tags import Tag, compatible_tags, cpython_tags

from slipway.dataset.tables import read_json, write_json
from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.release.machine import DISTRIBUTION
from slipway.texts import read_text
from slipway.uv import run_uv

PULL_SECONDS = 900

# Those that uv has platforms for.
MACHINES = ("x86_64", "aarch64")
GLIBCS = (17, 28, *range(31, 41))

OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

PROBE = """
import json, platform
print(json.dumps({
    "python": platform.python_version(),
    "machine": platform.machine(),
    "libc": platform.libc_ver(),
}))
"""


@dataclass(frozen=True)
class Platform:
    """What wheels must support: Python ``3.11.16``, ``x86_64`` or ``aarch64``, glibc 2.`glibc`."""

    python: str
    machine: str
    glibc: int

    @classmethod
    def of_image(cls, base: str) -> Platform:
        """Return the platform of a base image."""
        try:
            probed = json.loads(_probe(base))
        except SlipwayError as error:
            raise SlipwayError(
                f"deploy.base_image {base}: {error}",
                f"{error.do}; the base needs `python3` on its PATH",
            ) from None
        return cls.of_probe(base, **probed)

    @classmethod
    def of_probe(cls, base: str, python: str, machine: str, libc: tuple[str, str]) -> Platform:
        """Return the platform that `PROBE` printed; raises SlipwayError if there are no wheels."""
        library, version = libc
        minor = int(python.split(".")[1])
        if library != "glibc" or minor < 11:
            raise SlipwayError(
                f"deploy.base_image {base}: Python {python} on {library or 'another libc'}; "
                "3.11 or newer on glibc is needed",
                "use a python:3.11-slim (Debian) image; there are no wheels for Alpine",
            )
        platform = cls(python, machine, int(version.split(".")[1]))
        if platform.machine not in MACHINES or platform.glibc < GLIBCS[0]:
            raise SlipwayError(
                f"deploy.base_image {base}: glibc {version} on {platform.machine}; glibc "
                f"2.{GLIBCS[0]} or newer on {' or '.join(MACHINES)} is needed",
                "use a python:3.11-slim (Debian) image of one of these processors",
            )
        return platform

    def options(self) -> list[str]:
        """Return the options that make uv choose wheels for the image, on any machine."""
        glibc = max(each for each in GLIBCS if each <= self.glibc)
        name = f"{self.machine}-manylinux_2_{glibc}"
        version = f"--python-version={self.python}"
        return [f"--python-platform={name}", version, "--no-python-downloads"]

    def tags(self) -> list[Tag]:
        """Return the tags of wheels that the image takes, the best first."""
        version = tuple(map(int, self.python.split(".")[:2]))
        platforms = [
            f"{name}_{self.machine}"
            for glibc in range(self.glibc, 4, -1)
            for name in (f"manylinux_2_{glibc}", OLD_NAMES.get(glibc))
            if name
        ]
        platforms.append(f"linux_{self.machine}")
        interpreter = f"cp{version[0]}{version[1]}"
        return [
            *cpython_tags(version, platforms=platforms),
            *compatible_tags(version, interpreter, platforms),
        ]

    def markers(self) -> Environment:
        """Return the environment for the markers of a lock."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python,
            "platform_python_implementation": "CPython",
            "python_version": ".".join(self.python.split(".")[:2]),
            "sys_platform": "linux",
        }


@dataclass(frozen=True)
class Package:
    """A package in the image, and the sha256 of its wheel."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Site:
    """A folder of unpacked packages."""

    path: Path
    packages: list[Package]


def install(lock: Path, platform: Platform, cache: Path) -> Site:
    """Unpack the packages of a lock, each checked by its hash; uses those in the cache."""
    key = sha256(lock.read_bytes() + json.dumps(asdict(platform)).encode()).hexdigest()[:16]
    folder = cache / key
    if not (folder / "packages.json").exists():
        _fill(folder, lock, platform)
    listed = read_json(folder / "packages.json", "slipway build --image")
    return Site(folder / "site", [Package(**package) for package in listed])


def _probe(base: str) -> str:
    run = ["run", "--rm", "--network=none", "--entrypoint=python3"]
    return docker(*run, base, "-c", PROBE, seconds=PULL_SECONDS)


def _fill(folder: Path, lock: Path, platform: Platform) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packages = _choose(folder, lock, platform)
    chosen = folder / "requirements.lock"
    lines = [f"{each.name}=={each.version} --hash=sha256:{each.sha256}\n" for each in packages]
    chosen.write_text("".join(lines), "utf-8")
    install = ("pip", "install", "--no-deps", "--require-hashes", "--link-mode=copy")
    target = (f"--target={folder / 'site'}", f"--requirements={chosen}")
    _ask(lock, platform, *install, *target)
    _drop_scripts(folder / "site")
    write_json([asdict(package) for package in packages], folder / "packages.json")


def _choose(folder: Path, lock: Path, platform: Platform) -> list[Package]:
    """Return the package of each line that is for the image, with the hash of its best wheel.

    The index names the wheels (PEP 751); only those that the lock names are taken.
    """
    text = "\n".join(_without_machine(read_text(lock)))
    known = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))
    source, listed = folder / "image.lock", folder / "pylock.toml"
    source.write_text(text, "utf-8")
    _ask(lock, platform, "pip", "compile", "--no-deps", str(source), f"--output-file={listed}")
    pylock = Pylock.from_dict(tomllib.loads(listed.read_text("utf-8")))
    packages = []
    for package, wheel in pylock.select(environment=platform.markers(), tags=platform.tags()):
        digest = cast(PackageWheel, wheel).hashes.get("sha256", "")
        if digest not in known:
            raise SlipwayError(
                f"{lock}: {package.name} {package.version}: the wheel of the package index has "
                f"sha256 {digest or 'none'}, which the lock does not name",
                "stop here: the index returned another file than the lock names",
            )
        packages.append(Package(package.name, str(package.version), digest))
    return sorted(packages, key=lambda each: each.name)


def _without_machine(lock: str) -> Iterator[str]:
    """Yield the lines of a lock but that of a released machine, which is part of the bento."""
    for line in lock.replace("\\\n", " ").splitlines():
        if not re.match(rf"{DISTRIBUTION}\b", line):
            yield line


def _ask(lock: Path, platform: Platform, *command: str) -> None:
    done = run_uv(*command, "--only-binary=:all:", "--no-config", *platform.options())
    if done.returncode:
        output = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-12:])
        python = f"Python {platform.python} on {platform.machine}"
        raise SlipwayError(
            f"{lock}: uv could not unpack it for {python}:\n  " + output.replace("\n", "\n  "),
            _advice(output),
        )


def _drop_scripts(site: Path) -> None:
    """Remove scripts and their entries in RECORD: they start the Python of this machine."""
    shutil.rmtree(site / "bin", ignore_errors=True)
    (site / ".lock").unlink(missing_ok=True)  # uv's own
    for record in site.glob("*.dist-info/RECORD"):
        lines = record.read_bytes().splitlines(keepends=True)
        record.write_bytes(b"".join(line for line in lines if not line.startswith(b"bin/")))


def _advice(output: str) -> str:
    known = {
        "hash mismatch": "stop here: the index returned another file than the lock names",
        "no space left": "free space on the disk of build/ and of uv's cache",
        "no usable wheels": "that package has no wheel for the base image: choose another version "
        "(`make lock`) or another deploy.base_image",
    }
    found = [advice for part, advice in known.items() if part in output.lower()]
    return next(iter(found), "check that the package index answers, then retry")
