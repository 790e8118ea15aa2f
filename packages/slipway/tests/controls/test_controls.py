"""Negative controls: changes that must be stopped, each for its own reason, by the whole pipeline.

A model worse on one slice only, a champion against itself and a report that contradicts
its numbers are controls too: they are in tests/comparison and tests/reports, on made-up models.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.services.repository import commit, edit_params

from slipway.dataset.make import write_month
from slipway.repository.pointers import POINTER
from slipway.repository.restore import restore
from slipway.repository.worktrees import environment, run
from slipway.reproduction.reproduce import Claims, LockVerdict, compare_claims

Rebuild = Callable[[], tuple[int, dict[str, Any]]]


@pytest.fixture
def change(small_repository: Path, tmp_path: Path) -> Path:
    """A clone of `main`, ready for a change: without what is made, and without a cache."""
    clone = tmp_path / "change"
    run(["git", "clone", "-q", str(small_repository), str(clone)], tmp_path)
    return clone


@pytest.fixture
def rebuild(change: Path) -> Rebuild:
    """Commit the change and do what its pull request would; return exit code and findings."""

    def rebuild() -> tuple[int, dict[str, Any]]:
        commit(change, "Change something")
        done = reproduce(change)
        assert "Traceback" not in done.stderr, done.stderr
        found = json.loads((change / "build" / "rebuild.json").read_text("utf-8"))
        return done.returncode, found

    return rebuild


@pytest.fixture
def lock_of(change: Path, small_repository: Path) -> Callable[[], LockVerdict]:
    """Judge the lock of a change that leaves all inputs as they are: `main` is its rebuild."""
    return lambda: compare_claims(Claims.of(change), small_repository)


def reproduce(change: Path, base: str = "origin/main") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", "reproduce", "--base", base],
        cwd=change,
        env=environment(change),
        capture_output=True,
        text=True,
        check=False,
    )


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def edit_lock(change: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    lock = yaml.safe_load((change / "dvc.lock").read_text("utf-8"))
    edit(lock["stages"])
    (change / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False), "utf-8")


def entry(stage: dict[str, Any], kind: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in stage[kind] if item["path"] == path)
    return found


def edit_data(change: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    restore(change, POINTER)
    for file in sorted((change / "data").glob("*.parquet")):
        rows = edit(pd.read_parquet(file))
        file.unlink()
        write_month(rows, file)
    run(["dvc", "add", "-q", "data"], change)


def output_of(found: dict[str, Any]) -> str:
    return "\n".join(found["stopped"]["said"])


def test_a_change_of_nothing_that_a_model_is_made_of_runs_nothing(change, rebuild):
    edit(change / "README.md", "Slipway", "Slipways")

    code, found = rebuild()

    assert (code, found["changed"], found["lock"]["status"]) == (0, False, "identical")
    assert not (change / "build" / "model").exists()
    assert not (change / "data").exists()


def test_a_model_of_shuffled_labels_is_stopped_by_the_newest_period(change, rebuild):
    # Only the training rows are more than 5,000: the holdout keeps its labels.
    edit(
        change / "src" / "model" / "target.py",
        'delay = columns["arr_delay"]\n',
        'delay = columns["arr_delay"]\n'
        "    if len(delay) > 5_000:\n"
        "        delay = np.random.default_rng(0).permutation(delay)\n",
    )

    code, found = rebuild()
    assert (code, found["stopped"]) == (0, None)

    done = subprocess.run(
        [sys.executable, "-m", "slipway", "judge", "--base", "origin/main"],
        cwd=change,
        env=environment(change),
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads((change / "build/report.json").read_text("utf-8"))
    assert (done.returncode, report["may_merge"]) == (1, False)
    assert report["newest"][0]["verdict"] == "worse"


def test_a_column_that_gives_the_label_away_is_stopped_by_its_name(change, rebuild):
    def leak(rows: pd.DataFrame) -> pd.DataFrame:
        late = rows["arr_delay"].fillna(0).to_numpy() >= 15
        return rows.assign(plane_seats=np.where(late, 200, 100).astype("float32"))

    edit_data(change, leak)

    code, found = rebuild()

    assert (code, found["stopped"]["stage"]) == (1, "prepare")
    assert "feature `plane_seats` alone predicts the label" in output_of(found)


def test_a_feature_from_after_the_event_is_stopped_by_its_name(change, rebuild):
    edit(change / "src" / "model" / "features.py", '"visib",\n', '"visib",\n    "arr_delay",\n')

    code, found = rebuild()

    assert code in {1, 2}
    assert found["stopped"]["stage"] == "prepare"
    assert "arr_delay" in output_of(found)


def test_a_broken_data_file_is_stopped_by_validation_even_if_a_forged_report_calls_it_good(
    change, rebuild
):
    edit_data(change, lambda rows: rows.assign(carrier="??"))
    folder = yaml.safe_load((change / "data.dvc").read_text("utf-8"))["outs"][0]
    edit_lock(change, lambda stages: entry(stages["validate"], "deps", "data").update(folder))

    code, found = rebuild()

    assert (code, found["stopped"]["stage"]) == (1, "validate")
    report = json.loads((change / "reports" / "validation.json").read_text("utf-8"))
    assert {fault["column"] for fault in report["faults"]} == {"carrier"}


def test_a_lock_that_names_another_model_is_different(change, lock_of):
    def name_another(stages: dict[str, Any]) -> None:
        entry(stages["train"], "outs", "build/model")["md5"] = "0" * 32 + ".dir"

    edit_lock(change, name_another)

    verdict = lock_of()

    assert verdict.status == "different"
    assert "build/model" in verdict.why[0]


def test_a_lock_made_to_fit_new_parameters_by_hand_is_different(change, rebuild):
    def forge(stages: dict[str, Any]) -> None:
        for stage in ("train", "backtest"):
            stages[stage]["params"]["params.yaml"]["train"].update(l2=2.0)

    edit_params(change, train={"l2": 2.0})
    edit_lock(change, forge)

    _, found = rebuild()

    assert found["lock"]["status"] == "different"


def test_a_metrics_file_edited_by_hand_is_different_and_named(change, lock_of):
    edit(change / "reports" / "metrics.json", '"auc"', '"auc" ')

    verdict = lock_of()

    assert verdict.status == "different"
    assert verdict.why == ["`reports/metrics.json` is not the file that the lock records"]


def test_a_metrics_file_edited_together_with_the_lock_is_different_and_named(change, lock_of):
    metrics = change / "reports" / "metrics.json"
    values = json.loads(metrics.read_text("utf-8"))
    values["model"]["auc"]["value"] += 0.001
    metrics.write_text(json.dumps(values), "utf-8")
    forged = {"md5": hashlib.md5(metrics.read_bytes()).hexdigest(), "size": metrics.stat().st_size}
    edit_lock(
        change,
        lambda stages: entry(stages["evaluate"], "outs", "reports/metrics.json").update(forged),
    )

    verdict = lock_of()

    assert verdict.status == "different"
    assert "reports/metrics.json" in " ".join(verdict.why)


def test_an_untouched_lock_is_identical(lock_of):
    assert lock_of().status == "identical"


def test_a_lock_that_is_missing_is_stale(change, lock_of):
    (change / "dvc.lock").unlink()

    assert lock_of().status == "stale"


def test_a_lock_in_conflict_is_no_answer_and_is_named(change):
    (change / "dvc.lock").write_text("<<<<<<< ours\n", "utf-8")
    done = reproduce(change)

    assert done.returncode == 2
    assert "dvc.lock" in done.stderr
    assert "conflict" in done.stderr


def test_an_unknown_base_leaves_everything_as_it_was(change):
    before = (change / "dvc.lock").read_bytes()
    done = reproduce(change, "no-such-branch")

    assert done.returncode == 2
    assert "git knows no commit `no-such-branch`" in done.stderr
    assert (change / "dvc.lock").read_bytes() == before
