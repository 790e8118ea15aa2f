"""A fork that replaces the model, the settings and the data: `make check` passes unchanged.

`SLIPWAY_TABLES="customers loans pumps"` tries three tables; CI one, half a minute each.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from tests.installation.test_release import copy_environment, make, pass_over_workflows
from tests.services.projects import FLIGHTS, ROOT
from tests.services.repository import commit

from slipway.repository.layout import MODEL_CODE
from slipway.repository.worktrees import copy_of_worktree, run

TABLES = Path(__file__).parents[1] / "projects/tables"
TRIED = os.environ.get("SLIPWAY_TABLES", "loans").split()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with an environment, which the forks share: none of them changes a package."""
    root = tmp_path_factory.mktemp("tables") / "fork"
    with copy_of_worktree(ROOT) as worktree:
        leave = shutil.ignore_patterns(".git", "data-remote", "tests")
        shutil.copytree(worktree, root, ignore=leave)
        shutil.copytree(worktree / "tests", root / "tests")
    (root / ".dvc/config.local").unlink(missing_ok=True)
    copy_environment(root)
    (root / ".venv/ready").unlink()  # the environment is that of another folder
    make(root, "setup")
    pass_over_workflows(root)
    return root


@pytest.fixture(params=TRIED)
def fork(request: pytest.FixtureRequest, clone: Path) -> Path:
    """A clone whose `src/model`, `params.yaml` and `data` are those of another table."""
    for name in ("dvc.lock", "data.dvc", "params.yaml"):
        (clone / name).unlink(missing_ok=True)
    model = clone / MODEL_CODE / "model"
    for folder in (".git", ".dvc/cache", "build/model", "build/prepared", "data", "reports", model):
        shutil.rmtree(clone / folder, ignore_errors=True)
    shutil.copytree(TABLES / "shared", model)
    shutil.copytree(TABLES / request.param, model, dirs_exist_ok=True)
    deploy = yaml.safe_load((FLIGHTS / "params.yaml").read_text("utf-8"))["deploy"]
    images = {name: deploy[name] for name in ("base_image", "proxy_image")}
    settings = (TABLES / "params.yaml").read_text("utf-8")
    (clone / "params.yaml").write_text(settings + yaml.safe_dump({"deploy": images}), "utf-8")
    return clone


def test_make_check_passes_and_needs_no_test_of_the_package(fork: Path) -> None:
    python = str(fork / ".venv/bin/python")
    code = "from model import source; print(*source.MONTHS)"
    months = run([python, "-c", code], fork, python).split()
    chosen = [part for month in months for part in ("--month", month)]
    run(["git", "init", "-q", "-b", "main"], fork)
    run(["slipway", "data", *chosen], fork, python)
    run([python, "-m", "slipway.stages"], fork, python)  # as `make lock` does
    run(["dvc", "add", "-q", "data"], fork, python)
    run(["dvc", "repro", "-q"], fork, python)
    run(["dvc", "push", "-q"], fork, python)
    commit(fork, "Use another table")

    make(fork, "check")
    assert not (fork / "packages/slipway/tests").exists()
