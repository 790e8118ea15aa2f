"""`slipway doctor`: each problem is found, with how to fix it, and nothing else is reported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.services.repository import edit_params

from slipway.repository.worktrees import environment, run
from slipway.settings import read_params
from slipway.setup.doctor.codeowners import owners
from slipway.setup.doctor.finding import Finding
from slipway.setup.doctor.local import hooks, live_target, lock, remote
from slipway.setup.doctor.remote import check_github
from slipway.setup.doctor.run import examine, exit_code, repository_of, to_text

NOW = datetime(2026, 3, 20, tzinfo=UTC)

WORKFLOWS = ("deploy.yml", "drift.yml", "pull-request.yml")


def in_order() -> dict[str, Any]:
    """What GitHub returns for a repository without problems."""
    listed = [{"path": f".github/workflows/{name}", "state": "active"} for name in WORKFLOWS]
    reviewers = {"protection_rules": [{"type": "required_reviewers"}]}
    return {
        "repository": {"default_branch": "main", "has_issues": True},
        "actions/workflows": {"workflows": listed},
        "actions/variables/SLIPWAY_WATCH": {"value": "on"},
        "actions/variables/SLIPWAY_PRODUCTION_TARGET": {"value": "ssh://me@host"},
        "actions/permissions/workflow": {"can_approve_pull_request_reviews": True},
        "environments/staging": {},
        "environments/production": reviewers,
        "environments/watch": {},
        "pages": {"build_type": "workflow", "html_url": "https://team.github.io/flights/"},
    }


@pytest.fixture
def look(api, github, params):
    """Look at GitHub after some of what it says was changed; None takes a thing away."""
    gate = {"required_status_checks": [{"context": "All checks"}]}
    github.watched.branch_rules["main"] = [
        {"type": "pull_request"},
        {"type": "required_status_checks", "parameters": gate},
    ]
    github.watched.runs["drift.yml"] = [
        {"created_at": "2026-03-20T05:00:00Z", "conclusion": "success", "html_url": "https://run"}
    ]

    def look(**changed: Any) -> list[Finding]:
        said = in_order() | changed
        github.watched.settings |= {key: value for key, value in said.items() if value is not None}
        return list(check_github(api, params, NOW))

    return look


@pytest.fixture
def params():
    return read_params(Path(__file__).parents[4] / "params.yaml")


def main_exit(*arguments: str) -> int:
    """Run the slipway of this folder; return its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "slipway", *arguments],
        env=environment(Path()),
        capture_output=True,
        check=False,
    ).returncode


def wrong(found: list[Finding]) -> list[str]:
    return [finding.what for finding in found if finding.kind == "wrong"]


def test_a_repository_without_problems_has_only_ok_findings(look):
    found = look()

    assert {finding.kind for finding in found} == {"ok"}
    assert exit_code(found) == 0
    assert to_text(found).endswith("No problems found.")


@pytest.mark.parametrize(
    ("thing", "now", "said"),
    [
        ("actions/workflows", {"workflows": []}, "GitHub runs no workflow of this repository"),
        ("repository", {"default_branch": "main"}, "issues are disabled, as in every new fork"),
        ("actions/variables/SLIPWAY_WATCH", None, "the drift check is disabled"),
        ("actions/variables/SLIPWAY_WATCH", {"value": "of"}, "the drift check is disabled"),
        ("actions/variables/SLIPWAY_PRODUCTION_TARGET", None, "no live target is set"),
        ("actions/permissions/workflow", {}, "retrain runs may not open pull requests"),
        ("environments/staging", None, "the environment staging does not exist"),
        ("environments/production", {}, "the environment production has no required reviewers"),
        (
            "environments/watch",
            {"protection_rules": [{"type": "required_reviewers"}]},
            "the environment watch has required reviewers",
        ),
        ("pages", {"build_type": "legacy"}, "GitHub Pages publishes a branch"),
    ],
)
def test_each_thing_that_is_amiss_is_named_with_what_to_do(look, thing, now, said):
    found = look(**{thing: now})

    assert [what[: len(said)] for what in wrong(found)] == [said]
    assert all(finding.do for finding in found if finding.kind == "wrong")
    assert exit_code(found) == 1


@pytest.mark.parametrize(
    ("state", "said", "do"),
    [
        ("disabled_fork", "disables the workflows of a fork", "go ahead and enable them"),
        ("disabled_inactivity", "after 60 days without a commit", "gh workflow enable drift.yml"),
        ("disabled_manually", "was disabled manually", "gh workflow enable drift.yml"),
    ],
)
def test_a_workflow_that_github_does_not_run_is_named_with_its_reason(look, state, said, do):
    listed = in_order()["actions/workflows"]["workflows"]
    listed[1]["state"] = state

    found = look(**{"actions/workflows": {"workflows": listed}})

    [what] = wrong(found)
    assert what.startswith("drift.yml")
    assert said in what
    assert any(do in finding.do for finding in found)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], "the ruleset is not applied"),
        ([{"type": "pull_request"}], "the ruleset is not applied"),
        (
            [
                {
                    "type": "required_status_checks",
                    "parameters": {"required_status_checks": [{"context": "All checks"}]},
                }
            ],
            "users with write access can push to main",
        ),
    ],
)
def test_a_branch_that_the_rules_do_not_keep_is_named(look, github, rules, said):
    github.watched.branch_rules["main"] = rules

    [what] = wrong(look())
    assert said in what


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([], "has never run"),
        ([("2026-03-01", "success")], "has not run since 2026-03-01"),
        ([("2026-03-20", "failure")], "of 2026-03-20 failed"),
    ],
)
def test_a_watch_that_is_on_and_does_not_look_is_named(look, github, runs, said):
    github.watched.runs["drift.yml"] = [
        {"created_at": f"{day}T05:00:00Z", "conclusion": end, "html_url": ""} for day, end in runs
    ]

    [what] = wrong(look())
    assert said in what


def test_what_the_token_may_not_see_is_unknown_and_never_in_order(look, github):
    github.refuses = ("GET environments", "GET actions/permissions")

    found = look()

    assert wrong(found) == []
    assert [finding.kind for finding in found].count("unknown") == 4
    assert exit_code(found) == 2
    assert to_text(found).endswith("4 checks could not run.")


def test_a_github_that_does_not_answer_is_one_unknown(api, github, params):
    github.refuses = ("GET",)

    [finding] = check_github(api, params, NOW)
    assert finding.kind == "unknown"


class TestHere:
    @pytest.fixture
    def clone(self, small_repository: Path, tmp_path: Path, monkeypatch) -> Path:
        clone = tmp_path / "clone"
        run(["git", "clone", "-q", str(small_repository), str(clone)], tmp_path)
        monkeypatch.chdir(clone)
        return clone

    def test_a_fresh_clone_is_in_order_before_anything_was_fetched(self, clone):
        assert lock(clone).kind == "ok"
        assert remote(clone).kind == "ok"

    def test_a_number_changed_without_a_rebuild_is_a_stale_lock(self, clone):
        edit_params(clone, train={"iterations": 99})

        found = lock(clone)
        assert found.kind == "wrong"
        assert "dvc.lock is stale: params.yaml: train" in found.what

    def test_code_changed_without_a_rebuild_is_as_well(self, clone):
        with (clone / "src/model/features.py").open("a") as file:
            file.write("\n# more\n")

        assert "src/model" in lock(clone).what

    def test_data_that_nobody_pushed_is_named(self, clone):
        shutil.rmtree(clone / "data-remote/files")

        found = remote(clone)
        assert found.kind == "wrong"
        assert "does not have data" in found.what

    def test_a_remote_that_cannot_be_reached_is_named(self, clone, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        run(["dvc", "remote", "modify", "storage", "url", "s3://nobody/x"], clone)

        assert "the DVC remote cannot be reached" in remote(clone).what

    def test_protected_files_without_an_owner_are_noted_until_somebody_owns_them(self, clone):
        assert owners(clone).what.startswith("no CODEOWNERS")

        told = main_exit("doctor", "--write-codeowners", "@team/ml", "--write-codeowners", "@ann")

        assert told == 0
        written = (clone / ".github/CODEOWNERS").read_text("utf-8")
        assert "/src/slipway" not in written  # all of src but the model's own part
        assert "/src/ @team/ml @ann" in written
        assert owners(clone).kind == "ok"

    @pytest.mark.parametrize(
        ("text", "missing"),
        [
            ("* @ann\n/.github/ @ann\n", ""),
            ("* @ann\n/packages/slipway/\n", "packages/slipway/"),
            ("/src/ @ann\n", ".ci/run"),
            ("docs/* @ann\n", ".ci/run"),
            ("# * @ann\n", ".ci/run"),
        ],
    )
    def test_a_codeowners_that_forgets_a_protected_file_is_noted(self, clone, text, missing):
        (clone / ".github/CODEOWNERS").write_text(text, "utf-8")

        found = owners(clone)

        assert (found.kind == "note") == bool(missing)
        assert missing in found.what

    def test_a_codeowners_that_somebody_wrote_is_not_replaced(self, clone):
        (clone / "CODEOWNERS").write_text("* @ann\n", "utf-8")

        assert main_exit("doctor", "--write-codeowners", "@team/ml") == 1
        assert (clone / "CODEOWNERS").read_text("utf-8") == "* @ann\n"

    @pytest.mark.parametrize("name", ["team", "@team/ml @ann", "@a\n* @b", "#"])
    def test_what_is_no_owner_is_refused(self, clone, name):
        assert main_exit("doctor", "--write-codeowners", name) == 2
        assert not (clone / ".github/CODEOWNERS").exists()

    def test_hooks_are_looked_for_where_git_does(self, clone):
        assert hooks(clone).kind == "note"
        (clone / ".git/hooks/pre-commit").touch()
        assert hooks(clone).kind == "ok"

    def test_a_host_that_is_not_named_here_is_unknown(self, params, monkeypatch):
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        deploy = params.deploy.model_copy(update={"target": "host"})

        assert live_target(params.model_copy(update={"deploy": deploy})).kind == "unknown"

    def test_without_github_the_rest_is_looked_at_all_the_same(self, clone):
        found = examine(clone, read_params(), {})

        assert found[-1].what == "`origin` is not a repository on GitHub"
        assert found[0].what == "dvc.lock is up to date"

    def test_without_a_token_github_is_unknown(self, clone, monkeypatch):
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        run(["git", "remote", "set-url", "origin", "git@github.com:team/flights.git"], clone)

        found = examine(clone, read_params(), {})

        assert found[-1].kind == "unknown"
        assert found[-1].what.startswith("team/flights on GitHub was not checked")

    @pytest.mark.parametrize(
        ("address", "api"),
        [
            ("https://github.com/team/flights.git", "https://api.github.com"),
            ("https://x-access-token:abc@github.com/team/flights", "https://api.github.com"),
            ("git@github.com:team/flights.git", "https://api.github.com"),
            ("ssh://git@ssh.github.com:443/team/flights.git", "https://api.github.com"),
            ("https://github.example.org/team/flights", "https://github.example.org/api/v3"),
        ],
    )
    def test_github_is_known_by_the_address_of_origin(self, tmp_path, address, api):
        run(["git", "init", "-q"], tmp_path)
        run(["git", "remote", "add", "origin", address], tmp_path)

        assert repository_of(tmp_path, {}) == (api, "team/flights")

    def test_another_forge_is_none_of_ours(self, tmp_path):
        run(["git", "init", "-q"], tmp_path)
        run(["git", "remote", "add", "origin", "https://gitlab.com/team/flights"], tmp_path)

        assert repository_of(tmp_path, {}) is None
