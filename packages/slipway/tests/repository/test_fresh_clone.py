"""While the data ships with the repository, a clone has everything that its commit names."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

from tests.services.projects import ROOT

DVC = str(Path(sys.executable).with_name("dvc"))


def remote_url() -> str:
    settings = configparser.ConfigParser()
    settings.read(ROOT / ".dvc/config", "utf-8")
    return settings["'remote \"storage\"'"]["url"]


# A fork that has switched to a store of its own cannot reach it from the tests, and need not.
if remote_url() == "../data-remote":

    def test_a_fresh_clone_pulls_the_data_and_the_model_without_a_network(
        without_network: list[str], tmp_path: Path
    ) -> None:
        clone = tmp_path / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        subprocess.run([*without_network, DVC, "pull", "--quiet"], cwd=clone, check=True)
        subprocess.run([DVC, "status", "--quiet", "data.dvc"], cwd=clone, check=True)
