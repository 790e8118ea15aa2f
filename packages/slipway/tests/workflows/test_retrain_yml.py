"""retrain.yml, run by act: from new labels to a pull request, and back when there is no reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.retraining.test_retrain import december, weak
from tests.services.repository import commit
from tests.workflows.api import ID

from slipway.reports.check import check
from slipway.repository.worktrees import run

__all__ = ["december", "weak"]

WORKFLOW = ("--workflows", ".github/workflows/retrain.yml")

BOTH = {"Retrain": "success", "Propose": "success"}

DISPATCH = {
    "inputs": {"drift-run": ""},
    "repository": {"id": ID, "default_branch": "main"},
    "ref": "refs/heads/main",
}

APP = ("--var", "SLIPWAY_APP_ID=Iv1", "--secret", "SLIPWAY_APP_KEY=-----BEGIN PRIVATE KEY-----")


@pytest.fixture
def origin(weak: Path, tmp_path: Path) -> Path:
    """A repository whose model has not learned much, and whose source has one further month."""
    clone = tmp_path / "origin"
    run(["git", "clone", "-q", "--no-hardlinks", str(weak), str(clone)], tmp_path)
    return clone


@pytest.fixture
def press(act, github):
    """Press the button."""
    github.watched.origin = act.origin
    github.watched.settings["repository"] = {"default_branch": "main"}

    def press(*options: str):
        github.artifacts.clear()
        return act.run("workflow_dispatch", DISPATCH, *WORKFLOW, *options)

    return press


def test_a_better_model_is_proposed_and_taken_back_when_main_has_what_it_had(
    press, act, github, origin, tmp_path
):
    outcome = press()

    assert outcome.jobs == BOTH, outcome.text
    retrained = json.loads((act.artifacts / "retrain/retrain.json").read_text("utf-8"))
    assert (retrained["status"], retrained["months_added"]) == ("better", ["2013-12"])
    assert retrained["challenger"] == {"iterations": 120}
    assert retrained["commit"] == run(["git", "rev-parse", "main"], origin).strip()
    report = json.loads((act.artifacts / "retrain/retrain/report.json").read_text("utf-8"))
    check(report)
    assert (report["verdict"], report["may_merge"]) == ("better", True)
    assert report["holdout"]["months"] == ["2013-12"]
    assert github.pulls, outcome.text
    [pull] = github.pulls.values()
    assert pull["title"] == "Retrain: 2013-12 added"
    assert "### ✅ Better" in pull["body"]
    assert "`iterations` = `120`" in pull["body"]
    assert "iterations: 120" in run(["git", "show", "slipway/retrain:params.yaml"], origin)
    changed = run(["git", "diff", "--name-only", "main", "slipway/retrain"], origin).split()
    assert set(changed) == set(retrained["branch_files"])
    assert {"data.dvc", "dvc.lock", "params.yaml", "reports/metrics.json"} < set(changed)
    assert [name for name in changed if name.startswith("data-remote/")]
    assert [name for name in changed if name.startswith("reports/judgements/")]
    assert not [name for name in changed if name.startswith(("src/", ".github/", "requirements"))]
    assert run(["git", "rev-parse", "slipway/retrain^1"], origin) == run(
        ["git", "rev-parse", "main"], origin
    )
    assert outcome.annotations("notice") == [f"opened {pull['html_url']}"]
    branch = tmp_path / "branch"
    run(["git", "clone", "-q", "-b", "slipway/retrain", str(origin), str(branch)], tmp_path)
    run(["dvc", "pull", "-q"], branch)
    assert (branch / "data/2013-12.parquet").exists()
    assert "modified" not in run(["dvc", "status"], branch)

    (origin / "src/model/source.py").write_text("MONTHS = ()\n", "utf-8")
    commit(origin, "Have no further month")
    outcome = press(*APP)

    assert outcome.jobs == BOTH, outcome.text
    assert pull["state"] == "closed"
    assert outcome.annotations("notice") == ["closed #20: nothing new"]


def test_a_run_on_another_branch_does_nothing(act, github):
    outcome = act.run(
        "workflow_dispatch", DISPATCH | {"ref": "refs/heads/mine"}, *WORKFLOW, "--env", "X=1"
    )

    assert outcome.jobs == {}
    assert github.calls == []
