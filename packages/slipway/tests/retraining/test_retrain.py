"""When there is nothing to propose; the repository itself is never touched.

That a better model is proposed is in tests/workflows/test_retrain_yml.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.retraining.conftest import Slipway
from tests.services.once import made_once
from tests.services.repository import commit, edit_params

from model import source
from slipway.dataset.make import write_month
from slipway.repository.worktrees import run

SOURCE = '''"""A source of one further month."""

from pathlib import Path

import pandas as pd

MONTHS = ("2013-12",)


def month(name: str) -> pd.DataFrame:
    return pd.read_parquet(Path({folder!r}) / f"{{name}}.parquet")
'''


@pytest.fixture(scope="session")
def december(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few rows of a month that the model has not seen."""

    def make(folder: Path) -> None:
        rows = source.month("2013-12")
        write_month(rows.iloc[:: len(rows) // 3_000].head(3_000), folder / "2013-12.parquet")

    return made_once(tmp_path_factory, "december", make)


@pytest.fixture(scope="session")
def weak(small_repository: Path, december: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fork whose champion has not learned much, and whose source has a further month.

    A test works on a copy of it.
    """

    def make(folder: Path) -> None:
        root = Path(shutil.copytree(small_repository, folder / "repository", symlinks=True))
        set_source(root, december)
        edit_params(root, train={"iterations": 2}, judge={"budget": 1, "min_slice_rows": 2_800})
        set_candidates(root, [{"iterations": 120}])
        run(["dvc", "repro", "-q"], root)
        run(["dvc", "push", "-q"], root)
        commit(root, "Learn little")

    return made_once(tmp_path_factory, "weak", make) / "repository"


@pytest.fixture
def repository(weak: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "repository"
    shutil.copytree(weak, copy, symlinks=True)
    return copy


def set_source(root: Path, folder: Path) -> None:
    """Let the source have December as the only further month, with the few rows of a folder."""
    text = SOURCE.format(folder=str(folder))
    (root / "src/model/source.py").write_text(text, "utf-8")


def set_candidates(root: Path, candidates: list[Any]) -> None:
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8")) | {"search": {"candidates": candidates}}
    path.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def answer(repository: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((repository / "build/retrain.json").read_text("utf-8"))
    return found


def state(repository: Path) -> tuple[str, ...]:
    """Everything of the repository that a retrain run has no business with."""
    commands = (["status", "--porcelain"], ["rev-parse", "HEAD"], ["worktree", "list"], ["branch"])
    return tuple(run(["git", *command], repository) for command in commands)


def test_a_model_that_is_not_better_leaves_nothing_to_propose(
    repository: Path, slipway: Slipway
) -> None:
    set_candidates(repository, [])
    commit(repository, "Try nothing else")
    (repository / "README.md").write_text("Not committed\n", "utf-8")
    before = state(repository)
    done = slipway("retrain")
    assert state(repository) == before
    assert done.returncode == 1, done.stdout + done.stderr
    found = answer(repository)
    assert (found["status"], found["branch_files"], found["challenger"]) == ("not better", [], None)
    assert (repository / found["report"]).exists()
    assert not (repository / "build/retrain/files").exists()


def test_a_new_model_that_a_stage_refuses_is_reported_as_not_better(
    repository: Path, slipway: Slipway
) -> None:
    edit_params(repository, prepare={"max_feature_auc": 0.505})
    set_candidates(repository, [])
    commit(repository, "Call everything a leak")
    done = slipway("retrain")
    assert done.returncode == 1, done.stdout + done.stderr
    found = answer(repository)
    assert (found["status"], found["branch_files"]) == ("not better", [])
    assert "`prepare` refused: feature `" in found["words"]


def test_without_a_further_month_nothing_is_trained(repository: Path, slipway: Slipway) -> None:
    done = slipway("retrain", "--until", "2013-09")
    assert done.returncode == 1, done.stderr
    assert answer(repository)["status"] == "nothing new"
    assert answer(repository)["report"] == ""


@pytest.mark.parametrize("fault", ["bad rows", "no settings", "no commit"])
def test_what_stops_it_is_an_answer_too(
    fault: str, repository: Path, slipway: Slipway, december: Path, tmp_path: Path
) -> None:
    if fault == "bad rows":
        rows = pd.read_parquet(december / "2013-12.parquet").astype({"carrier": object})
        rows.loc[7, "carrier"] = "XX"
        write_month(rows, tmp_path / "2013-12.parquet")
        set_source(repository, tmp_path)
        expected = "is not valid"
    elif fault == "no settings":
        set_candidates(repository, [{"iteration": 1}])
        commit(repository, "Mistype a setting")
        expected = "`train` has no iteration"
    else:
        shutil.rmtree(repository / ".git")
        expected = "not a git repository"
    done = slipway("retrain")
    assert done.returncode == 2
    found = answer(repository)
    assert found["status"] == "inconclusive"
    assert expected in found["words"]
    assert found["branch_files"] == []
    assert "Traceback" not in done.stderr
