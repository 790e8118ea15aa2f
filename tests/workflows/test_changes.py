"""What a change touches decides what runs: a document costs nothing, all else is looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.services.repository import AUTHOR, commit

from slipway.changes import Changes, find_changes
from slipway.errors import SlipwayError
from slipway.workspace import run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    run(["git", "init", "-q", "-b", "main"], tmp_path)
    (tmp_path / "README.md").write_text("one", "utf-8")
    (tmp_path / "params.yaml").write_text("one", "utf-8")
    commit(tmp_path, "Start")
    run(["git", "checkout", "-q", "-b", "change"], tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["README.md", "docs/model.md", "docs/picture.svg", "LICENSE"])
def test_documents_change_no_model_and_need_only_their_own_tests(name):
    assert Changes([name]).model is False
    assert Changes([name]).tests == "tests/repository"


@pytest.mark.parametrize("name", ["tests/judge/test_verdict.py", "bench/judge.py"])
def test_tests_change_no_model_and_are_run(name):
    assert Changes([name]).model is False
    assert Changes([name]).tests == "tests"


@pytest.mark.parametrize(
    "name",
    [
        *("params.yaml", "data.dvc", "dvc.lock", "dvc.yaml", "reports/metrics.json"),
        *("src/model/features.py", "src/slipway/train.py", "requirements.lock", ".dvc/config"),
        *(".github/workflows/pull-request.yml", "Makefile", "a file that nobody has thought of"),
    ],
)
def test_whatever_else_changes_the_pipeline_looks_at_it(name):
    assert Changes([name, "README.md"]).model is True
    assert Changes([name]).tests == "tests"


def test_the_tests_that_it_names_for_documents_exist():
    assert list((ROOT / Changes(["README.md"]).tests).glob("test_*.py"))


def test_a_change_is_compared_with_where_it_left_its_base(repository):
    (repository / "README.md").write_text("two", "utf-8")
    commit(repository, "Change a document")
    run(["git", "checkout", "-q", "main"], repository)
    (repository / "params.yaml").write_text("two", "utf-8")
    commit(repository, "Meanwhile")
    run(["git", "checkout", "-q", "change"], repository)

    assert find_changes(repository, "main").files == ["README.md"]


def test_a_merge_is_compared_with_its_first_parent(repository):
    (repository / "params.yaml").write_text("two", "utf-8")
    commit(repository, "Change a parameter")
    run(["git", "checkout", "-q", "--detach", "main"], repository)
    run([*AUTHOR, "merge", "-q", "--no-ff", "-m", "Merge", "change"], repository)

    assert find_changes(repository, "HEAD^1").files == ["params.yaml"]


def test_a_file_that_moved_counts_on_both_sides(repository):
    run(["git", "mv", "params.yaml", "notes.md"], repository)

    assert find_changes(repository, "main").files == ["notes.md", "params.yaml"]


@pytest.mark.parametrize("base", ["nobody", "--output=file"])
def test_an_unknown_base_is_no_answer(repository, base):
    with pytest.raises(SlipwayError, match=f"`{base}`") as error:
        find_changes(repository, base)
    assert error.value.exit_code == 2


def test_it_needs_no_installation(repository):
    (repository / "README.md").write_text("two", "utf-8")
    output = repository / "output"
    answer = subprocess.run(
        [sys.executable, "-S", "-m", "slipway.changes", "--base", "main"],
        cwd=repository,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": "output"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr
    assert output.read_text("utf-8") == "model=false\ntests=tests/repository\n"
