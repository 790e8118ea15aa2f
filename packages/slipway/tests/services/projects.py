"""Projects that the tests train and serve, whatever the repository around them holds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from slipway.repository.layout import MACHINE_CODE, MODEL_CODE

ROOT = Path(__file__).parents[4]
FLIGHTS = Path(__file__).parents[1] / "projects/starter"

# `md5` of the data.dvc that Slipway comes with: of the listing of the folder, as DVC writes it.
STARTER_DATA = "9c815fa98cfcb0e750c0039d214602d6"

# PYTHONPATH of a process that takes `model` from the project of the tests, and not from the root.
STARTER_PATH = os.pathsep.join(map(str, [FLIGHTS / MODEL_CODE, ROOT / MACHINE_CODE]))


def copy_project(project: Path, folder: Path) -> None:
    """Copy a project into a folder that may exist: its model, data and settings, and a pipeline."""
    leave = shutil.ignore_patterns("__pycache__", "tables.lock")
    shutil.copytree(project, folder, dirs_exist_ok=True, ignore=leave)
    shutil.copy(
        ROOT / "dvc.yaml", folder
    )  # DVC would take a second one in this repository for its own


def holds_starter() -> bool:
    """Return whether the root holds the starter's table, and not one of a fork."""
    return f"md5: {STARTER_DATA}.dir" in (ROOT / "data.dvc").read_text("utf-8")
