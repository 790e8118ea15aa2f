"""A model that predicts a quantile: from training to the judge, the drift check and the page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.services.batches import check_batch
from tests.services.repository import commit, edit_params
from tests.tasks.conftest import replace_project
from tests.tasks.test_drift import Traffic, answers_to
from tests.tasks.test_pipeline import slipway

from slipway.comparison.baselines import incomparable
from slipway.documents.markdown import to_markdown
from slipway.errors import SlipwayError
from slipway.metrics.registry import metrics_of
from slipway.monitoring.holdout_calibration import Shift
from slipway.monitoring.label_monitors import QuantileMonitor
from slipway.monitoring.labelled import Labelled
from slipway.predictions.answers import answers_of, predictions_of, task_of_answer
from slipway.reports.check import check
from slipway.reports.model_card import card
from slipway.repository.worktrees import run
from slipway.settings import Judge, Monitoring
from slipway.tasks import declared_task, task_of

QUANTILE = 0.9


@pytest.fixture(scope="module")
def promises(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("promises") / "repository"
    shutil.copytree(small_repository, root, symlinks=True)
    replace_project(root, "promises")
    return root


@pytest.fixture(scope="module")
def answered(promises: Path, tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    return answers_to(promises, tmp_path_factory.mktemp("answered") / "repository")


@pytest.mark.parametrize("quantile", [None, 0, 1, 1.5, "0.9", True])
def test_a_quantile_that_is_none_is_refused(quantile: object) -> None:
    with pytest.raises(SlipwayError, match="QUANTILE"):
        declared_task("quantile", (), quantile)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_quantile_of_another_task_is_refused(task: str) -> None:
    with pytest.raises(SlipwayError, match="QUANTILE"):
        declared_task(task, (), QUANTILE)


@pytest.mark.parametrize(
    ("task", "metric"),
    [("regression", "pinball_loss"), ("quantile", "mae"), ("quantile", "coverage_error")],
)
def test_a_primary_metric_that_the_task_does_not_have_is_refused(task: str, metric: str) -> None:
    judge = Judge.model_construct(primary=metric, guards=[], margins={metric: 1.0})
    with pytest.raises(SlipwayError, match=metric):
        judge.check_metrics(task)


def test_the_manifest_names_the_quantile_and_another_one_is_not_compared(promises: Path) -> None:
    manifest = json.loads((promises / "build/model/manifest.json").read_text("utf-8"))
    assert task_of(manifest).quantile == QUANTILE
    other = manifest | {"target": manifest["target"] | {"quantile": 0.5}}
    reason = incomparable(manifest, other)
    assert reason is not None
    assert (reason.code, reason.detail) == ("another target", "minutes (0.9 quantile)")


def test_the_model_and_both_baselines_have_the_declared_coverage(promises: Path) -> None:
    metrics = json.loads((promises / "reports/metrics.json").read_text("utf-8"))
    models = ("model", "training_quantile", "shifted_ridge_regression")
    for name in models:
        assert metrics[name].keys() == metrics_of("quantile").keys()
        assert metrics[name]["coverage"]["low"] <= QUANTILE <= metrics[name]["coverage"]["high"]
    losses = [metrics[name]["pinball_loss"]["value"] for name in models]
    assert losses[0] == min(losses)


def test_a_worse_model_is_found_by_its_pinball_loss_and_shown(
    promises: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(promises, tmp_path / "repository", symlinks=True))
    edit_params(root, train={"iterations": 1})
    run(["dvc", "repro", "-q", "--force", "train", "backtest"], root)
    commit(root, "Learn less")
    done = slipway(root, "judge", "--base", "main~1")
    assert done.returncode == 1, done.stdout + done.stderr
    report = check(json.loads((root / "build/report.json").read_text("utf-8")))
    assert (report.task, report.verdict) == ("quantile", "worse")
    assert [row.name for row in report.metrics] == ["pinball_loss", "coverage_error"]
    shown = slipway(root, "report", "build/report.json")
    assert shown.returncode == 0, shown.stderr
    assert "pinball loss" in shown.stdout


def test_an_answer_names_its_quantile_and_that_of_another_model_has_no_score(
    promises: Path,
) -> None:
    manifest = json.loads((promises / "build/model/manifest.json").read_text("utf-8"))
    form = answers_of(task_of(manifest), manifest)
    answer = form.answer(12.5)
    assert answer == {"value": 12.5, "quantile": QUANTILE}
    assert predictions_of(task_of_answer(answer), [answer]).quantile == QUANTILE
    mean = answers_of(declared_task("regression", ()), manifest)
    assert np.isnan([form.score({"value": 12.5}), form.score(answer | {"quantile": 0.5})]).all()
    assert np.isnan(mean.score(answer))


def test_traffic_like_the_holdout_raises_no_alarm_and_is_shown(answered: Traffic) -> None:
    answered.arrive()
    report = answered.check()
    assert report.faults == []
    assert report.performance is not None
    assert report.performance.status == "not worse"
    assert report.performance.headline == "pinball_loss"
    streams = {alarm.stream for alarm in report.active()}
    assert streams & {"error", "bias up", "bias down", "coverage up", "coverage down"} == set()
    done = slipway(answered.root, "shadow", "--rows=500")
    assert done.returncode == 0, done.stdout + done.stderr
    slipway(answered.root, "drift", "--json=build/drift.json")
    done = slipway(answered.root, "page", "--out=site")
    assert done.returncode == 0, done.stderr
    text = (answered.root / "site/index.html").read_text("utf-8")
    for words in ("pinball loss", "coverage", "the declared 0.9"):
        assert words in text


def test_the_model_card_names_the_quantile(promises: Path) -> None:
    text = to_markdown(card(promises, []))
    for words in ("0.9 quantile", "90% of the labels", "coverage"):
        assert words in text
    assert "bias" not in text
    assert "nan" not in text


def monitored() -> tuple[QuantileMonitor, np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    scores = random.gamma(2.0, 5.0, 4_000)
    labels = scores * random.uniform(0, 1 / QUANTILE, 4_000)
    return (
        QuantileMonitor.of(declared_task("quantile", (), QUANTILE), labels, scores, None),
        labels,
        scores,
    )


def shifts(monitor: QuantileMonitor, labels: np.ndarray, scores: np.ndarray) -> dict[str, Shift]:
    days = np.zeros(len(labels), "datetime64[D]")
    return monitor.shifts(Labelled(labels, scores, days, scores))


def test_a_shift_of_the_labels_is_one_of_loss_and_coverage() -> None:
    monitor, labels, scores = monitored()
    floors = monitor.floors(Monitoring())
    same, higher = shifts(monitor, labels, scores), shifts(monitor, 1.3 * labels, scores)
    lower = shifts(monitor, 0.7 * labels, scores)
    assert all(abs(shift.value) < floors[name] for name, shift in same.items())
    assert higher["error"].value > floors["error"]
    assert higher["coverage"].value < -floors["coverage"]
    assert lower["coverage"].value > floors["coverage"]


def test_a_batch_has_the_scores_of_the_model(promises: Path, tmp_path: Path) -> None:
    check_batch(promises, promises / "data/2022-05.parquet", tmp_path / "out")
