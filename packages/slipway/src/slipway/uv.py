"""uv, which installs packages in a tenth of pip's time, with the package index that pip has."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache


def run_uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of uv; the caller checks its exit code."""
    from uv import find_uv_bin

    command = [find_uv_bin(), *arguments, "--quiet"]
    return subprocess.run(
        command, env=os.environ | settings_of_pip(), capture_output=True, text=True, check=False
    )


def settings_of_pip() -> dict[str, str]:
    """Return, as variables of uv, the mirror that pip's settings name: uv does not read them."""
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or _index_of_pip()
    return {"UV_SYSTEM_CERTS": "1"} | ({"UV_DEFAULT_INDEX": index} if index else {})


@cache
def _index_of_pip() -> str:
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
