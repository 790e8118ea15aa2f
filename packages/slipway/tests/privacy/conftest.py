"""A repository with personal columns, whose data has rare values to search for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pandas as pd
import pytest
from tests.services.repository import commit, edit_params

from slipway.predictions.personal import SECRET
from slipway.repository.worktrees import run

# In parts: the repository has a copy of this file, which must not have the values.
KEY = "-".join(["20130912", "QX7741", "JFK"])
DESTINATION = "QX" + "Z"
SEATS = 577 + 0.25

SECRET_TEXT = "a secret of the tests"

PERSONAL = """
schema.columns["flight_id"].metadata["personal"] = "hash"
schema.columns["dest"].metadata["personal"] = "drop"
schema.columns["plane_seats"].metadata["personal"] = "hash"
"""


@dataclass(frozen=True)
class Private:
    """A repository, its data remote outside, and a batch of the newest rows with its log."""

    root: Path
    remote: Path
    batch: Path

    @property
    def log(self) -> Path:
        return self.batch / "log"

    def run(self, *command: str) -> str:
        return run(command, self.root, settings={SECRET: SECRET_TEXT})

    def run_all(self, *commands: Sequence[str]) -> list[str]:
        """Return what `slipway` commands print; in one process, since its start is most of each."""
        printed = self.run("python", "-c", ALL_IN_ONE, orjson.dumps(commands).decode())
        texts: list[str] = orjson.loads(printed.splitlines()[-1])
        return texts


ALL_IN_ONE = """
import contextlib, io, json, sys
from slipway.cli import run
from slipway.errors import SlipwayError

texts = []
for command in json.loads(sys.argv[1]):
    sys.argv, out = ["slipway", *command], io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            run()
        except SlipwayError as error:
            print(error, error.do)
    texts.append(out.getvalue())
print(json.dumps(texts))
"""


@pytest.fixture(scope="session")
def marked(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Private:
    """A repository in which one row of the holdout has the rare values."""
    top = tmp_path_factory.mktemp("private")
    root, remote = top / "repository", top / "remote"
    shutil.copytree(small_repository, root, symlinks=True)
    (root / "data-remote").rename(remote)
    move_remote(root, remote)
    edit_params(root, prepare={"origins": 1}, train={"iterations": 30})
    commit(root, "Compare on one period")
    with (root / "src/model/schema.py").open("a") as file:
        file.write(PERSONAL)
    files = sorted((root / "data").glob("*.parquet"))
    _plant(files[0], 0)
    _plant(files[-1], 1_500, KEY)
    private = Private(root, remote, top / "batch")
    private.run("dvc", "add", "-q", "data")
    private.run("dvc", "repro", "-q", "train", "evaluate")
    private.run("dvc", "push", "-q")
    commit(root, "Mark personal columns")
    private.run("slipway", "score-batch", "--rows", str(files[-1]), "--out", str(private.batch))
    return private


def move_remote(root: Path, remote: Path) -> None:
    """Let a repository name another folder as its data remote."""
    config = root / ".dvc/config"
    config.write_text(re.sub(r"url = .*", f"url = {remote}", config.read_text()))


def _plant(path: Path, row: int, key: str = "") -> None:
    rows = pd.read_parquet(path)
    rows.loc[row, ["flight_id", "dest"]] = [key or rows["flight_id"][row], DESTINATION]
    rows.loc[row, "plane_seats"] = SEATS
    path.unlink()  # it may be a link to the cache
    rows.to_parquet(path, index=False)
