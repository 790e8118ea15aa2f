"""Paths of the code in a repository: of the model, and of slipway if it is a folder there.

Slipway is a folder of the repository, or a released package in the environment. Before 0.3 it was
in `src/slipway`, next to the model: that of an older commit still is.
"""

from __future__ import annotations

import os
from pathlib import Path

MODEL_CODE = Path("src")
MACHINE = Path("packages/slipway")
MACHINE_CODE = MACHINE / "src"
PACKAGE = "slipway"


def machine_of(root: Path) -> Path | None:
    """Return the folder of the package `slipway` in a tree; None if the tree uses a release."""
    for code in (MACHINE_CODE, MODEL_CODE):
        if (root / code / PACKAGE / "__init__.py").is_file():
            return root / code / PACKAGE
    return None


def python_path(root: Path) -> str:
    """Return the PYTHONPATH with which a tree runs its own code."""
    machine = machine_of(root)
    folders = [root / MODEL_CODE, *([machine.parent] if machine else [])]
    return os.pathsep.join(dict.fromkeys(str(folder.resolve()) for folder in folders))
