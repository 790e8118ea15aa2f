"""Other files of the working tree with a value of a subject."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from slipway.privacy.contents import Search

BUILD = Path("build")
"""Made by commands, which make it again: files with a subject are removed."""

# Of git, DVC and Python, and what other parts of `slipway forget` search.
LEFT_OUT = {".git", ".venv", "__pycache__", "node_modules", "data"}


def find_traces(root: Path, search: Search) -> list[Path]:
    """Return the files below a folder that have a value or a key of a subject."""
    return [path for path in _files(root) if search.is_in(root / path)]


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not (Path(folder) == root and name in LEFT_OUT)
            and name not in (".venv", "__pycache__")
            and Path(folder, name) != root / ".dvc/cache"
            and not (Path(folder) / name / "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(root)
