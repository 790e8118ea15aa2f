"""A table without an event time goes through the pipeline, the judge and the service."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.services.repository import commit, edit_params
from tests.tasks.test_pipeline import slipway

from slipway.comparison.report import Judgement
from slipway.reports.check import check
from slipway.repository.worktrees import run


def judged(root: Path, base: str) -> Judgement:
    done = slipway(root, "judge", "--base", base)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return check(json.loads((root / "build/report.json").read_text("utf-8")))


def test_a_worse_model_is_found_on_the_holdout_and_three_folds(repository: Path) -> None:
    edit_params(repository, train={"iterations": 1})
    run(["dvc", "repro", "-q", "train", "backtest"], repository)
    commit(repository, "Learn less")
    report = judged(repository, "main~1")
    assert report.verdict == "worse"
    assert [period.months for period in report.periods] == [
        ["fold-6"],
        ["fold-7"],
        ["fold-8"],
        ["holdout"],
    ]
    assert all(len(period.learned) == 7 for period in report.periods[:-1])
    assert report.unit == "patient"
    shown = slipway(repository, "report", "build/report.json")
    assert shown.returncode == 0, shown.stderr


def test_rows_can_be_added_and_their_model_is_judged_on_the_new_holdout(repository: Path) -> None:
    rows = pd.read_parquet(repository / "data/2024-02.parquet")
    more = rows.assign(visit=(rows["visit"] + 1000).astype("int32"))
    more.to_csv(repository / "data/more.csv", index=False)
    run(["dvc", "add", "-q", "data"], repository)
    run(["dvc", "repro", "-q"], repository)
    commit(repository, "Add visits")
    report = judged(repository, "main~1")
    assert report.incomparable is None
    assert len(report.periods) == 1
    assert report.holdout.moved


def test_a_champion_that_held_out_other_patients_is_not_compared(repository: Path) -> None:
    edit_params(repository, prepare={"holdout": {"share": 0.3}})
    run(["dvc", "repro", "-q"], repository)
    commit(repository, "Hold out more")
    report = judged(repository, "main~1")
    assert report.incomparable is not None
    assert report.incomparable.code == "learned from the holdout"


def test_a_champion_without_scores_of_these_rows_is_fitted_on_the_same_folds(
    repository: Path,
) -> None:
    more = pd.read_parquet(repository / "data/2024-02.parquet").head(300)
    more["visit"] += 1000
    more.to_parquet(repository / "data/more.parquet", index=False)
    edit_params(repository, train={"iterations": 1})
    run(["dvc", "add", "-q", "data"], repository)
    run(["dvc", "repro", "-q", "train", "backtest"], repository)
    commit(repository, "Add visits, and learn less")
    report = judged(repository, "main~1")
    assert len(report.periods) == 4
    assert report.verdict == "worse"


def test_a_search_reads_only_folds_that_no_origin_scores(repository: Path) -> None:
    text = (repository / "params.yaml").read_text("utf-8")
    (repository / "params.yaml").write_text(
        text + "search:\n  candidates:\n  - {iterations: 2}\n", "utf-8"
    )
    done = slipway(repository, "search")
    assert done.returncode == 1, done.stdout + done.stderr
    held = json.loads((repository / "build/search.json").read_text("utf-8"))["held"]
    assert held == ["fold-3", "fold-4", "fold-5"]


@pytest.mark.parametrize("command", [("retrain",), ("demo",), ("log", "simulate")])
def test_what_needs_periods_is_refused_in_a_sentence(
    repository: Path, command: tuple[str, ...]
) -> None:
    done = slipway(repository, *command)
    assert done.returncode == 2
    assert "`EVENT_TIME` is None" in done.stdout + done.stderr
    assert "failed" not in done.stderr
