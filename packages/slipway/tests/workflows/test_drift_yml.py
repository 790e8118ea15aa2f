"""drift.yml, run by act: what a look at the live service does on GitHub, and what it does not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.monitoring.traffic import write_records
from tests.retraining.test_retrain import december, set_source
from tests.services.repository import commit
from tests.workflows.api import ID
from tests.workflows.conftest import RUN, Outcome

from slipway import project
from slipway.dataset.tables import as_rows, read_columns
from slipway.predictions.record import stamp
from slipway.training.score import Model

__all__ = ["december"]

WORKFLOW = ("--workflows", ".github/workflows/drift.yml")

ASKED = {"Check": "success", "Update the issue": "success"}

Look = Callable[..., Outcome]


@pytest.fixture
def live(small_repository: Path, tmp_path: Path) -> Callable[..., Path]:
    """Make the log of a live service that was asked about September, on days so much warmer."""

    def live(warmer: float = 0.0) -> Path:
        with contextlib.chdir(small_repository):
            model = Model.load(Path("build/model"))
            rows = read_columns([Path("data/2013-09.parquet")], project.inputs())
        rows["temp"] = rows["temp"] + np.float32(warmer)
        keys = project.row_keys(rows).tolist()
        folder = tmp_path / f"log-{warmer:g}"
        now = stamp(datetime.now(UTC))
        write_records(folder, as_rows(rows), keys, model.score(rows), model.sha256, time=now)
        return folder

    return live


@pytest.fixture
def look(act, github) -> Look:
    """Run the workflow; `log` is where the live log is, `on` whether the watch is."""
    github.watched.origin = act.origin
    github.watched.settings["repository"] = {"default_branch": "main"}

    def look(log: Path | str = "", event: str = "schedule", **variables: str) -> Outcome:
        given = {"SLIPWAY_WATCH": "on", "SLIPWAY_WATCH_LOG": str(log)} | variables
        options = [part for pair in given.items() if pair[1] for part in ("--var", "=".join(pair))]
        # What GitHub sends with a schedule has no repository in it.
        payload: dict[str, Any] = {"schedule": "23 5 * * *"}
        if event == "workflow_dispatch":
            repository = {"id": ID, "default_branch": "main"}
            payload = {"inputs": {}, "repository": repository, "ref": "refs/heads/main"}
        github.artifacts.pop(RUN, None)
        return act.run(event, payload, *WORKFLOW, *options)

    return look


def issues(github: Any) -> list[dict[str, Any]]:
    return list(github.watched.issues.values())


def written(github: Any) -> list[str]:
    return [call for call in github.calls if not call.startswith("GET")]


def test_a_fork_that_is_not_switched_on_does_nothing(look, github):
    assert look(SLIPWAY_WATCH="").jobs == {}
    assert look("/anything", SLIPWAY_WATCH="").jobs == {}
    assert github.calls == []


def test_a_quiet_day_writes_nothing_and_the_page_is_published_where_pages_is_on(
    look, live, github, act
):
    github.watched.settings["pages"] = {"build_type": "workflow"}

    outcome = look(live())

    assert outcome.jobs == ASKED | {"Publish the page": "success"}, outcome.text
    assert issues(github) == []
    assert written(github) == []
    assert "### ✅ No drift" in outcome.summary
    page = (act.artifacts / "github-pages/index.html").read_text("utf-8")
    assert "3,000 predictions, for 1 to 30 September 2013" in page


def test_drift_opens_one_issue_and_starts_one_retrain_run(look, live, github, act):
    """What the next looks do is in test_watch.py, when no run is started in test_retrain.py."""
    outcome = look(live(warmer=40))

    assert outcome.jobs == ASKED | {"Start a retrain run": "success"}, outcome.text
    [issue] = issues(github)
    assert issue["title"].startswith("Drift")
    assert "`temp`" in issue["body"]
    assert "retrain.yml): started" in issue["body"]
    assert github.watched.dispatched == [("retrain.yml", {"drift-run": str(RUN)})]
    assert json.loads((act.artifacts / "drift/drift.json").read_text())["status"] == "drift"


def test_a_log_that_cannot_be_reached_is_reported_with_its_reason(look, github):
    outcome = look("/nowhere/at/all")

    assert outcome.jobs == {"Check": "failure", "Update the issue": "failure"}
    [issue] = issues(github)
    assert issue["title"] == "The drift check is inconclusive"
    assert "/nowhere/at/all: no such folder" in issue["body"]


def test_an_empty_log_is_reported_as_well(look, github, tmp_path):
    (tmp_path / "empty").mkdir()

    outcome = look(tmp_path / "empty")

    assert outcome.jobs == {"Check": "success", "Update the issue": "failure"}, outcome.text
    assert "no traffic" in issues(github)[0]["body"]


def test_without_a_live_target_traffic_is_simulated_and_no_issue_opened(
    look, github, act, december
):
    set_source(act.origin, december)
    commit(act.origin, "Have one further month")

    outcome = look(event="workflow_dispatch", SLIPWAY_WATCH="")

    assert outcome.jobs == {"Simulation, no live target": "success"}, outcome.text
    assert "**Simulated traffic: no live target is set.**" in outcome.summary
    assert outcome.annotations("warning")[0].startswith("Simulated traffic, no live target: Drift")
    assert github.calls == []
    assert (act.artifacts / "simulation/site/index.html").exists()
