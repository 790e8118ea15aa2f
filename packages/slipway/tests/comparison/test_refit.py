"""A champion's procedure is fitted at an origin by the code of its own commit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.services.repository import commit, edit_params

from slipway.comparison import champion as champions
from slipway.comparison.refit import refit
from slipway.dataset.csv_format import FOUND
from slipway.dataset.origins import Origin
from slipway.dataset.split import Dataset
from slipway.dataset.table import by_time
from slipway.dataset.tables import files_of
from slipway.errors import SlipwayError
from slipway.settings import read_params
from slipway.training.backtest import BACKTEST, Backtest


@pytest.fixture
def origin(repository: Path) -> Origin:
    return Dataset.open(read_params(repository / "params.yaml"), repository / "data").origins(4)[0]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "scratch/scores.parquet"


@contextmanager
def built(repository: Path) -> Iterator[champions.Built]:
    with champions.tree_of(repository, "HEAD") as tree:
        yield champions.build(repository, tree)


def test_the_same_procedure_has_the_scores_of_its_backtest(
    repository: Path, origin: Origin, out: Path
) -> None:
    with built(repository) as champion:
        scores, reason = refit(champion.tree, champion.python, origin, out)
        trained = champion.manifest["train"]["months"]
    assert reason == ""
    assert trained == origin.learned_periods
    expected = Backtest.read(repository / BACKTEST).scores(origin)
    assert scores is not None
    assert expected is not None
    assert np.abs(scores - expected).max() < 1.5e-6
    assert np.mean(scores == expected) > 0.9


def test_another_procedure_has_other_scores(repository: Path, origin: Origin, out: Path) -> None:
    edit_params(repository, train={"iterations": 20})
    commit(repository, "Fewer trees")
    with champions.tree_of(repository, "HEAD") as tree:
        scores, _ = refit(tree, sys.executable, origin, out)
    expected = Backtest.read(repository / BACKTEST).scores(origin)
    assert scores is not None
    assert expected is not None
    assert np.abs(scores - expected).max() > 0.01


def test_what_the_tree_has_links_to_is_not_written(
    repository: Path, origin: Origin, out: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    for name in ("data/2013-01.parquet", "model/model.onnx", "prepared/train.parquet"):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_bytes(b"cached")
    before, ours = files_of(cache), files_of(repository / "data")
    with champions.tree_of(repository, "HEAD") as tree:
        (tree / "data").symlink_to(cache / "data")
        (tree / "build/model").mkdir(parents=True)
        (tree / "build/model/model.onnx").symlink_to(cache / "model/model.onnx")
        (tree / "build/prepared").symlink_to(cache / "prepared")
        scores, reason = refit(tree, sys.executable, origin, out)
        assert not any(file.is_symlink() for file in (tree / "data").iterdir())
        given = by_time(sorted((tree / "data").iterdir()), "month", FOUND)
        assert [path.stem for path in given.files] == list(given.names)
        assert given.digests == [
            origin.table.digests[part] for part in (*origin.learned, *origin.scored)
        ]
    assert scores is not None, reason
    assert files_of(cache) == before
    assert files_of(repository / "data") == ours


def test_a_folder_that_is_a_link_in_the_commit_is_refused_and_kept(
    repository: Path, origin: Origin, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine/model").mkdir(parents=True)
    with champions.tree_of(repository, "HEAD") as tree:
        (tree / "build").symlink_to(tmp_path / "mine")
        with pytest.raises(SlipwayError, match="build: a link"):
            refit(tree, sys.executable, origin, out)
    assert (tmp_path / "mine/model").is_dir()


def hold_out_two_months(root: Path) -> None:
    edit_params(root, prepare={"holdout_months": 2})


def no_settings(root: Path) -> None:
    (root / "params.yaml").write_text("[", "utf-8")


def refuse_leaks(root: Path) -> None:
    edit_params(root, prepare={"max_feature_auc": 0.51})


def cannot_be_fitted(root: Path) -> None:
    edit_params(root, train={"learning_rate": -1.0})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            hold_out_two_months,
            "`prepare.holdout_months` is 2, and 1 of the months are compared",
        ),
        (no_settings, "its params.yaml cannot be read"),
        (refuse_leaks, "alone predicts the label"),
        (cannot_be_fitted, "cannot be fitted"),
    ],
)
def test_a_procedure_that_cannot_be_fitted_there_has_a_reason_in_one_line(
    repository: Path,
    origin: Origin,
    out: Path,
    change: Callable[[Path], None],
    expected: str,
) -> None:
    change(repository)
    commit(repository, "Change the settings")
    with champions.tree_of(repository, "HEAD") as tree:
        scores, reason = refit(tree, sys.executable, origin, out)
    assert scores is None
    assert expected in reason
    assert "\n" not in reason


def test_a_command_that_is_killed_is_no_answer(
    repository: Path, origin: Origin, out: Path, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -9 $$\n", "utf-8")
    python.chmod(0o755)
    with (
        champions.tree_of(repository, "HEAD") as tree,
        pytest.raises(SlipwayError, match=r"`slipway prepare` .* memory") as error,
    ):
        refit(tree, str(python), origin, out)
    assert error.value.exit_code == 2
