"""What a change touches decides which jobs run: the scripts of pull-request.yml itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.services.repository import AUTHOR, commit
from tests.workflows.scripts import jobs, start

from slipway.repository.worktrees import run

JOBS = jobs("pull-request.yml")

TESTS = "packages/slipway/tests/conftest.py"


def changes(repository: Path, base: str = "main") -> dict[str, Any]:
    output = repository.parent / "output"
    output.write_text("", "utf-8")
    done = start("detect-changes", base, folder=repository, GITHUB_OUTPUT=str(output))
    assert done.returncode == 0, done.stderr
    return dict(line.split("=") for line in output.read_text("utf-8").splitlines())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    run(["git", "init", "-q", "-b", "main"], root)
    (root / TESTS).parent.mkdir(parents=True)
    for name in ("README.md", "params.yaml", TESTS):
        (root / name).write_text("one", "utf-8")
    commit(root, "Start")
    run(["git", "checkout", "-q", "-b", "change"], root)
    return root


def write(repository: Path, name: str) -> None:
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("two", "utf-8")
    commit(repository, f"Change {name}")


@pytest.mark.parametrize(
    ("name", "model", "machine"),
    [
        ("README.md", "false", "false"),
        ("docs/picture.svg", "false", "false"),
        ("packages/slipway/README.md", "false", "false"),
        ("tests/test_model.py", "false", "false"),
        ("params.yaml", "true", "false"),
        ("data.dvc", "true", "false"),
        ("dvc.lock", "true", "false"),
        ("src/model/features.py", "true", "false"),
        ("a file that no one has thought of", "true", "false"),
        ("packages/slipway/tests/test_cli.py", "false", "true"),
        ("packages/slipway/src/slipway/training/train.py", "true", "true"),
        ("requirements.lock", "true", "true"),
        (".github/workflows/pull-request.yml", "true", "true"),
        ("pyproject.toml", "true", "true"),
    ],
)
def test_a_change_starts_the_jobs_that_look_after_it(
    repository: Path, name: str, model: str, machine: str
) -> None:
    write(repository, name)
    assert changes(repository) == {"model": model, "machine": machine}


def test_a_repository_with_a_released_package_has_no_tests_of_it_to_run(repository: Path) -> None:
    run(["git", "rm", "-qr", "packages"], repository)
    write(repository, "requirements.lock")
    assert changes(repository) == {"model": "true", "machine": "false"}


def test_a_change_is_compared_with_where_it_left_its_base(repository: Path) -> None:
    write(repository, "README.md")
    run(["git", "checkout", "-q", "main"], repository)
    write(repository, "params.yaml")
    run(["git", "checkout", "-q", "change"], repository)
    assert changes(repository)["model"] == "false"


def test_a_merge_is_compared_with_its_first_parent(repository: Path) -> None:
    write(repository, "params.yaml")
    run(["git", "checkout", "-q", "--detach", "main"], repository)
    run([*AUTHOR, "merge", "-q", "--no-ff", "-m", "Merge", "change"], repository)
    assert changes(repository, "HEAD^1")["model"] == "true"


def test_a_file_that_moved_counts_on_both_sides(repository: Path) -> None:
    run(["git", "mv", "params.yaml", "notes.md"], repository)
    commit(repository, "Move the parameters")
    assert changes(repository)["model"] == "true"


@pytest.mark.parametrize("base", ["no-branch", "--output=file"])
def test_an_unknown_base_is_an_error_and_not_no_change(repository: Path, base: str) -> None:
    output = repository / "output"
    done = start("detect-changes", base, folder=repository, GITHUB_OUTPUT=str(output))
    assert done.returncode != 0
    assert not output.exists()


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ("changes=success checks=success machine=success model=success", 0),
        ("changes=success checks=success machine=skipped model=skipped", 0),
        ("changes=success checks=failure machine=skipped model=skipped", 1),
        ("changes=success checks=success machine=cancelled model=success", 1),
        ("changes=failure checks=skipped machine=skipped model=skipped", 1),
        ("changes=cancelled checks=skipped machine=skipped model=skipped", 1),
        ("changes=skipped checks=skipped machine=skipped model=skipped", 1),
        ("changes= checks=success machine=success model=success", 1),
        ("changes=success", 1),
        ("", 1),
        ("changes=success checks=success model=something", 1),
    ],
)
def test_the_gate_lets_success_pass_and_what_had_nothing_to_do(
    tmp_path: Path, results: str, code: int
) -> None:
    done = start("gate", *results.split(), folder=tmp_path)
    assert (done.returncode != 0) == bool(code), done.stdout


def test_a_job_that_looks_after_something_runs_unless_it_has_not_changed() -> None:
    conditions = {name: job.get("if") for name, job in JOBS.items()}
    assert conditions == {
        "changes": None,
        "checks": None,
        "machine": "needs.changes.outputs.machine == 'true'",
        "model": "needs.changes.outputs.model == 'true'",
        "all": "always()",
    }
    assert set(JOBS["all"]["needs"]) == JOBS.keys() - {"all"}
