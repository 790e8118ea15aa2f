"""Several classes and numbers go through the pipeline, and a change of them is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.services.repository import commit, edit_params

from slipway.documents.markdown import to_markdown
from slipway.metrics.registry import metrics_of
from slipway.reports.check import check
from slipway.reports.model_card import card
from slipway.repository.worktrees import environment, run


def slipway(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )


def task_of(root: Path) -> str:
    manifest = json.loads((root / "build/model/manifest.json").read_text("utf-8"))
    return str(manifest["target"]["task"])


def test_every_metric_is_measured_with_its_interval_against_two_baselines(repository: Path) -> None:
    metrics = json.loads((repository / "reports/metrics.json").read_text("utf-8"))
    models = [
        value for value in metrics.values() if isinstance(value, dict) and "rows" not in value
    ]
    measured = [each for each in models if each.keys() == metrics_of(task_of(repository)).keys()]
    assert len(measured) == 3
    for estimates in measured:
        for estimate in estimates.values():
            assert estimate["low"] <= estimate["value"] <= estimate["high"]


def test_a_worse_model_is_found_on_all_periods_and_shown(repository: Path) -> None:
    edit_params(repository, train={"iterations": 1})
    run(["dvc", "repro", "-q", "--force", "train", "backtest"], repository)
    commit(repository, "Learn less")
    done = slipway(repository, "judge", "--base", "main~1")
    assert done.returncode == 1, done.stdout + done.stderr
    report = check(json.loads((repository / "build/report.json").read_text("utf-8")))
    assert (report.task, report.verdict) == (task_of(repository), "worse")
    assert len(report.periods) == 3
    shown = slipway(repository, "report", "build/report.json")
    assert shown.returncode == 0, shown.stderr
    assert "worse" in shown.stdout


# Of each task: a protected slice, and a disparity that its groups truly have.
UNEQUAL = {
    "multiclass": ("product", "demographic_parity_difference"),
    "regression": ("vehicle", "mean_absolute_error_difference"),
}


def test_groups_beyond_a_limit_of_the_base_stop_a_change_that_names_them(repository: Path) -> None:
    attribute, disparity = UNEQUAL[task_of(repository)]
    found = json.loads((repository / "reports/metrics.json").read_text("utf-8"))["fairness"]
    assert found[attribute][disparity]["value"] > 0
    params = repository / "params.yaml"
    params.write_text(params.read_text() + f"fairness:\n  limits: {{{disparity}: 0.0}}\n")
    commit(repository, "Set a limit that the groups exceed")
    done = slipway(repository, "judge", "--base", "main")
    report = check(json.loads((repository / "build/report.json").read_text("utf-8")))
    assert done.returncode == 1, done.stdout + done.stderr
    assert report.primary.difference.value == 0  # the same model
    assert [(stop.code, stop.about) for stop in report.stops] == [
        ("unfair", f"{attribute}: {disparity}")
    ]
    assert f"the groups of {attribute} are not treated alike" in done.stdout.replace("`", "")


def test_a_primary_metric_of_another_task_is_refused_before_anything_is_prepared(
    repository: Path,
) -> None:
    edit_params(repository, judge={"primary": "auc"})
    done = slipway(repository, "prepare")
    assert done.returncode == 2
    assert "judge.primary" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_search_compares_candidates_by_the_primary_metric(repository: Path) -> None:
    text = (repository / "params.yaml").read_text("utf-8")
    candidates = "search:\n  candidates:\n  - {iterations: 1}\n"
    (repository / "params.yaml").write_text(text + candidates, "utf-8")
    done = slipway(repository, "search")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no candidate is better" in done.stdout


def test_the_model_card_describes_the_task(repository: Path) -> None:
    text = to_markdown(card(repository, []))
    expected = {"multiclass": ("one of 4 classes", "accuracy"), "regression": ("number", "mean")}
    for words in expected[task_of(repository)]:
        assert words in text
    assert "positive" not in text
    assert "nan" not in text
