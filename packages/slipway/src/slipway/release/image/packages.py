"""The packages of the service, unpacked on this machine for the image's Python.

So the image is built without network, compiler, pip or certificates, on macOS as on Linux.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from slipway.dataset.tables import read_json, write_json
from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.release.machine import DISTRIBUTION
from slipway.texts import read_text

PULL_SECONDS = 900

OLDEST_GLIBC = 17  # that of manylinux2014; pip adds the names of still older ones itself

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
            found = json.loads(_probe(base))
        except SlipwayError as error:
            raise SlipwayError(
                f"deploy.base_image {base}: {error}",
                f"{error.do}; the base needs `python3` on its PATH",
            ) from None
        libc, version = found["libc"]
        minor = int(found["python"].split(".")[1])
        if libc != "glibc" or minor < 11:
            raise SlipwayError(
                f"deploy.base_image {base}: Python {found['python']} on {libc or 'another libc'}; "
                "3.11 or newer on glibc is needed",
                "use a python:3.11-slim (Debian) image; there are no wheels for Alpine",
            )
        return cls(found["python"], found["machine"], int(version.split(".")[1]))

    def pip_options(self) -> list[str]:
        """Return the options that make pip choose wheels for the image, on any machine."""
        major, minor, *_ = self.python.split(".")
        glibcs = [f"manylinux_2_{minor}" for minor in range(self.glibc, OLDEST_GLIBC - 1, -1)]
        names = [f"{name}_{self.machine}" for name in (*glibcs, "manylinux2014")]
        return [
            *(f"--platform={name}" for name in names),
            *(f"--python-version={self.python}", "--implementation=cp", f"--abi=cp{major}{minor}"),
        ]

    def markers(self) -> dict[str, str]:
        """Return the environment for the markers of the lock."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": self.python,
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


def lines_for(lock: str, platform: Platform) -> Iterator[str]:
    """Yield the requirements of a lock, with their hashes, whose markers match the image.

    pip evaluates markers for the machine that it runs on, whatever its platform options are.
    """
    from packaging.requirements import Requirement

    for line in lock.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split(" --hash=")
        if not requirement.strip() or requirement.startswith("#"):
            continue
        parsed = Requirement(requirement.strip())
        if parsed.name == DISTRIBUTION:
            continue  # a released machine is part of the bento
        if parsed.marker is None or parsed.marker.evaluate(platform.markers()):
            yield " --hash=".join([f"{parsed.name}{parsed.specifier}", *map(str.strip, hashes)])


def _probe(base: str) -> str:
    run = ["run", "--rm", "--network=none", "--entrypoint=python3"]
    return docker(*run, base, "-c", PROBE, seconds=PULL_SECONDS)


def _fill(folder: Path, lock: Path, platform: Platform) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    requirements, report = folder / "requirements.lock", folder / "report.json"
    requirements.write_text("\n".join(lines_for(read_text(lock), platform)) + "\n", "utf-8")
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"),
        *platform.pip_options(),
        *("--target", str(folder / "site"), "--report", str(report), "-r", str(requirements)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stderr.strip() or done.stdout.strip()).splitlines()[-12:]
        python = f"Python {platform.python} on {platform.machine}"
        raise SlipwayError(
            f"{lock}: pip could not unpack it for {python}:\n  " + "\n  ".join(output),
            _advice("\n".join(output)),
        )
    _drop_scripts(folder / "site")
    write_json(_installed(report), folder / "packages.json")


def _drop_scripts(site: Path) -> None:
    """Remove scripts and their entries in RECORD: they start the Python of this machine."""
    shutil.rmtree(site / "bin", ignore_errors=True)
    for record in site.glob("*.dist-info/RECORD"):
        lines = record.read_bytes().splitlines(keepends=True)
        record.write_bytes(b"".join(line for line in lines if not line.startswith(b"../../bin/")))


def _advice(output: str) -> str:
    known = {
        "do not match the hashes": "stop here: the index returned another file than the lock names",
        "no space left": "free space on the disk of build/",
        "no matching distribution": "that package has no wheel for the base image: choose another "
        "version (`make lock`) or another deploy.base_image",
    }
    found = [advice for part, advice in known.items() if part in output.lower()]
    return next(iter(found), "check that the package index answers, then retry")


def _installed(report: Path) -> list[dict[str, str]]:
    packages = [
        Package(
            item["metadata"]["name"],
            item["metadata"]["version"],
            item["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for item in read_json(report, "pip")["install"]
    ]
    return [asdict(package) for package in sorted(packages, key=lambda each: each.name.lower())]
