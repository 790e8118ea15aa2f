"""The list of protected files, in the grammar of a CODEOWNERS file.

The last pattern that matches a path counts. A pattern that starts with a slash is anchored at the
root, one that ends with a slash is a whole folder, `*` matches within a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

REMOTE = "data-remote/"

CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")

# The modules of the user's package that a model is judged by.
JUDGES = (
    "src/model/behaviours.py",
    "src/model/rules.py",
    "src/model/schema.py",
    "src/model/slices.py",
    "src/model/target.py",
)


@dataclass(frozen=True)
class Group:
    """Files that are protected for one reason.

    Attributes
    ----------
    judges
        Whether a change of these can change how a pull request is judged.
    broad
        Patterns that those in OPEN override.
    """

    name: str
    judges: bool
    patterns: tuple[str, ...]
    broad: tuple[str, ...] = ()


# The most dangerous first: reports list them in this order.
GROUPS = (
    Group(
        "machine: trains, judges, verifies and releases",
        True,
        # A Python file next to `src` or in it is imported instead of a library of its name,
        # bytecode instead of its source, and files in the folders of `make` are used as they are.
        (
            "/packages/",
            "/*.py",
            "/*/__init__.py",
            "*.pth",
            "*.so",
            "*.pyd",
            "*.pyc",
            "__pycache__/",
            "/.venv/",
            "/.services/",
            "/build/",
        ),
        broad=("/src/",),
    ),
    Group("workflows: run on GitHub", True, ("/.github/", "/.ci/")),
    Group(
        "dependencies and build",
        True,
        (
            "requirements*.lock",
            "/requirements*",
            "/constraints*",
            "pyproject.toml",
            "setup.py",
            "setup.cfg",
            "/uv.*",
            "/pip.conf",
            "/.python-version",
            "/Makefile",
            "/makefile",
            "/GNUmakefile",
            "/bentofile.yaml",
            "/machine.yaml",
        ),
    ),
    Group("DVC configuration", True, ("/.dvc/", "dvc.yaml", ".dvcignore", "*.dvc")),
    Group(
        "git configuration: hides or replaces files",
        True,
        (".gitattributes", ".gitmodules", ".gitignore", ".lfsconfig"),
    ),
    Group(
        "rules of the model: data checks, target, slices, behaviours",
        True,
        # A folder of the same name is imported instead of the file.
        (
            *(f"/{name}" for name in JUDGES),
            *(f"/{name.removesuffix('.py')}/" for name in JUDGES),
        ),
    ),
    Group(
        "test configuration",
        True,
        (
            "conftest.py",
            "pytest.ini",
            ".pytest.ini",
            "pytest.toml",
            ".pytest.toml",
            "tox.ini",
            "mypy.ini",
            ".mypy.ini",
            "ruff.toml",
            ".ruff.toml",
            "zizmor.yml",
            "zizmor.yaml",
            ".coveragerc",
        ),
    ),
    Group("deployment", False, ("/deploy/", "Dockerfile*")),
    Group(
        "developers' machines",
        False,
        ("/.devcontainer/", ".pre-commit-config.yaml", "/.vscode/", ".envrc"),
    ),
    Group("ownership", False, ("CODEOWNERS", "SECURITY.md")),
)

LINKS = Group("symbolic links and submodules", True, ())

OBJECTS = Group("objects of the DVC remote that data.dvc and dvc.lock do not explain", True, ())

SETTINGS = Group("settings in params.yaml by which a model is judged", True, ())

OPERATIONS = Group("settings in params.yaml of service, release and monitoring", False, ())

PIPELINE = Group("commands and outputs in DVC's files", True, ())

# What a team changes every day: OPEN overrides broad patterns, ALWAYS_OPEN all patterns.
OPEN = ("/src/model/",)
ALWAYS_OPEN = ("/data.dvc",)


def group_of(path: str) -> Group | None:
    """Return the group of a protected path; None if the path is not protected."""
    last: Group | None = None
    for pattern, group in _rules():
        if _expression(pattern, protects=group is not None).match(path):
            last = group
    return last


def codeowners(owners: list[str]) -> str:
    """Return a CODEOWNERS file that gives every protected path to these owners."""
    lines = [
        "# Written by `slipway doctor --write-codeowners`. The last line that matches counts; one",
        "# without an owner lets a path be changed without these owners' approval.",
    ]
    owner = " ".join(owners)
    heading: str | None = None
    for pattern, group in _rules():
        title = group.name if group else "what a team changes every day"
        if title != heading:
            lines += ["", f"# {title}"]
            heading = title
        lines.append(f"{pattern} {owner}" if group else pattern)
    return "\n".join(lines) + "\n"


def unowned(text: str, paths: Iterable[str]) -> list[str]:
    """Return the protected paths without an owner in a CODEOWNERS file, as GitHub reads it."""
    rules = [
        (_owners_pattern(pattern), owners)
        for line in text.splitlines()
        for pattern, *owners in [line.partition("#")[0].split() or [""]]
        if pattern
    ]
    return [path for path in paths if group_of(path) and not _owners(path, rules)]


def _owners(path: str, rules: list[tuple[re.Pattern[str], list[str]]]) -> list[str]:
    return next((owners for pattern, owners in reversed(rules) if pattern.match(path)), [])


def _owners_pattern(pattern: str) -> re.Pattern[str]:
    anchored = "/" in pattern.rstrip("/")
    body = re.escape(pattern.strip("/")).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    # `docs/*` matches the files in docs, and no folder below.
    end = "/" if pattern.endswith("/") else "$" if pattern.endswith("/*") else "(?:/|$)"
    return re.compile(("" if anchored else "(?:.*/)?") + body + end, re.DOTALL)


@cache
def _rules() -> tuple[tuple[str, Group | None], ...]:
    """Return the patterns in the sequence in which they apply, the most dangerous group last."""
    groups = GROUPS[::-1]
    return (
        *((pattern, group) for group in groups for pattern in group.broad),
        *((pattern, None) for pattern in OPEN),
        *((pattern, group) for group in groups for pattern in group.patterns),
        *((pattern, None) for pattern in ALWAYS_OPEN),
    )


@cache
def _expression(pattern: str, *, protects: bool) -> re.Pattern[str]:
    start = "" if pattern.startswith("/") else "(?:.*/)?"
    middle = re.escape(pattern.strip("/")).replace(r"\*", "[^/]*")
    if not protects:
        end = "/" if pattern.endswith("/") else "$"
        return re.compile(start + middle + end, re.DOTALL)
    # A link may replace a folder, and some file systems take two spellings for one file.
    return re.compile(start + middle + "(?:/|$)", re.DOTALL | re.IGNORECASE)
