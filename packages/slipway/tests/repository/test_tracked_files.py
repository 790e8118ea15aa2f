"""What git holds names no machine and no package index, and pins what it takes from outside."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.services.projects import ROOT

from slipway.repository.layout import MACHINE

# In brackets, so that this file does not name what it looks for.
INDEX = re.compile(
    r"p[y]pi\.org|p[y]thonhosted|registry\.n[p]mjs|proxy\.g[o]lang|crates\.i[o]\b|deb\.d[e]bian"
)
FOLDER = re.compile(r"(?<![\w.$}])/(?:home|root|Users|work|workspaces)/[\w.]")
ACTION = re.compile(r"^\s*(?:- )?uses: *([^\s#]+)(.*)$", re.MULTILINE)
PINNED_ACTION = re.compile(r"\./\S*|[^@\s]+@[0-9a-f]{40}")
PINNED_PACKAGE = re.compile(
    r"(?P<name>[\w.-]+)(\[[\w,.-]+\])?==(?P<version>\S+)( ; .+)?( --hash=sha256:[0-9a-f]{64})+"
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every tracked text file."""
    found = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            found[str(path.relative_to(ROOT))] = content.decode("utf-8", "replace")
    return found


def lines_with(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def requirements(lock: str) -> Iterator[str]:
    """Yield each requirement of a lock file as one line."""
    for line in re.sub(r"\s*\\\n\s*", " ", lock).splitlines():
        if line.strip():
            yield line.strip()


def versions(lock: Path) -> dict[str, str]:
    """Return the version of each package that a lock file pins."""
    return {
        canonicalize_name(found["name"]): found["version"]
        for line in requirements(lock.read_text("utf-8"))
        if (found := PINNED_PACKAGE.fullmatch(line))
    }


def unpinned_actions(workflow: str) -> list[str]:
    return [
        action
        for action, rest in ACTION.findall(workflow)
        if not PINNED_ACTION.fullmatch(action)
        or ("@" in action and not re.search(r"# v\d+\.\d+\.\d+", rest))
    ]


def locks() -> list[Path]:
    return [path for path in tracked() if path.match("requirements*.lock")]


def test_no_tracked_file_names_a_package_index(texts: dict[str, str]) -> None:
    assert lines_with(INDEX, texts) == []


def test_no_tracked_file_names_a_folder_of_one_machine(texts: dict[str, str]) -> None:
    assert lines_with(FOLDER, texts) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (INDEX, "--index-url https://p" + "ypi.org/simple"),
        (INDEX, '"resolved": "https://registry.n' + 'pmjs.org/a.tgz"'),
        (FOLDER, "/ho" + "me/ann/slipway/data"),
        (FOLDER, 'open("/wo' + 'rk/main/x")'),
    ],
)
def test_such_a_line_would_be_found(pattern: re.Pattern[str], line: str) -> None:
    assert lines_with(pattern, {"file": line}) == [f"file:1: {line}"]


@pytest.mark.parametrize("lock", locks(), ids=lambda path: path.name)
def test_every_line_of_a_lock_is_pinned_by_hash(lock: Path) -> None:
    lines = list(requirements(lock.read_text("utf-8")))
    assert [line[:80] for line in lines if not PINNED_PACKAGE.fullmatch(line)] == []
    assert lines


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.4.6",
        "numpy>=2 --hash=sha256:" + 64 * "0",
        "numpy==2.4.6 --hash=md5:" + 32 * "0",
        "--index-url https://example.com",
        "./wheels/numpy.whl",
    ],
)
def test_a_line_that_is_not_pinned_would_be_found(line: str) -> None:
    assert not PINNED_PACKAGE.fullmatch(line)


def test_the_lock_holds_what_the_model_and_the_machine_ask_for() -> None:
    pinned = versions(ROOT / "requirements.lock")
    asked = [each for each in requested(ROOT) if each.name != "slipway-ml"]
    used = {extra for each in requested(ROOT) if each.name == "slipway-ml" for extra in each.extras}
    asked += requested(ROOT / MACHINE, used)
    assert used
    assert [
        str(each)
        for each in asked
        if not each.specifier.contains(pinned[canonicalize_name(each.name)])
    ] == []


def requested(folder: Path, extras: set[str] | None = None) -> list[Requirement]:
    """Return what a project depends on: with all of its extras, or with some."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    groups = project["optional-dependencies"]
    chosen = [groups[name] for name in (groups if extras is None else extras)]
    return [Requirement(text) for group in (project["dependencies"], *chosen) for text in group]


def test_the_lock_of_a_fork_holds_no_package_of_the_machines_tests() -> None:
    assert (
        not {"hypothesis", "pytest-xdist", "fastapi"} & versions(ROOT / "requirements.lock").keys()
    )


def test_the_service_runs_on_the_versions_that_trained_the_model() -> None:
    serve, everything = (
        versions(ROOT / name) for name in ("requirements-serve.lock", "requirements.lock")
    )
    assert {name: version for name, version in serve.items() if everything[name] != version} == {}


def test_every_action_is_pinned_by_commit_and_names_its_version(texts: dict[str, str]) -> None:
    workflows = {name: text for name, text in texts.items() if name.startswith(".github/")}
    assert {name: found for name in workflows if (found := unpinned_actions(workflows[name]))} == {}


@pytest.mark.parametrize(
    "line", ["uses: actions/checkout@v7", "- uses: a/b@main", f"uses: a/b@{40 * 'f'}"]
)
def test_an_action_that_is_not_pinned_would_be_found(line: str) -> None:
    assert unpinned_actions(line)
    assert not unpinned_actions(f"uses: a/b@{40 * 'f'} # v1.2.3")
