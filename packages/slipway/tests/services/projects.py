"""Projects that the tests train and serve, whatever the repository around them holds."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[4]
FLIGHTS = Path(__file__).parents[1] / "projects/starter"


def copy_project(project: Path, folder: Path) -> None:
    """Copy a project into a folder that may exist: its model, data and settings, and a pipeline."""
    leave = shutil.ignore_patterns("__pycache__", "tables.lock")
    shutil.copytree(project, folder, dirs_exist_ok=True, ignore=leave)
    shutil.copy(
        ROOT / "dvc.yaml", folder
    )  # DVC would take a second one in this repository for its own
