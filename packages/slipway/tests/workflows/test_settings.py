"""What act ignores, and what makes the workflows safe, read from the YAML itself."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.services.projects import ROOT

import slipway
from slipway.github.comment import FAIL_WITH_THE_LOCK
from slipway.repository.worktrees import run
from slipway.serving.release import SHIPPED

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))

SOURCE = Path(slipway.__file__).parent

# As BaseLoader reads it: all values are text, and the key "on" is not the truth.
Yaml = dict[str, Any]

CML = "a3a66c74b218b08710f42bf599b066e37cb4cba7"

# `id-token` writes nothing: a cloud that trusts this repository gives it access to its stores.
# GitHub gives none to the pull request of a fork.
WRITE = {
    "batch.yml": {"score": ["id-token"]},
    "comment.yml": {"comment": ["pull-requests"]},
    "deploy.yml": {
        "verify": ["id-token"],
        "image": ["attestations", "id-token", "packages"],
        "staging": ["deployments", "id-token"],
        "production": ["deployments", "id-token"],
        "release": ["contents"],
    },
    "drift.yml": {
        "check": ["id-token"],
        "retrain": ["actions"],
        "issue": ["issues"],
        "publish": ["id-token", "pages"],
    },
    "images.yml": {"update": ["contents", "pull-requests"]},
    "pull-request.yml": {"model": ["id-token"]},
    "retrain.yml": {
        "retrain": ["id-token"],
        "propose": ["contents", "pull-requests"],
    },
    "rollback.yml": {"rollback": ["deployments", "id-token"]},
    "update-lock.yml": {"commit": ["contents"]},
    "upgrade.yml": {"propose": ["contents", "pull-requests"]},
}

STORES = {("id-token", "write")}

HOSTED = "ubuntu-24.04"
CHOSEN = "${{ vars.SLIPWAY_RUNNER || 'ubuntu-24.04' }}"

# On runners of GitHub only: jobs that run the code of a pull request, and the one that stores the
# environment that such jobs restore.
ON_HOSTED = {
    "pull-request.yml": {"all", "changes", "checks", "machine", "model"},
    "update-lock.yml": {"reproduce"},
    "environment.yml": {"store"},
}

# Needs no installation.
PLACEHOLDER = ".github/scripts/run-module slipway.github.placeholder"

# Not of an environment: it opens a registry other than GitHub's own.
REGISTRY_TOKEN = "SLIPWAY_REGISTRY_TOKEN"


def read(name: str) -> Yaml:
    loaded: Yaml = yaml.load((FOLDER / name).read_text("utf-8"), Loader=yaml.BaseLoader)
    return loaded


def jobs() -> list[Any]:
    return [
        pytest.param(file.name, job, id=f"{file.stem}-{job}")
        for file in FILES
        for job in read(file.name)["jobs"]
    ]


def steps(name: str, job: str, uses: str = "") -> list[Yaml]:
    found: list[Yaml] = read(name)["jobs"][job]["steps"]
    return [step for step in found if step.get("uses", "").startswith(uses)]


def writes(name: str, job: str) -> list[str]:
    granted = read(name)["jobs"][job]["permissions"]
    return [scope for scope, level in granted.items() if level == "write"]


def has_token(name: str, job: str) -> bool:
    return any("GITHUB_TOKEN" in step.get("env", {}) for step in steps(name, job))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_grants_nothing_and_never_runs_twice_for_the_same_thing(file):
    workflow = read(file.name)

    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"].startswith("${{ github.workflow }}")


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_job_has_an_end_and_just_its_own_permissions(name, job):
    settings = read(name)["jobs"][job]

    assert int(settings["timeout-minutes"]) <= 60
    assert writes(name, job) == WRITE.get(name, {}).get(job, [])
    assert set(settings["permissions"].values()) <= {"read", "write"}


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_team_chooses_the_runner_of_each_job_that_runs_no_code_of_a_pull_request(name, job):
    hosted = job in ON_HOSTED.get(name, set())

    assert read(name)["jobs"][job]["runs-on"] == (HOSTED if hosted else CHOSEN)
    assert hosted or not runs_a_pull_request(name, job)


def runs_a_pull_request(name: str, job: str) -> bool:
    """Whether a job may check out a commit that is not on the default branch."""
    if read(name)["on"].keys() & {"pull_request", "pull_request_target", "merge_group"}:
        return True
    refs = {step["with"].get("ref", "") for step in steps(name, job, "actions/checkout@")}
    # deploy.yml resolves a commit of the default branch; comment.yml pins that of CML.
    resolved = "steps.resolve.outputs.commit", "needs.verify.outputs.commit"
    return bool(refs - {"", CML, *(f"${{{{ {each} }}}}" for each in resolved)})


def test_the_jobs_that_run_a_pull_request_are_found_by_what_they_check_out():
    found = {
        (file.name, job)
        for file in FILES
        for job in read(file.name)["jobs"]
        if runs_a_pull_request(file.name, job)
    }
    listed = {(name, job) for name, listed in ON_HOSTED.items() for job in listed}

    assert found == listed - {("environment.yml", "store")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_permission_has_its_reason_next_to_it(file):
    granted = re.findall(r"^ +[a-z-]+: (?:read|write)\b.*$", file.read_text("utf-8"), re.MULTILINE)

    assert granted
    assert [line for line in granted if " # to " not in line] == []


@pytest.mark.parametrize(("name", "job"), jobs())
def test_no_checkout_leaves_the_token_behind(name, job):
    for step in steps(name, job, "actions/checkout@"):
        assert step["with"]["persist-credentials"] == "false"


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_secret_belongs_to_an_environment_and_no_pull_request_sees_one(name, job):
    settings = read(name)["jobs"][job]
    known = set(re.findall(r"\bsecrets\.(\w+)", json.dumps(settings)))

    assert "environment" in settings or known <= {REGISTRY_TOKEN}
    assert "secrets:" not in (FOLDER / name).read_text("utf-8")
    if known:
        assert not read(name)["on"].keys() & {"pull_request", "merge_group"}
    if known and "workflow_run" in read(name)["on"]:
        # It follows a run of a pull request: the code and the files of that run stay out.
        assert all("ref" not in step["with"] for step in steps(name, job, "actions/checkout@"))
        assert steps(name, job, "actions/download-artifact") == []


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_step_runs_one_command_without_shell_logic_or_untrusted_text_in_it(name, job):
    for step in steps(name, job):
        command = step.get("run", "")
        assert not re.search(r"[\n;|&<>`]|\$\(|\$\{\{|\b(if|for|while|echo)\b", command), command


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_job_asks_a_cloud_for_access_before_it_reads_and_with_that_permission_only(name, job):
    runs = [step.get("run", "") for step in steps(name, job)]
    [*asks] = [at for at, command in enumerate(runs) if command.endswith("connect-stores")]
    reads = [
        at
        for at, command in enumerate(runs)
        if re.search(
            r"slipway (github login|reproduce|verify|log fetch|drift|retrain|score-batch)\b",
            command,
        )
    ]
    if asks:
        assert max(asks) < min(reads)
        assert "id-token" in writes(name, job)
    # What a pull request wrote must not claim to be the default branch: update-lock.yml runs there.
    assert not asks or not runs_a_pull_request(name, job) or name == "pull-request.yml"


def test_one_action_has_one_pin_with_its_version_next_to_it():
    pins: dict[str, set[str]] = {}
    for file in [*FILES, *FOLDER.parent.glob("actions/*/action.yml")]:
        for name, pin in re.findall(
            r"uses: ([^@\s]+)@(.+)$", file.read_text("utf-8"), re.MULTILINE
        ):
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), f"{file.name}: {name}"
            pins.setdefault("/".join(name.split("/")[:2]), set()).add(pin)

    assert {name: len(found) for name, found in pins.items()} == dict.fromkeys(pins, 1)


class TestPullRequest:
    NAME = "pull-request.yml"

    def test_it_runs_for_every_pull_request_and_the_queue_and_nothing_else(self):
        # A filter by path would leave the required check waiting for ever.
        assert read(self.NAME)["on"] == {"pull_request": "", "merge_group": ""}

    def test_a_newer_commit_ends_the_run_of_an_older_one_but_not_in_the_queue(self):
        settings = read(self.NAME)["concurrency"]

        assert "github.event.pull_request.number || github.ref" in settings["group"]
        assert settings["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"

    def test_its_jobs_may_only_read_the_code(self):
        for job in read(self.NAME)["jobs"].values():
            assert job["permissions"].items() - STORES == {("contents", "read")}

    def test_its_steps_have_no_token(self):
        assert "github.token" not in (FOLDER / self.NAME).read_text("utf-8")

    def test_the_gate_waits_for_all_other_jobs_whatever_their_end(self):
        found = read(self.NAME)["jobs"]
        [gate] = [job for job in found.values() if job["name"].startswith("All checks")]

        assert gate["if"] == "always()"
        assert set(gate["needs"]) == found.keys() - {"all"}

    def test_the_jobs_that_fail_with_a_stale_lock_are_known_to_the_comment_by_name(self):
        assert {job["name"] for job in read(self.NAME)["jobs"].values()} > FAIL_WITH_THE_LOCK

    def test_only_the_check_that_may_be_idle_depends_on_what_changed(self):
        conditional = {name for name, job in read(self.NAME)["jobs"].items() if "if" in job}

        assert conditional == {"all", "machine", "model"}

    def test_the_report_is_published_also_if_an_earlier_step_failed(self):
        [publish] = [s for s in steps(self.NAME, "model") if "publish-report" in s.get("run", "")]
        uploads = steps(self.NAME, "model", "actions/upload-artifact@")

        assert {step["if"] for step in [publish, *uploads]} == {"${{ !cancelled() }}"}
        assert [step["with"]["name"] for step in uploads] == ["report", "report-html"]


class TestComment:
    NAME = "comment.yml"

    def test_it_follows_runs_of_the_one_workflow_for_pull_requests(self):
        settings = read(self.NAME)
        assert settings["on"] == {
            "workflow_run": {
                "workflows": [read("pull-request.yml")["name"]],
                "types": ["requested", "completed"],
            }
        }
        condition = settings["jobs"]["comment"]["if"]
        assert "github.event.workflow_run.event == 'pull_request'" in condition
        path = "github.event.workflow_run.path, '.github/workflows/pull-request.yml'"
        assert f"startsWith({path})" in condition

    def test_a_late_event_of_an_older_commit_cannot_end_the_job_of_a_newer_one(self):
        settings = read(self.NAME)["concurrency"]

        for part in ("head_repository.full_name", "head_branch", "head_sha"):
            assert f"workflow_run.{part}" in settings["group"]
        # A late event that a run was requested must not end the job that shows its verdict.
        assert settings["cancel-in-progress"] == "${{ github.event.action == 'completed' }}"

    def test_an_old_verdict_is_marked_before_anything_is_installed(self):
        checkout, mark, setup, *_ = steps(self.NAME, "comment")

        assert checkout["uses"].startswith("actions/checkout@")
        assert mark["run"] == f"{PLACEHOLDER} outdated"
        assert "if" not in mark
        assert setup["if"] == "github.event.action == 'completed'"

    def test_any_step_that_fails_is_followed_by_one_that_replaces_the_old_verdict(self):
        [*_, last] = steps(self.NAME, "comment")

        assert last["if"].startswith("failure()")
        assert last["run"] == f"{PLACEHOLDER} failed"

    def test_it_checks_out_the_default_branch_and_the_pinned_cml_and_nothing_else(self):
        own, cml = steps(self.NAME, "comment", "actions/checkout@")

        assert own["with"] == {"persist-credentials": "false"}
        assert (cml["with"]["repository"], cml["with"]["ref"]) == ("iterative/cml", CML)

    def test_it_downloads_nothing_into_the_workspace(self):
        assert steps(self.NAME, "comment", "actions/download-artifact") == []

    def test_what_cml_imports_is_pinned_by_hash_and_runs_no_script(self):
        lock = json.loads((ROOT / ".github/cml/package-lock.json").read_text("utf-8"))
        packages = {name: entry for name, entry in lock["packages"].items() if name}

        assert packages
        assert [name for name, entry in packages.items() if "integrity" not in entry] == []
        [install] = [step for step in steps(self.NAME, "comment") if "npm" in step.get("run", "")]
        assert install["run"].startswith("npm ci ")
        assert "--ignore-scripts" in install["run"]

    @pytest.mark.parametrize(
        ("package", "fixed"),
        [
            ("tar", (7, 5, 11)),  # writes outside of its folder
            ("form-data", (3, 0, 4)),  # boundaries that can be guessed
            ("undici", (6, 23, 0)),  # answers that decompress without end
            ("@octokit/request", (8, 4, 1)),  # headers that take for ever
            ("@octokit/request-error", (5, 1, 1)),
            ("@octokit/plugin-paginate-rest", (9, 2, 2)),
        ],
    )
    def test_no_package_of_cml_is_older_than_the_fix_of_a_known_hole(self, package, fixed):
        lock = json.loads((ROOT / ".github/cml/package-lock.json").read_text("utf-8"))
        found = [
            tuple(map(int, entry["version"].split(".")))
            for name, entry in lock["packages"].items()
            if name.rpartition("node_modules/")[2] == package
        ]

        assert found
        assert min(found) >= fixed


class TestUpdateLock:
    NAME = "update-lock.yml"

    def test_a_person_with_write_access_starts_it_or_a_run_that_failed_where_there_is_an_app(self):
        assert read(self.NAME)["on"].keys() == {"workflow_dispatch", "workflow_run"}
        assert read(self.NAME)["on"]["workflow_run"] == {
            "workflows": [read("pull-request.yml")["name"]],
            "types": ["completed"],
        }
        condition = read(self.NAME)["jobs"]["find"]["if"]
        _, by_itself = condition.split("github.event_name == 'workflow_dispatch' ||")
        for part in (
            "vars.SLIPWAY_APP_ID != ''",
            "github.event.workflow_run.event == 'pull_request'",
            "github.event.workflow_run.path, '.github/workflows/pull-request.yml'",
            "github.event.workflow_run.conclusion == 'failure'",
            "github.event.workflow_run.head_repository.id == github.event.repository.id",
        ):
            assert part in by_itself
        assert "||" not in by_itself

    def test_a_newer_commit_ends_the_rebuild_of_an_older_one_and_not_the_other_way_round(self):
        found = read(self.NAME)

        assert "cancel-in-progress" not in found["concurrency"]
        assert "needs.find.outputs.number" in found["jobs"]["reproduce"]["concurrency"]["group"]
        assert found["jobs"]["reproduce"]["concurrency"]["cancel-in-progress"] == "true"

    def test_nothing_is_rebuilt_or_written_unless_the_first_job_finds_a_commit(self):
        found = read(self.NAME)["jobs"]

        assert found["reproduce"]["if"] == "needs.find.outputs.sha != ''"
        assert "reproduce" in found["commit"]["needs"]
        assert "if" not in found["commit"]

    def test_the_job_that_writes_reads_the_rebuilt_files_as_data(self):
        commands = [step["run"] for step in steps(self.NAME, "commit") if "run" in step]

        assert [command.split()[1:3] for command in commands] == [["github", "commit-lock"]]

    def test_the_job_that_runs_the_code_of_the_pull_request_may_write_nothing(self):
        of_the_change = [
            job
            for job in read(self.NAME)["jobs"]
            if any("ref" in step["with"] for step in steps(self.NAME, job, "actions/checkout@"))
        ]

        assert of_the_change == ["reproduce"]
        assert read(self.NAME)["jobs"]["reproduce"]["permissions"] == {"contents": "read"}
        assert not any(
            "GITHUB_TOKEN" in step.get("env", {}) for step in steps(self.NAME, "reproduce")
        )


class TestDeploy:
    NAME = "deploy.yml"

    def test_it_follows_what_reaches_the_service_and_a_persons_button(self):
        shipped = [f"{name}/**" if (ROOT / name).is_dir() else name for name in SHIPPED]

        started = read(self.NAME)["on"]
        inputs = started["workflow_dispatch"]["inputs"]

        # The button without any input releases the newest commit, if there is a review of it.
        assert {name: given["default"] for name, given in inputs.items()} == {
            "commit": "",
            "model": "",
        }
        assert started == {
            "push": {"branches": ["main"], "paths": shipped},
            "workflow_dispatch": {"inputs": inputs},
        }

    def test_what_the_bento_holds_comes_from_what_it_follows(self):
        include = yaml.safe_load((ROOT / "bentofile.yaml").read_text("utf-8"))["include"]
        made = {"/build/model/manifest.json", "/build/model/model.*"}  # by dvc.lock's word
        names = [name.strip("/").partition("/")[0] for name in include if name not in made]

        assert made <= set(include)
        assert set(names) <= set(SHIPPED)

    def test_releases_wait_for_each_other_and_none_is_broken_off(self):
        settings = read(self.NAME)["concurrency"]

        assert settings == {"group": "${{ github.workflow }}", "cancel-in-progress": "false"}

    @pytest.mark.parametrize("target", ["staging", "production"])
    def test_no_rollback_meets_a_release_on_its_way(self, target):
        own = read(self.NAME)["jobs"][target]["concurrency"]
        back = read("rollback.yml")["jobs"]["rollback"]["concurrency"]

        assert own == {"group": f"release-{target}", "cancel-in-progress": "false"}
        assert back["group"].replace("${{ inputs.environment }}", target) == own["group"]
        assert back["cancel-in-progress"] == "false"

    def test_each_job_waits_for_the_one_that_decides(self):
        found = {name: job.get("needs", []) for name, job in read(self.NAME)["jobs"].items()}

        assert found == {
            "verify": [],
            "image": ["verify"],
            "staging": ["verify", "image"],
            "production": ["verify", "image", "staging"],
            "release": ["verify", "image", "production"],
        }

    def test_a_commit_runs_no_code_before_it_is_known_to_be_on_main(self):
        first, picked, second, *_ = steps(self.NAME, "verify")

        assert "ref" not in first["with"]
        assert picked["run"].startswith(".github/scripts/resolve-commit ")
        assert second["with"]["ref"] == "${{ steps.resolve.outputs.commit }}"

    @pytest.mark.parametrize("job", ["image", "staging", "production", "release"])
    def test_the_other_jobs_have_that_commit_and_no_stored_environment(self, job):
        [checkout] = steps(self.NAME, job, "actions/checkout@")
        [setup] = steps(self.NAME, job, "./.github/actions/setup")

        assert checkout["with"]["ref"] == "${{ needs.verify.outputs.commit }}"
        assert setup["with"] == {"cache": "false"}

    def test_what_is_attested_and_deployed_is_named_by_digest(self):
        for step in steps(self.NAME, "image", "actions/attest@"):
            assert step["with"]["subject-digest"] == "${{ steps.image.outputs.digest }}"
            assert step["with"]["create-storage-record"] == "false"
        for job in ("staging", "production"):
            [deploy] = [s for s in steps(self.NAME, job) if " deploy " in s.get("run", "")]
            assert deploy["env"]["IMAGE"] == "${{ needs.image.outputs.image }}"

    def test_production_is_left_out_where_it_is_not_set(self):
        found = read(self.NAME)["jobs"]

        assert found["production"]["if"] == "vars.SLIPWAY_PRODUCTION_TARGET != ''"
        assert found["production"]["environment"]["name"] == "production"
        assert found["staging"]["environment"]["name"] == "staging"


class TestRollback:
    NAME = "rollback.yml"

    def test_only_a_person_starts_it_and_chooses_what_and_where(self):
        assert list(read(self.NAME)["on"]) == ["workflow_dispatch"]
        inputs = read(self.NAME)["on"]["workflow_dispatch"]["inputs"]
        assert inputs.keys() == {"release", "environment"}
        assert inputs["environment"]["options"] == ["production", "staging"]

    def test_it_builds_and_trains_nothing(self):
        commands = [step.get("run", "") for step in steps(self.NAME, "rollback")]

        assert [
            command for command in commands if re.search("build|repro|pull|train", command)
        ] == []
        assert read(self.NAME)["jobs"]["rollback"]["permissions"]["packages"] == "read"


@pytest.mark.parametrize(("name", "job"), jobs())
def test_only_one_workflow_stores_a_cache_and_no_job_with_a_token_reads_it(name, job):
    stores = [step for step in steps(name, job) if "cache/save" in step.get("uses", "")]
    assert bool(stores) == (name == "environment.yml")
    assert steps(name, job, "actions/cache@") == []

    setup = steps(name, job, "./.github/actions/setup")
    if has_token(name, job):
        assert [step["with"]["cache"] for step in setup] == ["false"]


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("rollback.yml", "rollback"),
        ("update-lock.yml", "find"),
        ("images.yml", "update"),
        ("drift.yml", "check"),
        ("batch.yml", "score"),
    ],
)
def test_a_button_with_a_key_works_on_the_default_branch_only(name, job):
    # A person may start a workflow from any branch, with the code and the YAML of that branch.
    assert (
        "github.ref_name == github.event.repository.default_branch" in read(name)["jobs"][job]["if"]
    )


@pytest.mark.parametrize(
    ("name", "job"),
    [("retrain.yml", "propose"), ("images.yml", "update"), ("update-lock.yml", "commit")],
)
def test_the_app_is_given_no_more_than_the_job_has(name, job):
    [app] = steps(name, job, "actions/create-github-app-token@")
    asked = {
        scope.removeprefix("permission-"): level
        for scope, level in app["with"].items()
        if scope.startswith("permission-")
    }

    assert asked == read(name)["jobs"][job]["permissions"]
    assert app["if"] == "vars.SLIPWAY_APP_ID != ''"
    assert "watch" in read(name)["jobs"][job]["environment"]


def test_dependabot_looks_after_every_lock_of_node_and_go():
    settings = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text("utf-8"))
    looked_after = {
        (entry["package-ecosystem"], folder.strip("/"))
        for entry in settings["updates"]
        for folder in entry.get("directories", [entry.get("directory")])
    }
    for kind, name in (("npm", "package-lock.json"), ("gomod", "go.mod")):
        listed = run(["git", "ls-files", "-z", f"*{name}"], ROOT).split("\0")
        folders = {str(Path(path).parent) for path in filter(None, listed)}

        assert folders
        assert {(kind, folder) for folder in folders} <= looked_after


def test_the_ruleset_requires_the_gate_and_lets_no_one_around_it():
    ruleset = json.loads((ROOT / ".github/rulesets/main.json").read_text("utf-8"))
    rules = {rule["type"]: rule.get("parameters", {}) for rule in ruleset["rules"]}
    required = rules["required_status_checks"]

    assert ruleset["bypass_actors"] == []
    assert rules.keys() >= {"deletion", "non_fast_forward", "pull_request"}
    assert [check["context"] for check in required["required_status_checks"]] == ["All checks"]
    # Judged against a base that has moved on since, a verdict would be about another merge.
    assert required["strict_required_status_checks_policy"] is True


class TestDrift:
    NAME = "drift.yml"

    def test_it_runs_off_the_hour_or_by_button_and_only_where_it_is_switched_on(self):
        started = read(self.NAME)["on"]
        assert started.keys() == {"schedule", "workflow_dispatch"}
        [[minute, *_]] = [entry["cron"].split() for entry in started["schedule"]]
        assert int(minute) % 15

        first = [job for job in read(self.NAME)["jobs"].values() if "needs" not in job]
        for job in first:
            assert "vars.SLIPWAY_WATCH == 'on'" in job["if"]

    def test_what_reads_the_untrusted_log_may_write_nothing(self):
        for job in ("check", "simulation"):
            assert set(writes(self.NAME, job)) <= {"id-token"}

    def test_the_issue_is_kept_also_when_the_check_has_failed(self):
        condition = read(self.NAME)["jobs"]["issue"]["if"]

        assert "!cancelled()" in condition
        assert "needs.check.result != 'skipped'" in condition

    def test_two_looks_are_never_under_way_at_once(self):
        assert read(self.NAME)["concurrency"]["cancel-in-progress"] == "false"


class TestRetrain:
    NAME = "retrain.yml"

    def test_only_the_drift_check_or_a_person_can_start_it_and_on_the_default_branch(self):
        assert list(read(self.NAME)["on"]) == ["workflow_dispatch"]
        condition = read(self.NAME)["jobs"]["retrain"]["if"]
        assert condition == "github.ref_name == github.event.repository.default_branch"

    def test_the_job_that_trains_has_no_token_and_may_write_nothing(self):
        granted = read(self.NAME)["jobs"]["retrain"]["permissions"]
        assert granted.items() - STORES == {("contents", "read")}
        assert not has_token(self.NAME, "retrain")

    def test_the_job_that_writes_runs_nothing_of_what_was_trained(self):
        commands = [step["run"] for step in steps(self.NAME, "propose") if "run" in step]

        assert [command.split()[1:3] for command in commands] == [["github", "propose-retrain"]]
        assert steps(self.NAME, "propose", "actions/download-artifact") == []
        [checkout] = steps(self.NAME, "propose", "actions/checkout@")
        assert checkout["with"] == {"persist-credentials": "false"}


def test_what_runs_before_anything_is_installed_imports_the_standard_library_only() -> None:
    texts = [path.read_text("utf-8") for path in FILES]
    modules = sorted({name for text in texts for name in re.findall(r"run-module (\S+)", text)})
    assert len(modules) > 1
    code = f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); import {', '.join(modules)}"
    run([sys.executable, "-I", "-S", "-c", code], ROOT)
