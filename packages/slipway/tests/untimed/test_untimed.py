"""A table without an event time goes through the pipeline, the judge and the service."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.services.batches import check_batch
from tests.services.repository import commit, edit_params
from tests.tasks.test_pipeline import slipway

from slipway.comparison.baselines import incomparable
from slipway.comparison.report import Judgement
from slipway.documents.markdown import to_markdown
from slipway.manifest import Manifest, Part, read_manifest
from slipway.reports.check import check
from slipway.reports.model_card import card
from slipway.repository.worktrees import run


def judged(root: Path, base: str) -> Judgement:
    done = slipway(root, "judge", "--base", base)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return check(json.loads((root / "build/report.json").read_text("utf-8")))


def test_a_worse_model_is_found_on_the_holdout_and_a_fold(repository: Path) -> None:
    edit_params(repository, train={"iterations": 1})
    run(["dvc", "repro", "-q", "train", "backtest"], repository)
    commit(repository, "Learn less")
    report = judged(repository, "main~1")
    assert report.verdict == "worse"
    assert [period.months for period in report.periods] == [["fold-8"], ["holdout"]]
    assert len(report.periods[0].learned) == 7
    assert report.unit == "patient"
    shown = slipway(repository, "report", "build/report.json")
    assert shown.returncode == 0, shown.stderr
    assert "folds" in shown.stdout
    assert "month" not in shown.stdout + to_markdown(card(repository, []))


def test_with_added_rows_the_champion_is_fitted_and_scored_on_the_same_folds(
    repository: Path,
) -> None:
    more = pd.read_parquet(repository / "data/2024-02.parquet").head(300)
    more["visit"] += 1000
    more.to_csv(repository / "data/more.csv", index=False)
    edit_params(repository, train={"iterations": 1})
    run(["dvc", "add", "-q", "data"], repository)
    run(["dvc", "repro", "-q", "train", "backtest"], repository)
    commit(repository, "Add visits, and learn less")
    report = judged(repository, "main~1")
    assert report.incomparable is None
    assert report.holdout.moved
    assert len(report.periods) == 2
    assert report.verdict == "worse"


@pytest.mark.parametrize(
    ("champion", "code"),
    [
        ({}, None),
        ({"keys_sha256": "0" * 64}, None),
        ({"keys_sha256": "0" * 64, "by": "hash of clinic, 0.2"}, "learned from the holdout"),
        ({"keys_sha256": "0" * 64, "by": "hash of patient, 0.3"}, "learned from the holdout"),
        ({"by": "hash of clinic, 0.2"}, None),
    ],
)
def test_a_champion_is_compared_if_it_held_out_the_same_entities_or_rows(
    champion: Part, code: str | None, visits: Path
) -> None:
    manifest = read_manifest(visits / "build/model")
    assert manifest["holdout"]["by"] == "hash of patient, 0.2"
    before: Manifest = {**manifest, "holdout": {**manifest["holdout"], **champion}}
    found = incomparable(before, manifest)
    assert (found and found.code) == code


@pytest.mark.parametrize(("digest", "code"), [("a", None), ("b", "learned from the holdout")])
def test_without_a_key_the_rows_of_the_holdout_must_be_equal(
    digest: str, code: str | None, visits: Path
) -> None:
    manifest = read_manifest(visits / "build/model") | {"key": None}
    before, after = (
        manifest | {"holdout": manifest["holdout"] | {"rows_sha256": each}}
        for each in (digest, "a")
    )
    found = incomparable(before, after)
    assert (found and found.code) == code


def test_a_search_reads_only_folds_that_no_origin_scores_and_names_no_retraining(
    repository: Path,
) -> None:
    edit_params(repository, train={"min_samples_leaf": 5_000})
    text = (repository / "params.yaml").read_text("utf-8")
    (repository / "params.yaml").write_text(
        text + "search:\n  candidates:\n  - {min_samples_leaf: 40}\n", "utf-8"
    )
    done = slipway(repository, "search")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "`train` of params.yaml" in done.stdout
    assert "retrain" not in done.stdout
    held = json.loads((repository / "build/search.json").read_text("utf-8"))["held"]
    assert held == ["fold-5", "fold-6", "fold-7"]


@pytest.mark.parametrize("command", [("retrain",), ("log", "simulate")])
def test_what_needs_periods_is_refused_in_a_sentence(
    repository: Path, command: tuple[str, ...]
) -> None:
    done = slipway(repository, *command)
    assert done.returncode == 2
    assert "`EVENT_TIME` is None" in done.stdout + done.stderr
    assert "failed" not in done.stderr


def test_a_batch_has_the_scores_of_the_model(visits: Path, tmp_path: Path) -> None:
    check_batch(visits, visits / "data/2024-02.parquet", tmp_path / "out")


def test_a_column_of_a_composite_key_is_not_shown_as_the_key(visits: Path) -> None:
    done = slipway(visits, "schema")
    assert done.returncode == 0, done.stderr
    (line,) = (each for each in done.stdout.splitlines() if each.startswith("  patient "))
    assert "together with visit" in line
