"""Checks of this machine: tools, the installed package, disk, Docker."""

from __future__ import annotations

import re
import shutil
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.repository.installation import REQUIREMENTS, check_installation
from slipway.repository.layout import MACHINE, machine_of
from slipway.repository.worktrees import cache_of
from slipway.setup.doctor.finding import Finding
from slipway.setup.doctor.registry import Context, check
from slipway.tool import Tool

SECONDS = 20

NUMBERS = re.compile(r"(\d+)\.(\d+)")

RELEASED = re.compile(r"^slipway-ml @ \S*/slipway_ml-([^-/]+)-", re.MULTILINE)

# Packages take 2 GB; building the image, its layers and another environment as much again.
FREE_GB = 5

OLDEST_DOCKER = (20, 10)


@dataclass(frozen=True)
class Required:
    """A tool, its oldest version, and what it is for."""

    name: str
    oldest: tuple[int, int]
    purpose: str
    optional: bool = False


TOOLS = (
    Required("git", (2, 30), "every command"),
    Required("make", (3, 81), "`make setup`, `make check`"),
    Required("gh", (2, 49), "a token for this command, `gh attestation verify`", optional=True),
)


@check(
    "tools",
    reason="a command fails, or does something else than is documented",
    fix="install it, or a newer version",
)
def tools(_: Context) -> list[Finding]:
    findings = [found for tool in TOOLS if (found := _tool(tool))]
    versions = ", ".join(f"{tool.name} {_shown(tool.oldest)}" for tool in TOOLS)
    return findings or [Finding("ok", f"the tools are new enough: {versions} or newer")]


@check(
    "package",
    reason="another version of slipway runs than the one that the repository has",
    fix="`make setup`, and use `.venv/bin/slipway`",
)
def package(at: Context) -> Finding:
    try:
        check_installation(at.root)
    except SlipwayError as error:
        return Finding("wrong", str(error), error.do)
    expected, installed = _expected_version(at.root), version("slipway-ml")
    if expected != installed:
        return Finding(
            "wrong", f"slipway {installed} is installed, and the repository has {expected}"
        )
    return Finding("ok", f"slipway {installed} of this repository is installed")


@check(
    "disk",
    reason="a build, a training or a restore ends half-way",
    fix="free some space: `docker system prune`, `dvc gc --workspace`, `make clean`",
)
def disk(at: Context) -> Finding:
    try:
        cache = cache_of(at.root)
    except SlipwayError:
        cache = at.root
    places = [at.root.resolve(), next(part for part in (cache, *cache.parents) if part.exists())]
    free = {str(place): shutil.disk_usage(place).free / 1e9 for place in places}
    place, least = min(free.items(), key=lambda entry: entry[1])
    if least < FREE_GB:
        return Finding("wrong", f"{least:.1f} GB are free at {place}; {FREE_GB} GB are needed")
    return Finding("ok", f"{least:.0f} GB are free")


@check(
    "docker",
    reason="`slipway build --image` and a deployment from here need it; the workflows have it",
    fix="install Docker, and start it: https://docs.docker.com/engine/install/",
)
def docker_engine(_: Context) -> Finding:
    try:
        answer = docker("version", "--format", "{{.Server.Version}}", seconds=SECONDS).strip()
    except SlipwayError as error:
        return Finding("note", f"no Docker engine answers: {error}", error.do)
    if _numbers(answer) < OLDEST_DOCKER:
        return Finding("wrong", f"Docker {answer}: {_shown(OLDEST_DOCKER)} or newer is needed")
    return Finding("ok", f"Docker {answer} answers")


def _tool(tool: Required) -> Finding | None:
    command = Tool(tool.name, install="install it", check="run it by hand", advice={})
    try:
        answer = command.run("--version", seconds=SECONDS)
    except SlipwayError as error:
        return Finding("note" if tool.optional else "wrong", f"{error}: it is for {tool.purpose}")
    if _numbers(answer) >= tool.oldest:
        return None
    return Finding(
        "wrong", f"{answer.splitlines()[0]}: {tool.name} {_shown(tool.oldest)} or newer is needed"
    )


def _numbers(text: str) -> tuple[int, int]:
    """Return the first two numbers of a version; raises SlipwayError without them."""
    if found := NUMBERS.search(text):
        return int(found[1]), int(found[2])
    raise SlipwayError(f"not a version: {text[:80]!r}")


def _shown(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))


def _expected_version(root: Path) -> str:
    """Return the version of the folder of slipway, or else of the release in the lock."""
    settings = root / MACHINE / "pyproject.toml"
    if machine_of(root) is not None and settings.is_file():
        return str(tomllib.loads(settings.read_text("utf-8"))["project"]["version"])
    lock = root / REQUIREMENTS
    found = RELEASED.search(lock.read_text("utf-8")) if lock.is_file() else None
    if not found:
        raise SlipwayError(f"neither {MACHINE} nor {REQUIREMENTS} names a version of slipway")
    return found[1]
