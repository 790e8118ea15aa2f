"""A repository for each task, with a champion on `main`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.services.repository import commit, edit_params

from slipway.repository.layout import MODEL_CODE
from slipway.repository.worktrees import run

TABLES = Path(__file__).parents[1] / "projects/tables"

PROJECTS: Mapping[str, dict[str, Any]] = {
    "tickets": {"primary": "log_loss", "guards": ["accuracy"], "margins": {"log_loss": 0.02}},
    "deliveries": {
        "primary": "mae",
        "guards": ["rmse"],
        "margins": {"mae": 0.3, "rmse": 0.6},
    },
}

JUDGES: Mapping[str, dict[str, Any]] = {
    **PROJECTS,
    "promises": {"primary": "pinball_loss", "guards": [], "margins": {"pinball_loss": 0.1}},
}

PLOTS = {
    "tickets": ("calibration", "class_calibration", "confusion", "slices"),
    "deliveries": ("calibration", "residuals", "slices"),
    "promises": ("calibration", "residuals", "slices"),
}

# Tables whose other files are those of another one.
VARIANT_OF = {"promises": "deliveries"}


@pytest.fixture(scope="session", params=PROJECTS)
def main_branch(
    request: pytest.FixtureRequest, small_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    name = str(request.param)
    root = tmp_path_factory.mktemp(name) / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    replace_project(root, name)
    return root


@pytest.fixture
def repository(main_branch: Path, tmp_path: Path) -> Path:
    """A copy of the repository that a test may change."""
    return Path(shutil.copytree(main_branch, tmp_path / "repository", symlinks=True))


def replace_project(root: Path, name: str, sections: Mapping[str, Any] | None = None) -> None:
    """Replace model, settings and data of a repository by those of a table, and train it.

    `sections` are settings in the place of those of all tables.
    """
    model = root / MODEL_CODE / "model"
    for folder in (".git", ".dvc/cache", "build", "data", "reports", model):
        shutil.rmtree(root / folder, ignore_errors=True)
    for file in ("dvc.lock", "data.dvc"):
        (root / file).unlink()
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TABLES / "shared", model, ignore=leave)
    for part in (VARIANT_OF.get(name, name), name):
        shutil.copytree(TABLES / part, model, dirs_exist_ok=True, ignore=leave)
    deploy = yaml.safe_load((root / "params.yaml").read_text("utf-8"))["deploy"]
    settings = yaml.safe_load((TABLES / "params.yaml").read_text("utf-8"))
    settings |= {"deploy": deploy, **(sections or {})}
    (root / "params.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    edit_params(root, train={"iterations": 40}, judge=JUDGES.get(name, {}))
    if name in PLOTS:
        _replace_plots(root, PLOTS[name])
    run(["git", "init", "-q", "-b", "main"], root)
    months = run(["python", "-c", "from model import source; print(*source.MONTHS)"], root)
    run(["slipway", "data", *(f"--month={month}" for month in months.split())], root)
    run(["dvc", "add", "-q", "data"], root)
    run(["dvc", "repro", "-q"], root)
    run(["dvc", "push", "-q"], root)
    commit(root, "Put a model on main")


def _replace_plots(root: Path, names: tuple[str, ...]) -> None:
    pipeline = yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))
    pipeline["stages"]["evaluate"]["plots"] = [
        {f"reports/plots/{name}.csv": {"cache": False}} for name in names
    ]
    (root / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False), "utf-8")
