"""A champion is scored by the machine of its own commit, wherever that lies there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from tests.services.projects import ROOT
from tests.services.repository import commit

from slipway.comparison import champion as champions
from slipway.dataset.tables import read_columns, write_columns
from slipway.repository.layout import MACHINE_CODE, MODEL_CODE, PACKAGE
from slipway.repository.worktrees import run

FIRST_RELEASE = "7a1df09"  # its machine is src/slipway, its lock another one


def scores_of(root: Path, commit: str, rows: Path, out: Path) -> tuple[np.ndarray, str]:
    """Return the scores, and the interpreter that made them."""
    with champions.tree_of(root, commit) as tree:
        built = champions.build(root, tree)
        scores, why = built.score(rows, out)
    assert scores is not None, why
    return scores, built.python


def test_a_machine_that_differs_by_a_line_scores_as_it_did_in_the_environment_that_both_lock(
    repository: Path, tmp_path: Path
) -> None:
    rows, out = repository / "data/2013-08.parquet", tmp_path / "out.parquet"
    before, _ = scores_of(repository, "HEAD", rows, out)
    code = repository / MACHINE_CODE / PACKAGE / "training/score.py"
    code.write_text(
        code.read_text("utf-8").replace("score_columns(scores)}", "score_columns(scores / 2)}")
    )
    commit(repository, "Halve every score")

    halved, python = scores_of(repository, "HEAD", rows, out)

    assert python == sys.executable
    assert np.array_equal(halved, before / 2)


def test_a_machine_next_to_the_model_is_found_where_it_was_before_it_had_a_folder(
    repository: Path, tmp_path: Path
) -> None:
    rows, out = repository / "data/2013-08.parquet", tmp_path / "out.parquet"
    before, _ = scores_of(repository, "HEAD", rows, out)
    run(["git", "mv", str(MACHINE_CODE / PACKAGE), str(MODEL_CODE / PACKAGE)], repository)
    commit(repository, "The layout before the packages")

    assert np.array_equal(scores_of(repository, "HEAD", rows, out)[0], before)


def test_the_champion_of_the_first_release_is_scored_by_its_code_and_packages(
    starter_data: Path, tmp_path: Path
) -> None:
    month = starter_data / "2013-09.parquet"
    columns = read_columns([month])
    rows = tmp_path / "rows.parquet"
    write_columns({name: values[:500] for name, values in columns.items()}, rows)

    scores, python = scores_of(ROOT, FIRST_RELEASE, rows, tmp_path / "out.parquet")

    assert python != sys.executable
    assert len(scores) == 500
    assert 0 < scores.min() < scores.max() < 1
