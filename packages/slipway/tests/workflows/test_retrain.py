"""The one pull request of the retrain run: opened, changed, closed, never merged; and its start."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.cases import BETTER, UNSURE, judged
from tests.services.repository import commit
from tests.workflows.api import archive
from tests.workflows.conftest import RUN
from tests.workflows.drifting import drifted
from tests.workflows.watched import RUN as RUN_FIELDS

from slipway.errors import Refused, SlipwayError
from slipway.github.artifact import NoReport, NotBelieved
from slipway.github.propose import BRANCH, Context, propose
from slipway.github.retrain import start_retrain
from slipway.repository.worktrees import run
from slipway.settings import Monitoring
from slipway.untrusted import as_text

BETTER_FOUND = {
    "version": 2,
    "status": "better",
    "words": "With 2013-10 added, the model is better on the rows of 2013-10.",
    "months_added": ["2013-10"],
    "challenger": {"learning_rate": 0.03},
    "report": "build/retrain/report.json",
    "branch_files": ["data.dvc", "dvc.lock"],
}

NOT_BETTER = BETTER_FOUND | {"status": "not better", "words": "No challenger is better."}

FILES = {"data.dvc": "outs: []\n", "dvc.lock": "stages: {}\n", "reports/metrics.json": "{}\n"}

DRIFT_RUN = 4000

Leave = Callable[..., None]


@pytest.fixture
def leave(github) -> Leave:
    """Let a retrain run leave its answer."""

    def leave(
        result: dict[str, Any] = BETTER_FOUND, files: dict[str, str] = FILES, **report: Any
    ) -> None:
        entries = {f"retrain/files/{name}": text for name, text in files.items()}
        judgement = judged(BETTER) | report
        entries |= {
            "retrain.json": json.dumps(result),
            "retrain/report.json": json.dumps(judgement),
        }
        github.artifacts.pop(RUN, None)
        github.add_artifact(RUN, "retrain", archive(entries))

    return leave


@pytest.fixture
def context(repository) -> Callable[..., Context]:
    """What the job knows, at the newest commit of main."""

    def context(**fields: Any) -> Context:
        sha = run(["git", "rev-parse", "main"], repository).strip()
        base = f"https://github.com/team/flights/blob/{sha}"
        known = {"run": RUN, "url": "https://github.com/team/flights/actions/runs/4711"}
        return Context(**{**known, "commit": sha, "base": base, **fields})

    return context


def show(repository: Path, what: str) -> str:
    return run(["git", "show", what], repository).strip()


def commit_by_hand(repository: Path, branch: str = BRANCH) -> None:
    run(["git", "checkout", "-q", branch], repository)
    (repository / "notes.md").write_text("mine")
    commit(repository, "Look at it")
    run(["git", "checkout", "-q", "main"], repository)


def test_a_better_model_becomes_a_pull_request_with_the_verdict(
    api, github, leave, context, repository
):
    leave()
    words, code = propose(api, context())

    [pull] = github.pulls.values()
    assert (words, code) == (f"opened {pull['html_url']}", 0)
    assert pull["title"] == "Retrain: 2013-10 added"
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (BRANCH, "main")
    assert "### ✅ Better" in pull["body"]
    assert "Approve and run" in pull["body"]
    assert "`learning_rate` = `0.03`" in pull["body"]
    assert show(repository, f"{BRANCH}:data.dvc") == "outs: []"
    assert show(repository, f"{BRANCH}:code.py") == ""


def test_it_shows_the_drift_that_asked_for_it_and_the_issue(api, github, leave, context):
    github.watched.settings[f"actions/runs/{DRIFT_RUN}"] = {
        **RUN_FIELDS,
        "id": DRIFT_RUN,
        "head_sha": "a" * 40,
        "path": ".github/workflows/drift.yml",
    }
    github.add_artifact(DRIFT_RUN, "drift", archive({"drift.json": json.dumps(drifted())}))
    leave()
    propose(api, context(drift_run=DRIFT_RUN))

    [pull] = github.pulls.values()
    assert "## Why" in pull["body"]
    assert "| `temp` | **drift** | 0.74 |" in pull["body"]
    assert len(pull["body"]) < 65_536


def test_evidence_of_a_run_that_is_not_the_drift_checks_is_left_out(api, github, leave, context):
    github.watched.settings[f"actions/runs/{DRIFT_RUN}"] = {
        **RUN_FIELDS,
        "id": DRIFT_RUN,
        "head_sha": "a" * 40,
        "path": ".github/workflows/mine.yml",
    }
    github.add_artifact(DRIFT_RUN, "drift", archive({"drift.json": json.dumps(drifted())}))
    leave()
    propose(api, context(drift_run=DRIFT_RUN))

    assert "## Why" not in github.pulls[20]["body"]


def test_the_next_run_changes_the_open_one_and_keeps_what_was_on_its_branch(
    api, github, leave, context, repository
):
    leave()
    propose(api, context())
    first = show(repository, f"{BRANCH}^0").split()[1]
    (repository / "code.py").write_text("new")
    commit(repository, "Go on")
    leave(BETTER_FOUND | {"months_added": ["2013-10", "2013-11"]}, {"data.dvc": "outs: [new]\n"})

    words, _ = propose(api, context())

    [pull] = github.pulls.values()
    assert words == f"updated {pull['html_url']}"
    assert pull["title"] == "Retrain: 2013-10 2013-11 added"
    assert show(repository, f"{BRANCH}:code.py") == "new"
    assert show(repository, f"{BRANCH}:data.dvc") == "outs: [new]"
    tree = run(["git", "ls-tree", "-r", "--name-only", BRANCH], repository).split()
    assert tree == ["code.py", "data.dvc"]  # what the first had left is gone
    main = run(["git", "rev-parse", "main"], repository)
    assert run(["git", "rev-parse", f"{BRANCH}^1"], repository) == main
    assert run(["git", "diff", "--name-only", "main", BRANCH], repository).split() == ["data.dvc"]
    # Its judgements count all the same: they are in the history of the branch.
    run(["git", "merge-base", "--is-ancestor", first, BRANCH], repository)


def test_the_same_again_makes_no_commit(api, leave, context, repository):
    leave()
    propose(api, context())
    before = run(["git", "rev-parse", BRANCH], repository)
    propose(api, context())

    assert run(["git", "rev-parse", BRANCH], repository) == before


def test_when_nothing_is_better_any_more_it_is_closed_with_a_sentence(
    api, github, leave, context, repository
):
    leave()
    propose(api, context())
    leave(NOT_BETTER, {})

    assert propose(api, context()) == ("closed #20: not better", 0)
    assert github.pulls[20]["state"] == "closed"
    assert "No challenger is better" in github.watched.remarks[20][0]
    assert run(["git", "branch", "--list", BRANCH], repository).strip() == BRANCH


def test_what_it_closed_itself_may_come_back(api, github, leave, context):
    for result, files in ((BETTER_FOUND, FILES), (NOT_BETTER, {}), (BETTER_FOUND, FILES)):
        leave(result, files)
        propose(api, context())

    assert [pull["state"] for pull in github.pulls.values()] == ["closed", "open"]


def test_what_was_closed_is_not_proposed_again_until_the_model_is_another(
    api, github, leave, context
):
    leave()
    propose(api, context())
    github.pulls[20]["state"] = "closed"

    words, code = propose(api, context())
    assert (words, code) == ("#20 proposed the same model and was closed", 0)

    leave(challenger=judged(BETTER)["challenger"] | {"model": "c" * 64})
    assert propose(api, context())[0].startswith("opened")


@pytest.mark.parametrize("status", ["not better", "nothing new"])
def test_where_there_is_nothing_to_propose_nothing_is_written(api, github, leave, context, status):
    leave(NOT_BETTER | {"status": status}, {})

    words, code = propose(api, context())

    assert (as_text(words), code) == (f"{status}: No challenger is better.", 0)
    assert [call for call in github.calls if not call.startswith("GET")] == []


def test_a_run_without_an_answer_changes_nothing_and_is_reported(api, github, leave, context):
    leave()
    propose(api, context())
    for old in ({"status": "inconclusive"}, {"status": "no answer", "version": 1}):
        leave(NOT_BETTER | {"words": "the labels cannot be read"} | old, {})

        words, code = propose(api, context())
        assert (as_text(words), code) == ("inconclusive: the labels cannot be read", 2)
    assert github.pulls[20]["state"] == "open"


class TestWhatPeopleDid:
    def test_a_commit_of_theirs_is_not_written_over(self, api, leave, context, repository):
        leave()
        propose(api, context())
        commit_by_hand(repository)

        with pytest.raises(SlipwayError, match="ada committed to slipway/retrain"):
            propose(api, context())
        assert show(repository, f"{BRANCH}:notes.md") == "mine"

    def test_nor_is_the_pull_request_closed_over_it(self, api, github, leave, context, repository):
        leave()
        propose(api, context())
        commit_by_hand(repository)
        leave(NOT_BETTER, {})

        assert propose(api, context())[0] == "#20 is left open: ada committed to it"
        assert github.pulls[20]["state"] == "open"

    def test_bringing_it_up_to_date_by_github_s_button_is_no_work_of_theirs(
        self, api, leave, context, repository
    ):
        leave()
        propose(api, context())
        (repository / "code.py").write_text("new")
        commit(repository, "Go on")
        run(["git", "checkout", "-q", BRANCH], repository)
        ada = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        run([*ada, "merge", "-q", "--no-ff", "-m", "Update branch", "main"], repository)
        run(["git", "checkout", "-q", "main"], repository)

        assert propose(api, context())[0].startswith("updated")

    def test_a_pull_request_of_theirs_from_that_branch_is_not_ours(
        self, api, github, leave, context, repository
    ):
        github.open_pull(7, "a" * 40, branch=BRANCH)
        github.pulls[7] |= {"user": {"login": "ada"}, "body": None}
        leave(NOT_BETTER, {})
        propose(api, context())

        assert github.pulls[7]["state"] == "open"


class TestWhatItRefuses:
    @pytest.mark.parametrize(
        "name",
        [
            *("src/model/features.py", ".github/workflows/drift.yml", "../x", "data.dvc/../x"),
            *("data-remote/files/md5/aa/x", "data-remote/files/md5/zz/" + "0" * 30),
            *("requirements.lock", "reports/notes.md", ".dvc/config"),
        ],
    )
    def test_any_other_file_spoils_the_whole(self, api, github, leave, context, name):
        leave(files=FILES | {name: "x"})

        with pytest.raises(NotBelieved):
            propose(api, context())
        assert github.pulls == {}

    def test_new_data_in_the_remote_of_the_repository_may_come_along(self, api, leave, context):
        name = "data-remote/files/md5/ab/" + "0" * 30
        leave(files=FILES | {name: "rows", f"{name}.dir": "[]"})

        assert propose(api, context())[0].startswith("opened")

    def test_a_better_one_that_the_judge_does_not_let_pass(self, api, github, leave, context):
        leave(**judged(UNSURE))

        with pytest.raises(NotBelieved):
            propose(api, context())
        assert github.pulls == {}

    def test_a_report_that_contradicts_itself(self, api, github, leave, context):
        leave(**(judged(UNSURE) | {"may_merge": True, "stops": [], "verdict": "better"}))

        with pytest.raises(Refused):
            propose(api, context())
        assert [call for call in github.calls if not call.startswith("GET")] == []

    @pytest.mark.parametrize(
        "field",
        [
            *({"version": 3}, {"status": "best"}, {"status": ["better"]}, {"words": None}),
            *({"months_added": "2013-10"}, {"months_added": [1]}, {"challenger": ["x"]}),
        ],
        ids=str,
    )
    def test_a_result_that_the_retrain_run_does_not_write(self, api, github, leave, context, field):
        leave(BETTER_FOUND | field)

        with pytest.raises(NotBelieved, match="not a result of `slipway retrain`"):
            propose(api, context())
        assert github.pulls == {}

    def test_a_run_that_left_nothing(self, api, context):
        with pytest.raises(NoReport):
            propose(api, context())

    def test_a_branch_under_a_rule(self, api, github, leave, context, repository):
        github.rules[BRANCH] = ["pull_request"]
        leave()

        with pytest.raises(Refused, match="protected"):
            propose(api, context())
        assert run(["git", "branch", "--list", BRANCH], repository) == ""

    def test_where_workflows_may_not_open_pull_requests_it_names_the_setting(
        self, api, github, leave, context
    ):
        github.watched.settings["may open pull requests"] = False
        leave()

        with pytest.raises(SlipwayError, match="do not let workflows open") as error:
            propose(api, context())
        assert "docs/github-settings.md" in error.value.do

    def test_it_never_merges_and_never_forces(self, api, github, leave, context):
        for result, files in ((BETTER_FOUND, FILES), (NOT_BETTER, {})):
            leave(result, files)
            propose(api, context())

        written = {call.split("?")[0] for call in github.calls if not call.startswith("GET")}
        assert not [call for call in written if "merge" in call or "main" in call]


def test_as_an_app_it_needs_no_click(api, github, leave, context):
    github.watched.user = {"login": "slipway-of-team[bot]", "type": "Bot"}
    leave()
    propose(api, context(bot="slipway-of-team[bot]"))

    assert "Approve and run" not in github.pulls[20]["body"]
    assert propose(api, context(bot="slipway-of-team[bot]"))[0].startswith("updated")


class TestStart:
    NOW = datetime(2026, 3, 20, tzinfo=UTC)

    @pytest.fixture
    def start(self, api, github):
        github.watched.settings["repository"] = {"default_branch": "main"}

        def start(
            policy: str = "on drift", *runs: tuple[str, str | None], obstacle: str = ""
        ) -> str:
            github.watched.runs["retrain.yml"] = [
                {"created_at": f"{day}T05:00:00Z", "conclusion": end} for day, end in runs
            ]
            settings = Monitoring.model_construct(retrain=policy, cooldown_days=7)
            return start_retrain(api, settings, DRIFT_RUN, self.NOW, obstacle)

        return start

    def test_drift_starts_a_run_that_knows_why(self, start, github):
        assert start() == "started"
        assert github.watched.dispatched == [("retrain.yml", {"drift-run": str(DRIFT_RUN)})]

    def test_not_where_params_yaml_has_never(self, start, github):
        assert start("never").startswith("not started")
        assert github.watched.dispatched == []

    def test_not_where_no_rows_can_be_added(self, start, github):
        message = start(obstacle="`EVENT_TIME` is None, so no period can be added")

        assert "`EVENT_TIME` is None" in message
        assert github.watched.dispatched == []

    @pytest.mark.parametrize("end", ["success", None])
    def test_not_before_the_last_try_is_long_enough_ago(self, start, github, end):
        message = start("on drift", ("2026-03-14", end))

        assert message.endswith(
            "the last run was on 2026-03-14, the next is possible on 2026-03-21"
        )
        assert github.watched.dispatched == []
        assert start("on drift", ("2026-03-12", end)) == "started"

    def test_a_run_that_failed_was_no_try(self, start):
        assert start("on drift", ("2026-03-19", "failure"), ("2026-03-01", "success")) == "started"
