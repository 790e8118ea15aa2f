"""The commands of the README are real, and CI, pre-commit and `make` check the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.services.projects import ROOT

from slipway.repository.layout import MACHINE

MAKE = ["make", "--no-print-directory"]
TOOLS = ["bash", "awk", "cat", "grep", "make", "touch"]


def commands_of(target: str) -> list[str]:
    """Return what `make` would run for a target when .venv is there."""
    shown = subprocess.run(
        [*MAKE, "--dry-run", "--assume-old=.venv/ready", "--assume-new=.github", target],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return shown.stdout.splitlines()


def test_the_commands_of_the_readme_exist() -> None:
    shown = re.findall(r"^(make \w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert shown
    assert all(commands_of(command.split()[1]) for command in shown)


def test_help_is_the_default_and_explains_every_target() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    declared = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert declared
    output = subprocess.run(MAKE, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert re.findall(r"^  make (\w+) +\w", output, re.MULTILINE) == declared[1].split()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert (ROOT / ".ci/run").read_text("utf-8").splitlines()[-1].endswith("make test")


def test_make_test_begins_with_everything_that_make_lint_checks() -> None:
    lint, test = commands_of("lint"), commands_of("test")
    assert test[: len(lint)] == lint
    assert len(lint) >= 5


def test_pre_commit_is_make_lint_and_nothing_else() -> None:
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    (hook,) = [hook for source in settings["repos"] for hook in source["hooks"]]
    assert hook["entry"] == "make lint"
    assert hook["language"] == "system"
    assert hook["always_run"]


def test_without_a_python_setup_names_what_to_install(tmp_path: Path) -> None:
    machine = "packages/slipway/pyproject.toml"
    (tmp_path / machine).parent.mkdir(parents=True)
    for name in ("Makefile", ".python-version", "pyproject.toml", "requirements.lock", machine):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    done = subprocess.run(
        [*MAKE, "setup"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path / "bin")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "No Python 3.11 or newer" in done.stderr
    assert "make setup PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


SKIPPING = {
    "in_the_test": "import pytest\ndef test_one(): pytest.skip('no browser here')",
    "of_a_module": "import pytest\npytest.skip('no browser here', allow_module_level=True)",
    "by_a_mark": "import pytest\n@pytest.mark.skip(reason='no browser here')\ndef test_one(): ...",
}


@pytest.mark.parametrize("ci", ["true", ""])
def test_ci_fails_what_a_laptop_may_skip(ci: str, tmp_path: Path) -> None:
    for name, text in SKIPPING.items():
        (tmp_path / f"test_{name}.py").write_text(text)
    (tmp_path / "test_passing.py").write_text("def test_two(): ...")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(tmp_path),
         "--continue-on-collection-errors"],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT / MACHINE)},
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert (done.returncode != 0) == (ci == "true"), done.stdout
    for name in SKIPPING:
        refused = re.search(rf"test_{name}\.py:\d+: CI must not skip", done.stdout)
        assert bool(refused) == (ci == "true"), done.stdout
    assert "1 passed" in done.stdout
