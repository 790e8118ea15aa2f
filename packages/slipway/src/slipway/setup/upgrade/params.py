"""Whether params.yaml is valid: an upgrade keeps its values, also those that a version refuses."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.repository.worktrees import environment
from slipway.settings import read_params

NAME = "params.yaml"

# Asked of the new version, whose settings may have other names. Another failure is that of `check`.
ASK = """
import sys
from slipway.errors import SlipwayError
from slipway.settings import read_params
try:
    read_params()
except SlipwayError as error:
    print(error)
    sys.exit(3)
"""
INVALID = 3


def invalid_here(text: str) -> str:
    """Return why the running version refuses a params.yaml; empty if it does not."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        path = Path(folder) / NAME
        path.write_text(text, "utf-8", errors="surrogateescape")
        try:
            read_params(path)
        except SlipwayError as error:
            return str(error).replace(str(path), NAME)
    return ""


def invalid_when_installed(root: Path) -> str:
    """Return why the version in `.venv` refuses params.yaml; empty if it does not."""
    python = root.absolute() / ".venv/bin/python"
    if not python.exists():
        return ""
    done = subprocess.run(
        [python, "-c", ASK],
        cwd=root,
        env=environment(root, str(python)),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == INVALID else ""
