"""The drift check of each task: what is predicted, performance by late labels, and without them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.tasks.test_pipeline import slipway, task_of

from slipway.metrics.registry import metrics_of
from slipway.monitoring.report import DriftReport
from slipway.repository.worktrees import environment

KEYS = {
    "multiclass": ("ticket", "team"),
    "regression": ("delivery", "minutes"),
    "quantile": ("delivery", "minutes"),
}

# Writes a log as the service would, for a file of rows: faster than requests.
WRITE = """
import json, sys
import orjson
from pathlib import Path
from slipway.dataset.tables import as_rows, read_columns
from slipway.predictions.answers import answers_of
from slipway.predictions.record import to_line
from slipway.training.score import Model

model = Model.load()
names = [each["name"] for each in model.manifest["inputs"]]
columns = read_columns([Path(sys.argv[1])], names)
answers = answers_of(model.task, model.manifest)
pairs = zip(as_rows(columns), model.score(columns).tolist(), strict=True)
with open(sys.argv[2], "wb") as file:
    for number, (row, score) in enumerate(pairs):
        common = {"version": 1, "id": f"{number:08}", "time": sys.argv[3], "input": row}
        common |= {"key": row[model.manifest["key"]], "model": model.sha256}
        file.write(to_line(common | answers.answer(score)))
"""


@dataclass(frozen=True)
class Traffic:
    """A repository whose model answered the holdout's month again, in the months after it."""

    root: Path
    rows: pd.DataFrame

    @property
    def task(self) -> str:
        return task_of(self.root)

    def write(self, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows) -> None:
        folder = self.root / "predictions"
        folder.mkdir(exist_ok=True)
        change(self.rows).to_parquet(self.root / "rows.parquet")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        subprocess.run(
            [sys.executable, "-c", WRITE, "rows.parquet", str(folder / "a.jsonl"), now],
            cwd=self.root,
            env=environment(self.root),
            check=True,
        )

    def arrive(self, change: Callable[[pd.Series], pd.Series] = lambda labels: labels) -> None:
        key, label = KEYS[self.task]
        rows = self.rows[[key, label]].copy()
        rows[label] = change(rows[label])
        rows.to_parquet(self.root / "labels.parquet")
        done = slipway(self.root, "labels", "import", "labels.parquet")
        assert done.returncode == 0, done.stderr

    def check(self) -> DriftReport:
        files = ("--json=drift.json", "--markdown=drift.md")
        done = slipway(self.root, "drift", *files)
        assert "Traceback" not in done.stderr, done.stderr
        content = json.loads((self.root / "drift.json").read_text("utf-8"))
        return DriftReport.of(content)


def answers_to(main: Path, root: Path) -> Traffic:
    shutil.copytree(main, root, symlinks=True)
    whole = pd.read_parquet(root / "data/2022-05.parquet")
    manifest = json.loads((root / "build/model/manifest.json").read_text("utf-8"))
    key, time = manifest["key"], manifest["event_time"]
    weeks = [
        whole.assign(
            **{
                key: whole[key] + f"-{part}",
                time: whole[time] + pd.Timedelta(days=28 * part),
            }
        )
        for part in (1, 2)
    ]
    traffic = Traffic(root, pd.concat(weeks, ignore_index=True))
    traffic.write()
    return traffic


@pytest.fixture(scope="module")
def answered(main_branch: Path, tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    return answers_to(main_branch, tmp_path_factory.mktemp("answered") / "repository")


@pytest.fixture
def traffic(answered: Traffic, tmp_path: Path) -> Traffic:
    """A copy of the repository with its log, which a test may change."""
    root = shutil.copytree(answered.root, tmp_path / "repository", symlinks=True)
    return Traffic(Path(root), answered.rows)


def active(report: DriftReport) -> set[str]:
    return {alarm.stream for alarm in report.active()}


def test_without_drift_performance_is_that_of_the_holdout(traffic: Traffic) -> None:
    expected = traffic.check()
    assert expected.faults == []
    assert expected.estimate is not None
    if traffic.task == "multiclass":
        assert expected.estimate.metrics["accuracy"].value == pytest.approx(0.7, abs=0.15)
        assert "decided class" in {row.name for row in expected.columns}
    else:
        assert (expected.estimate.status, expected.estimate.metrics) == ("no method", {})
    traffic.arrive()
    report = traffic.check()
    assert report.performance is not None
    assert report.performance.status == "not worse"
    assert active(report) & {"accuracy", "overconfidence", "error", "bias up", "bias down"} == set()
    headline = report.performance.metrics[report.performance.headline]
    assert headline.difference is not None
    assert headline.difference.low < 0 < headline.difference.high


def test_labels_that_no_longer_fit_raise_an_alarm(traffic: Traffic) -> None:
    random = np.random.default_rng(0)

    def other(labels: pd.Series) -> pd.Series:
        if traffic.task == "regression":
            return labels * 1.3
        wrong = random.random(len(labels)) < 0.2
        return labels.mask(wrong & labels.notna(), "billing")

    traffic.arrive(other)
    report = traffic.check()
    assert report.performance is not None
    assert report.concept is not None
    assert (report.status, report.performance.status) == ("drift", "worse")
    assert report.concept.status == "drift"
    expected = {"regression": {"error", "bias up"}, "multiclass": {"accuracy", "overconfidence"}}
    assert active(report) >= expected[traffic.task]
    assert (traffic.root / "drift.md").read_text("utf-8")


def test_other_rows_change_the_distribution_of_the_predictions(traffic: Traffic) -> None:
    def others(rows: pd.DataFrame) -> pd.DataFrame:
        kept = rows["product"] == "shop" if "product" in rows else rows["distance"] > 6
        return rows[kept]

    traffic.write(others)
    report = traffic.check()
    names: Mapping[str, str] = {"multiclass": "decided class", "regression": "score"}
    assert names[traffic.task] in active(report)


def test_answers_that_are_none_of_the_model_are_counted_and_named(traffic: Traffic) -> None:
    path = traffic.root / "predictions/a.jsonl"
    lines = path.read_bytes().splitlines()
    broken: dict[str, Any] = json.loads(lines[3])
    broken |= {"probabilities": {"web": 1.0}, "decision": "web"}
    broken.pop("value", None)
    lines[3] = json.dumps(broken).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")
    report = traffic.check()
    assert any("a.jsonl: line 4" in fault for fault in report.faults), report.faults


def shadow(traffic: Traffic) -> tuple[int, dict[str, Any]]:
    done = slipway(traffic.root, "shadow", "--rows=3000")
    assert "Traceback" not in done.stderr, done.stderr
    report: dict[str, Any] = json.loads((traffic.root / "build/shadow.json").read_text("utf-8"))
    return done.returncode, report


def test_a_shadow_compares_both_models_by_the_metrics_of_the_task(traffic: Traffic) -> None:
    traffic.arrive()
    code, report = shadow(traffic)
    assert (code, report["reasons"], report["agreement"]["same"]) == (0, [], 1.0)
    assert {each["name"] for each in report["labels"]["metrics"]} == metrics_of(traffic.task).keys()

    path = traffic.root / "predictions/a.jsonl"
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    for record in records[::4]:
        if traffic.task == "regression":
            record["value"] += 100
        else:
            names, values = zip(*record["probabilities"].items(), strict=True)
            record["probabilities"] = dict(zip(names, values[::-1], strict=True))
    path.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    code, report = shadow(traffic)
    assert report["agreement"]["same"] == pytest.approx(0.75, abs=0.01)
    if traffic.task == "multiclass":
        assert code == 1
        assert report["flips"]["share"] > 0.1
    else:
        assert report["flips"]["count"] == 0


def test_requests_of_a_model_of_another_task_are_refused_in_one_sentence(traffic: Traffic) -> None:
    path = traffic.root / "predictions/a.jsonl"
    records = [json.loads(line) for line in path.read_bytes().splitlines()[:200]]
    for record in records:
        record.pop("value", None)
        record.pop("probabilities", None)
        record |= {"probability": 0.5, "decision": True}
    path.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    code, report = shadow(traffic)
    assert code == 1
    assert "another task" in report["reasons"][0]


def test_the_page_shows_the_model_and_its_traffic_by_the_metrics_of_the_task(
    traffic: Traffic,
) -> None:
    traffic.arrive()
    (traffic.root / "reports/plots/roc.csv").write_text("of,another\n0.5,0.5\n", "utf-8")
    of_another_task = {"log_loss": {"value": 0.5, "low": 0.4, "high": 0.6}}
    releases = json.dumps([{"name": "release-1", "metrics": of_another_task}])
    (traffic.root / "build/releases.json").write_text(releases, "utf-8")
    slipway(traffic.root, "drift", "--json=build/drift.json")
    done = slipway(traffic.root, "page", "--out=site")
    assert done.returncode == 0, done.stderr
    text = (traffic.root / "site/index.html").read_text("utf-8")
    words = {
        "multiclass": ("accuracy", "share of right decisions", "Each class against all others"),
        "regression": ("mean absolute error", "mean label", "By bins of the prediction"),
    }
    for each in words[traffic.task]:
        assert each in text
    assert "AUC on the holdout" not in text
    figures = {path.stem for path in (traffic.root / "site").glob("*.svg")}
    assert figures >= {"slices", "traffic", "rates", "calibration"}
    protected = {"multiclass": "product", "regression": "vehicle"}[traffic.task]
    assert f"fairness-{protected}-0" in figures
