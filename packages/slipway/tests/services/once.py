"""What takes long to make and is the same for all processes of the tests: made by the first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first caller has filled; the others wait, and must not change it.

    Parameters
    ----------
    make
        Fills the empty folder that it is given.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    root = factory.getbasetemp() if alone else factory.getbasetemp().parent
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / f"{name}.made").exists():
            folder.mkdir()
            make(folder)
            (root / f"{name}.made").touch()
    return folder
