"""A stage before `validate`, as docs/data.md shows it, word for word."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.services.projects import ROOT
from tests.services.repository import commit, edit_params
from tests.tasks.test_pipeline import slipway
from tests.untimed.test_untimed import judged

from slipway.comparison.changes import changes
from slipway.repository.worktrees import run

BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def documented() -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the script, the stage and the settings of the section."""
    text = (ROOT / "docs/data.md").read_text("utf-8")
    section = text.partition("\n### A stage of your own\n")[2].partition("\n## ")[0]
    (python, script), (_, stage), (_, settings) = BLOCK.findall(section)
    assert python == "python"
    return textwrap.dedent(script), yaml.safe_load(stage)["stages"], yaml.safe_load(settings)


@pytest.fixture(scope="module")
def joined_once(visits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with the stage, whose model is committed."""
    root = tmp_path_factory.mktemp("joined") / "repository"
    repository = Path(shutil.copytree(visits, root, symlinks=True))
    script, stage, settings = documented()
    clinics = "clinic,beds\neast,40\nnorth,75\nwest,120\n"
    (repository / "data/clinics.csv").write_text(clinics, "utf-8")
    (repository / "src/join.py").write_text(script, "utf-8")
    pipeline = yaml.safe_load((repository / "dvc.yaml").read_text("utf-8"))
    for other in pipeline["stages"].values():
        if "data" in other["deps"]:
            other["deps"].append("build/table")
    pipeline["stages"] = stage | pipeline["stages"]
    (repository / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False), "utf-8")
    edit_params(repository, **settings)
    _replace(
        repository / "src/model/schema.py",
        '"age": Col',
        '"beds": Column("int32", metadata=BEFORE),\n        "age": Col',
    )
    _replace(
        repository / "src/model/features.py",
        "return {",
        'return {"beds": columns["beds"].astype("float32"), ',
    )
    run(["dvc", "add", "-q", "data"], repository)
    run(["dvc", "repro", "-q"], repository)
    run(["dvc", "push", "-q"], repository)
    commit(repository, "Join the clinics")
    return repository


@pytest.fixture
def joined(joined_once: Path, tmp_path: Path) -> Path:
    """A copy of the repository that a test may change."""
    return Path(shutil.copytree(joined_once, tmp_path / "repository", symlinks=True))


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_model_of_joined_rows_is_rebuilt_and_judged(joined: Path) -> None:
    done = slipway(joined, "verify-lock")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "identical" in done.stdout
    report = judged(joined, "main~1")
    assert report.incomparable is None
    assert report.champion is not None
    assert report.champion.model != report.challenger.model
    assert len(report.periods) == 2


def test_the_example_of_a_request_has_the_joined_columns(joined: Path) -> None:
    done = slipway(joined, "schema")
    assert done.returncode == 0, done.stderr
    assert '"beds": ' in done.stdout


def test_data_that_changes_no_joined_row_makes_the_model_of_other_data_stale(joined: Path) -> None:
    with (joined / "data/clinics.csv").open("a", encoding="utf-8") as file:
        file.write("closed,10\n")
    run(["dvc", "add", "-q", "data"], joined)
    run(["dvc", "repro", "-q", "join"], joined)
    stale = run(["dvc", "status", "--json"], joined)
    assert {"train", "backtest"} <= json.loads(stale).keys()


def test_a_change_of_the_script_is_one_of_the_procedure_and_makes_the_rows_again(
    joined: Path,
) -> None:
    _replace(joined / "src/join.py", "rows = visits", 'clinics["beds"] //= 2\nrows = visits')
    run(["dvc", "repro", "-q", "validate"], joined)
    assert set(pd.read_parquet(joined / "build/table/visits.parquet")["beds"]) == {20, 37, 60}
    assert changes(joined, "main").procedure


def test_without_its_output_the_stage_is_named(joined: Path) -> None:
    run(["rm", "-r", "build/table"], joined)
    done = slipway(joined, "prepare")
    assert done.returncode == 2
    assert "build/table/: no parquet or CSV file" in done.stderr
    assert "dvc repro" in done.stderr
