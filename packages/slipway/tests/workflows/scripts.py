"""The scripts of the workflows, which need no installation."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml
from tests.services.projects import ROOT

SCRIPTS = ROOT / ".github/scripts"


def jobs(workflow: str) -> dict[str, Any]:
    text = (ROOT / ".github/workflows" / workflow).read_text("utf-8")
    return dict(yaml.safe_load(text)["jobs"])


def start(
    script: str, *arguments: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / script, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
