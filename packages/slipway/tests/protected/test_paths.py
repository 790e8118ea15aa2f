"""One list names what is protected, for the comment, the report and CODEOWNERS alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.projects import ROOT

from slipway.protected.packages import LOCKS
from slipway.protected.paths import GROUPS, OPEN, codeowners, group_of
from slipway.repository.git import git, names

# What lets git or GitHub hide the lines of a change.
FOLDED = [("diff", "unset"), ("linguist-generated", "set"), ("linguist-generated", "true")]

OF_EVERY_DAY = [
    "src/model/features.py",
    "src/model/deep/er.py",
    "docs/verdicts.md",
    "README.md",
    "data.dvc",
    "dvc.lock",
    "params.yaml",
    "reports/metrics.json",
    "bench/judge.py",
    "tests/model/test_features.py",
    "notebooks/look.ipynb",
]


@pytest.mark.parametrize("path", OF_EVERY_DAY)
def test_what_a_team_changes_every_day_is_not_protected(path):
    assert group_of(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "src/numpy.py",
        "src/Slipway/judge.py",
        "src/model/slices.py",
        "src/model/conftest.py",
        "src/model/.gitattributes",
        "src/model/dvc.yaml",
        "src/model/fast.so",
        "src/model/__pycache__/behaviours.cpython-311.pyc",
        "src/model/features.pyc",
        "src/model/behaviours/__init__.py",
        "yaml.pyc",
        ".venv/lib/python3.11/site-packages/sitecustomize.py",
        ".venv/ready",
        ".services/bin/actionlint",
        "build/model/model.onnx",
        "src",
        ".github",
        ".DVC/config",
        "sitecustomize.py",
        "json/__init__.py",
        "other.dvc",
        "src/model/other.dvc",
        "pytest.toml",
        ".pytest.toml",
        "a/b/.dvcignore",
        "tests\n/conftest.py",
    ],
)
def test_what_can_change_the_verdict_is_protected_wherever_it_hides(path):
    found = group_of(path)

    assert found
    assert found.judges


@given(st.text(max_size=200))
def test_any_path_has_an_answer_and_any_below_the_machine_is_protected(name):
    group_of(name)

    assert group_of(f"src/slipway/{name}")
    assert group_of(f".github/{name}")


def test_codeowners_gives_exactly_what_is_protected_to_its_owners():
    lines = [line for line in codeowners(["@org/team"]).splitlines() if line and line[0] != "#"]
    rules = [line.split() for line in lines]

    def is_owned(path: str) -> bool:
        # The rule of GitHub: the last pattern that matches counts.
        found: list[str] = []
        for pattern, *owners in rules:
            anchored = "" if pattern.startswith("/") else "(.*/)?"
            body = re.escape(pattern.strip("/")).replace(r"\*", "[^/]*")
            if re.match(f"{anchored}{body}{'/' if pattern.endswith('/') else '(/|$)'}", path):
                found = owners
        return found == ["@org/team"]

    examples = [
        pattern.strip("/").replace("*", "x") + ("/x" if pattern.endswith("/") else "")
        for group in GROUPS
        for pattern in (*group.patterns, *group.broad)
    ]
    opened = [f"{pattern}x.py".lstrip("/") for pattern in OPEN if pattern.endswith("/")]
    assert len(examples) > 30
    for path in [*examples, *OF_EVERY_DAY, *opened]:
        assert is_owned(path) == bool(group_of(path)), path


BINARY = {".onnx", ".parquet", ".skops"}


def test_git_and_github_show_the_changes_of_every_protected_file():
    tracked = [
        name
        for name in names(ROOT, "ls-files", "-z")
        if group_of(name) and Path(name).suffix not in BINARY
    ]
    asked = "\0".join([*tracked, *LOCKS])
    found = git(
        ROOT, "check-attr", "-z", "--stdin", "diff", "linguist-generated", given=asked.encode()
    ).split("\0")
    values = dict(zip(zip(found[::3], found[1::3], strict=False), found[2::3], strict=False))

    assert len(tracked) > 100
    assert [path for (path, name), value in values.items() if (name, value) in FOLDED] == []
