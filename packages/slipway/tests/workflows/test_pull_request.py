"""pull-request.yml and update-lock.yml, run by act: what people see, and what is left behind."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from tests.comparison.cases import BETTER, judged
from tests.services.repository import edit_params
from tests.workflows.api import ID
from tests.workflows.conftest import FORK, NUMBER, RUN, finished_run, propose, pull_request

from slipway.dataset.make import write_month
from slipway.repository.worktrees import run

GREEN = dict.fromkeys(("Detect changes", "Lint and tests", "Model", "All checks"), "success")

NOT_JUDGED = {name: result for name, result in GREEN.items() if name != "Model"}

WORKFLOW = ("--workflows", ".github/workflows/pull-request.yml")

BUTTON = ("--workflows", ".github/workflows/update-lock.yml", "--input", f"pull-request={NUMBER}")

UPDATE = BUTTON[:2]

UPDATE_JOBS = ("Find the pull request", "Reproduce", "Commit")

APP = ("--var", "SLIPWAY_APP_ID=Iv1", "--secret", "SLIPWAY_APP_KEY=-----BEGIN PRIVATE KEY-----")

DISPATCH = {
    "inputs": {"pull-request": NUMBER},
    "repository": {"id": ID, "default_branch": "main"},
    "ref": "refs/heads/main",
}


def head_of(event):
    return event["pull_request"]["head"]["sha"]


def red(head, github, lock="stale"):
    """The event of a run whose report has found a better model and that lock."""
    event = finished_run(head, "failure")
    event["workflow_run"]["id"] = RUN - 1  # the run that follows has artifacts of its own
    github.add_report(RUN - 1, judged(BETTER, lock=lock))
    return event


def report(act):
    return json.loads((act.artifacts / "report" / "report.json").read_text("utf-8"))


def test_a_changed_document_retrains_nothing_and_is_green(act, origin):
    (origin / "README.md").write_text("# Ours\n", "utf-8")

    outcome = act.run("pull_request", propose(origin), *WORKFLOW)

    assert outcome.jobs == NOT_JUDGED
    assert not (act.artifacts / "report").exists()


def test_a_failing_check_is_a_red_gate_that_names_it(act, origin):
    (origin / "docs" / "broken.md").write_text("", "utf-8")

    outcome = act.run("pull_request", propose(origin), *WORKFLOW)

    assert outcome.jobs == NOT_JUDGED | {"Lint and tests": "failure", "All checks": "failure"}
    assert outcome.annotations("error") == ["Not merged: `checks` failed"]


def test_a_worse_model_is_a_red_gate_with_the_reason(act, origin):
    edit_params(origin, train={"iterations": 3})

    outcome = act.run("pull_request", propose(origin), *WORKFLOW)

    assert outcome.jobs == GREEN | {"Model": "failure", "All checks": "failure"}
    title, gate = outcome.annotations("error")
    assert re.match(r"Not merged: .+ gets worse by 0\.\d+", title)
    assert gate == "Not merged: `model` failed"
    assert f"### ⛔ {title}" in outcome.summary
    assert report(act)["verdict"] == "worse"
    assert report(act)["lock"] == "stale"
    assert "<html" in (act.artifacts / "report-html" / "report.html").read_text("utf-8")


def test_faulty_data_from_a_fork_is_reported_and_nothing_is_trained(act, origin):
    run(["dvc", "pull", "-q", "data.dvc"], origin)
    month = origin / "data" / "2013-08.parquet"
    rows = pd.read_parquet(month)
    month.unlink()
    write_month(rows.assign(carrier="??"), month)
    run(["dvc", "add", "-q", "data"], origin)
    run(["dvc", "push", "-q", "data.dvc"], origin)
    event = propose(origin)

    outcome = act.run("pull_request", event | pull_request(head_of(event), FORK), *WORKFLOW)

    assert outcome.jobs == GREEN | {"Model": "failure", "All checks": "failure"}
    assert outcome.annotations("error")[0].startswith("Not judged: the data has")
    assert "Nothing was trained" in outcome.summary
    assert report(act)["faults"]
    assert "token-of-the-job" not in outcome.text


def test_a_stale_lock_is_renewed_by_itself_where_there_is_an_app_and_then_green(
    act, origin, github
):
    """What a stale lock alone does to a merge is in test_verdict.py and test_render.py."""
    github.watched.origin = origin
    github.watched.settings["repository"] = {"default_branch": "main"}
    edit_params(origin, train={"l2": 1.02})
    head = head_of(propose(origin))
    github.open_pull(NUMBER, head)
    run(["git", "checkout", "-q", "main"], origin)
    update = act.run("workflow_run", red(head, github), *UPDATE, *APP)

    assert update.jobs == dict.fromkeys(UPDATE_JOBS, "success"), update.text
    assert run(["git", "rev-parse", "change^"], origin).strip() == head
    changed = run(["git", "diff", "--name-only", head, "change"], origin).split()
    assert {"dvc.lock", "reports/metrics.json"} <= set(changed)
    assert any(path.startswith("reports/judgements/") for path in changed)

    run(["git", "checkout", "-q", "change"], origin)
    (origin / "README.md").write_text("# Ours\n", "utf-8")
    green = act.run("pull_request", propose(origin), *WORKFLOW)

    assert green.jobs == GREEN
    assert green.annotations("notice")[0].startswith("Not worse")
    assert report(act)["lock"] == "identical"


def test_the_button_needs_no_app_and_commits_nothing_where_nothing_differs(act, origin, github):
    github.watched.origin = origin
    github.watched.settings["repository"] = {"default_branch": "main"}
    (origin / "README.md").write_text("# Ours\n", "utf-8")
    head = head_of(propose(origin))
    github.open_pull(NUMBER, head)
    run(["git", "checkout", "-q", "main"], origin)

    button = act.run("workflow_dispatch", DISPATCH, *BUTTON)

    assert button.jobs == dict.fromkeys(UPDATE_JOBS, "success"), button.text
    assert button.annotations("notice")[-1] == f"#{NUMBER}: dvc.lock and reports are up to date"
    assert run(["git", "rev-parse", "change"], origin).strip() == head


@pytest.mark.parametrize("app", [True, False])
def test_nothing_is_rebuilt_by_itself_without_an_app_or_for_a_lock_that_is_not_stale(
    act, github, app
):
    github.open_pull(NUMBER, "a" * 40)

    outcome = act.run(
        "workflow_run", red("a" * 40, github, "different"), *UPDATE, *(APP if app else ())
    )

    assert outcome.jobs == ({UPDATE_JOBS[0]: "success"} if app else {}), outcome.text
    assert outcome.annotations("notice") == (["dvc.lock is not updated"] if app else [])


def test_the_button_does_not_write_where_it_must_not(act, origin, github):
    """No job after the first one runs; which cases are refused is in test_lock.py."""
    github.open_pull(NUMBER, "a" * 40, fork=FORK)

    outcome = act.run("workflow_dispatch", DISPATCH, *BUTTON)

    assert outcome.jobs["Find the pull request"] == "failure"
    assert "success" not in outcome.jobs.values()
    assert outcome.annotations("error") == [
        f"#{NUMBER} comes from a fork, to which workflows cannot commit"
    ]
    assert not [call for call in github.calls if call.startswith(("POST", "PATCH"))]


def test_the_merge_queue_compares_with_what_it_merges_into(act, origin):
    """Two changes in one group: the one before the last needs the tests of the package."""
    base = run(["git", "rev-parse", "main"], origin).strip()
    with (origin / ".ci/run").open("a", encoding="utf-8") as file:
        file.write("echo And this ran\n")
    propose(origin)
    run(["git", "branch", "-q", "--force", "main"], origin)
    (origin / "README.md").write_text("# Ours\n", "utf-8")
    propose(origin)
    queued = run(["git", "rev-parse", "HEAD"], origin).strip()
    run(["git", "branch", "-q", "gh-readonly-queue"], origin)
    event = {
        "action": "checks_requested",
        "merge_group": {"base_sha": base, "head_sha": queued, "head_ref": "gh-readonly-queue"},
        "repository": {"id": ID, "default_branch": "main"},
    }

    outcome = act.run("merge_group", event, *WORKFLOW)

    assert outcome.jobs == NOT_JUDGED | {"Tests of packages/slipway": "success"}
    assert "And this ran" in outcome.text


def test_a_push_stores_the_environment_under_the_name_that_a_pull_request_looks_for(act, origin):
    run(["git", "checkout", "-q", "main"], origin)
    event = {"ref": "refs/heads/main", "repository": {"id": ID, "default_branch": "main"}}

    outcome = act.run("push", event, "--workflows", ".github/workflows/environment.yml")

    assert outcome.jobs == {"Store": "success"}
    assert re.search(r"stored \.venv as venv-\w+-3\.11\.\d+-[0-9a-f]{64}", outcome.text)
