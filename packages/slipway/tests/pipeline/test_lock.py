from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from slipway.dataset.tables import digest, read_columns, write_columns
from slipway.errors import SlipwayError
from slipway.repository.layout import python_path
from slipway.repository.pointers import read_stages
from slipway.repository.worktrees import run
from slipway.reproduction.lock import changed_inputs, differing_outputs
from slipway.reproduction.reproduce import (
    Claims,
    LockVerdict,
    Recorded,
    check_lock,
    compare,
)


@pytest.fixture
def repository(small_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clone = tmp_path / "repository"
    shutil.copytree(small_repository, clone)
    monkeypatch.chdir(clone)
    return clone


def slipway_lock(repository: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", "verify-lock"],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": python_path(repository)},
        capture_output=True,
        text=True,
        check=False,
    )


def record_model(repository: Path, change) -> None:
    """Record another model in dvc.lock, as if another machine had made it."""
    path = repository / "build/model/model.onnx"
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    manifest = json.loads((repository / "build/model/manifest.json").read_text())
    manifest["model"]["sha256"] = digest(path)
    (repository / "build/model/manifest.json").write_text(json.dumps(manifest))
    run(["dvc", "commit", "-q", "-f", "train"], repository)


def verdict_on(repository: Path, rebuilt: Path) -> LockVerdict:
    """Compare a lock with a rebuild: the repository that it was copied from is one."""
    claims = Claims.of(repository)
    return compare(claims, rebuilt, Recorded.fetch(repository))


def test_an_honest_lock_is_identical(repository, small_repository):
    verdict = verdict_on(repository, small_repository)

    assert verdict.status == "identical"
    assert verdict.exit_code == 0
    assert verdict.text().startswith("lock: identical")


def test_other_bytes_with_the_same_predictions_are_equivalent(repository, small_repository):
    record_model(repository, lambda model: setattr(model, "doc_string", "another compiler"))

    verdict = verdict_on(repository, small_repository)

    assert verdict.status == "equivalent"
    assert verdict.exit_code == 0
    assert any("model" in reason for reason in verdict.why)


def record_scores(repository: Path, by: float, rows: int) -> None:
    """Record other scores of the first origin in dvc.lock, as if another machine had made them."""
    path = repository / "build/backtest/2013-07.parquet"
    columns = read_columns([path])
    score = columns["score"].copy()
    score[:rows] = np.round(score[:rows] + by, 6)
    path.unlink()  # it may be a link into the cache
    write_columns(columns | {"score": score}, path)
    run(["dvc", "commit", "-q", "-f", "backtest"], repository)


def test_scores_of_the_backtest_that_differ_in_the_last_decimal_are_equivalent(
    repository, small_repository
):
    record_scores(repository, 1e-6, rows=9999)

    verdict = verdict_on(repository, small_repository)

    assert verdict.status == "equivalent"
    assert verdict.recorded == verdict.rebuilt
    assert "build/backtest" in verdict.why[0]


def test_one_score_of_the_backtest_that_differs_by_more_makes_the_lock_different(
    repository, small_repository
):
    record_scores(repository, 2e-6, rows=1)

    verdict = verdict_on(repository, small_repository)

    assert verdict.status == "different"
    assert "`build/backtest`: `2013-07.parquet`: another `score`" in verdict.why


def test_model_and_backtest_of_another_processor_are_equivalent_together(
    repository, small_repository
):
    record_scores(repository, 1e-6, rows=1)
    record_model(repository, lambda model: setattr(model, "doc_string", "another compiler"))

    verdict = verdict_on(repository, small_repository)

    assert verdict.status == "equivalent"
    assert verdict.recorded != verdict.rebuilt


def test_another_model_is_different_also_if_the_backtest_is_equivalent(
    repository, small_repository
):
    record_scores(repository, 1e-6, rows=1)
    (repository / "build/model/baseline.onnx").unlink()
    run(["dvc", "commit", "-q", "-f", "train"], repository)

    verdict = verdict_on(repository, small_repository)

    assert verdict.status == "different"
    assert any("baseline.onnx" in reason for reason in verdict.why)


def test_a_recorded_backtest_that_is_nowhere_is_different(repository, small_repository):
    stages = yaml.safe_load((repository / "dvc.lock").read_text())
    stages["stages"]["backtest"]["outs"][0]["md5"] = "0" * 32 + ".dir"
    (repository / "dvc.lock").write_text(yaml.safe_dump(stages))

    verdict = verdict_on(repository, small_repository)

    assert verdict.status == "different"
    assert "the recorded backtest is in no cache or remote to compare with" in verdict.why


def test_a_lock_that_records_another_model_is_different_with_how_to_fix_it(repository):
    def shift(model: onnx.ModelProto) -> None:
        trees = next(n for n in model.graph.node if n.op_type.startswith("TreeEnsemble"))
        base = next(a for a in trees.attribute if a.name == "base_values")
        base.floats[0] += 0.5

    record_model(repository, shift)

    answer = slipway_lock(repository)

    assert answer.returncode == 1
    assert answer.stdout.startswith("lock: different")
    assert "dvc repro" in answer.stdout


def test_a_lock_edited_by_hand_is_different(repository, small_repository):
    stages = yaml.safe_load((repository / "dvc.lock").read_text())
    stages["stages"]["train"]["outs"][0]["md5"] = "0" * 32 + ".dir"
    (repository / "dvc.lock").write_text(yaml.safe_dump(stages))

    verdict = verdict_on(repository, small_repository)

    assert verdict.status == "different"
    assert any("in no cache or remote" in reason for reason in verdict.why)


def test_a_parameter_changed_since_the_lock_was_written_makes_it_stale(small_repository):
    recorded = read_stages(small_repository / "dvc.lock")
    rebuilt = copy.deepcopy(recorded)
    settings = rebuilt["train"].params["params.yaml"]["train"]
    assert isinstance(settings, dict)
    settings["iterations"] += 1

    assert changed_inputs(recorded, rebuilt) == ["params.yaml: train"]


def test_a_source_file_changed_since_the_lock_was_written_makes_it_stale(small_repository):
    recorded = read_stages(small_repository / "dvc.lock")
    rebuilt = copy.deepcopy(recorded)
    source = next(d for d in rebuilt["prepare"].deps if d.path == "src/model/features.py")
    source.md5 = "0" * 32

    assert changed_inputs(recorded, rebuilt) == ["src/model/features.py"]


def test_a_changed_output_alone_does_not_make_the_lock_stale(small_repository):
    recorded = read_stages(small_repository / "dvc.lock")
    rebuilt = copy.deepcopy(recorded)
    rebuilt["prepare"].outs[0].md5 = "0" * 32 + ".dir"

    assert changed_inputs(recorded, rebuilt) == []
    assert differing_outputs(recorded, rebuilt) == ["build/prepared"]


@pytest.mark.parametrize("content", [None, "stages: [", "schema: '2.0'"])
def test_a_lock_that_cannot_be_read_is_no_answer(tmp_path, content):
    if content is not None:
        (tmp_path / "dvc.lock").write_text(content)

    with pytest.raises(SlipwayError, match=r"dvc\.lock") as error:
        check_lock(tmp_path)
    assert error.value.exit_code == 2
