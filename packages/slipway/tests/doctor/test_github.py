"""Checks of a repository on GitHub: each setting broken, one at a time, and by plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.doctor.conftest import NOW
from tests.services.projects import ROOT
from tests.workflows.api import GitHub as Server

from slipway.errors import SlipwayError
from slipway.github.api import Api
from slipway.settings import Params
from slipway.setup.doctor.finding import Finding
from slipway.setup.doctor.registry import CHECKS, Context, GitHub, examine
from slipway.setup.doctor.run import exit_code, repair, repairs, to_json, to_text

Look = Callable[..., list[Finding]]

OF_GITHUB = [each for each in CHECKS if "github" in each.needs]

WORKFLOWS = ("deploy.yml", "drift.yml", "pull-request.yml")

GATE = {"required_status_checks": [{"context": "All checks"}]}

RULES: list[dict[str, Any]] = [
    {"type": "pull_request"},
    {"type": "required_status_checks", "parameters": GATE},
]

SELECTED = {"deployment_branch_policy": {"custom_branch_policies": True}}

POLICIES = "environments/{}/deployment-branch-policies"

REVIEWED = {"protection_rules": [{"type": "required_reviewers"}]}

# GitHub's answer to a request for rules, where the plan has none.
UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."

PACKAGE = "orgs/team/packages/container/flights"

PRIVATE = {"private": True, "visibility": "private"}


def repository(**changed: Any) -> dict[str, Any]:
    owner = {"login": "team", "type": "Organization"}
    public = {"private": False, "visibility": "public"}
    return {"default_branch": "main", "has_issues": True, "owner": owner, **public, **changed}


def workflows(state: str = "active") -> dict[str, Any]:
    states = dict.fromkeys(WORKFLOWS, "active") | {"drift.yml": state}
    listed = [{"path": f".github/workflows/{name}", "state": each} for name, each in states.items()]
    return {"workflows": listed}


def only(*names: str) -> dict[str, Any]:
    """The branches that may use an environment."""
    return {"branch_policies": [{"name": name, "type": "branch"} for name in names]}


def in_order() -> dict[str, Any]:
    """What GitHub returns for a repository without problems."""
    return {
        "repository": repository(),
        "actions/workflows": workflows(),
        "actions/variables/SLIPWAY_WATCH": {"value": "on"},
        "actions/variables/SLIPWAY_PRODUCTION_TARGET": {"value": "ssh://me@host"},
        "actions/permissions/workflow": {"can_approve_pull_request_reviews": True},
        "environments/staging": SELECTED,
        "environments/production": SELECTED | REVIEWED,
        "environments/watch": SELECTED,
        **{POLICIES.format(name): only("main") for name in ("staging", "production", "watch")},
        "pages": {"build_type": "workflow", "html_url": "https://team.github.io/flights/"},
        PACKAGE: {"visibility": "public"},
    }


@pytest.fixture
def look(api: Api, github: Server, params: Params) -> Look:
    """Look at GitHub after some of what it answers was changed; None takes a thing away."""
    github.watched.branch_rules["main"] = RULES
    github.watched.runs["drift.yml"] = [run_of("2026-03-20")]

    def look(root: Path = ROOT, again: bool = False, **changed: Any) -> list[Finding]:
        answers = {} if again else in_order() | changed
        github.watched.settings |= {
            key: value for key, value in answers.items() if value is not None
        }
        return list(examine(Context(root, params, NOW, GitHub(api, api.itself())), OF_GITHUB))

    return look


def run_of(day: str, conclusion: str = "success") -> dict[str, str]:
    return {"created_at": f"{day}T05:00:00Z", "conclusion": conclusion, "html_url": "https://run"}


def not_ok(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(each.id, each.kind) for each in found if each.kind != "ok"]


def test_a_repository_without_problems_has_only_ok_findings(look: Look) -> None:
    found = look()

    assert not_ok(found) == []
    assert [each.id for each in found] == [each.id for each in OF_GITHUB]
    assert exit_code(found) == 0
    assert to_text(found).endswith("No problems found.")


BROKEN: list[tuple[str, str, Any, str]] = [
    ("workflows", "actions/workflows", {"workflows": []}, "GitHub runs no workflow"),
    ("workflows", "actions/workflows", workflows("disabled_fork"), "workflows of a fork"),
    ("workflows", "actions/workflows", workflows("disabled_inactivity"), "after 60 days"),
    ("workflows", "actions/workflows", workflows("disabled_manually"), "manually"),
    ("issues", "repository", repository(has_issues=False), "issues are disabled"),
    ("target-variable", "actions/variables/SLIPWAY_PRODUCTION_TARGET", None, "no live target"),
    ("batch", "actions/variables/SLIPWAY_BATCH_OUT", {"value": "s3://b"}, "SLIPWAY_BATCH_ROWS"),
    ("retrain-pull-requests", "actions/permissions/workflow", {}, "may not open pull requests"),
    ("app", "actions/variables/SLIPWAY_APP_ID", {"value": "Iv1"}, "no secret SLIPWAY_APP_KEY"),
    ("pages", "pages", {"build_type": "legacy"}, "GitHub Pages publishes a branch"),
    ("environment-staging", "environments/staging", None, "does not exist"),
    ("environment-staging", "environments/staging", {}, "workflows of every branch"),
    ("environment-watch", POLICIES.format("watch"), only("main", "*"), "every branch"),
    ("environment-watch", POLICIES.format("watch"), only("trunk"), "main may not use"),
    ("environment-production", "environments/production", SELECTED, "no required reviewers"),
    ("environment-production", "environments/production", REVIEWED, "workflows of every branch"),
    ("environment-watch", "environments/watch", SELECTED | REVIEWED, "each drift check waits"),
]


@pytest.mark.parametrize(("name", "thing", "now", "what"), BROKEN)
def test_each_setting_that_is_broken_is_the_only_problem(
    look: Look, name: str, thing: str, now: Any, what: str
) -> None:
    found = look(**{thing: now})

    assert not_ok(found) == [(name, "wrong")]
    [problem] = [each for each in found if each.kind == "wrong"]
    assert what in problem.what
    assert problem.reason
    assert problem.do
    assert exit_code(found) == 1


@pytest.mark.parametrize("value", [None, {"value": "of"}])
def test_monitoring_that_is_disabled_does_not_run(look: Look, value: Any) -> None:
    found = look(**{"actions/variables/SLIPWAY_WATCH": value})

    assert not_ok(found) == [("monitoring", "wrong"), ("drift-runs", "note")]


@pytest.mark.parametrize(
    ("out", "share", "kind"),
    [("s3://bucket", "0.01", "ok"), ("s3://bucket", "1 %", "wrong"), ("scores", "0", "wrong")],
)
def test_results_of_batches_are_kept_and_the_share_of_bad_rows_is_one(
    look: Look, out: str, share: str, kind: str
) -> None:
    given = {"OUT": out, "ROWS": "s3://bucket/rows/*.csv", "MAX_REJECTED": share}
    found = look(
        **{f"actions/variables/SLIPWAY_BATCH_{name}": {"value": v} for name, v in given.items()}
    )

    assert not_ok(found) == ([] if kind == "ok" else [("batch", kind)])


@pytest.mark.parametrize(
    ("place", "kind"),
    [("environments/watch/secrets", "ok"), ("actions/secrets", "wrong")],
)
def test_the_key_of_an_app_is_in_its_environment(look: Look, place: str, kind: str) -> None:
    secrets = {"secrets": [{"name": "SLIPWAY_APP_KEY"}]}
    found = look(**{"actions/variables/SLIPWAY_APP_ID": {"value": "Iv1"}, place: secrets})

    assert not_ok(found) == ([] if kind == "ok" else [("app", kind)])


@pytest.mark.parametrize("rules", [[], RULES[:1], RULES[1:]])
def test_a_branch_without_one_of_the_rules_is_not_protected(
    look: Look, github: Server, rules: list[dict[str, Any]]
) -> None:
    github.watched.branch_rules["main"] = rules

    assert not_ok(look()) == [("branch-protection", "wrong")]


def test_a_rule_of_another_ruleset_does_not_hide_ours(look: Look, github: Server) -> None:
    other = {"required_status_checks": [{"context": "Spelling"}]}
    rule = {"type": "required_status_checks", "parameters": other}
    github.watched.branch_rules["main"] = [rule, *RULES, rule]

    assert not_ok(look()) == []


@pytest.mark.parametrize("runs", [[], [run_of("2026-03-01")], [run_of("2026-03-20", "failure")]])
def test_a_drift_check_that_does_not_run_is_named(
    look: Look, github: Server, runs: list[dict[str, str]]
) -> None:
    github.watched.runs["drift.yml"] = runs

    assert not_ok(look()) == [("drift-runs", "wrong")]


@pytest.mark.parametrize(
    ("private", "visibility", "kind"),
    [(True, "public", "wrong"), (False, "private", "note"), (True, "private", "ok")],
)
def test_an_image_is_as_visible_as_the_repository(
    look: Look, private: bool, visibility: str, kind: str
) -> None:
    described = repository(private=private, visibility="internal" if private else "public")
    found = look(**{"repository": described, PACKAGE: {"visibility": visibility}})

    assert not_ok(found) == ([] if kind == "ok" else [("images", kind)])


@pytest.mark.parametrize(
    ("runs_on", "owner", "kind"),
    [
        ("ubuntu-24.04", "Organization", "ok"),
        ("${{ vars.SLIPWAY_RUNNER || 'ubuntu-24.04' }}", "User", "ok"),
        ("[self-hosted, big]", "User", "ok"),
        ("idle", "User", "wrong"),
        ("lost", "User", "wrong"),
        ("lost # of the organisation?", "Organization", "unknown"),
    ],
)
def test_a_label_without_a_runner_is_named(
    look: Look, tmp_path: Path, runs_on: str, owner: str, kind: str
) -> None:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    text = f"jobs:\n  one:\n    runs-on: {runs_on}\n"
    (tmp_path / ".github/workflows/one.yml").write_text(text, "utf-8")
    labels = [{"name": "self-hosted"}, {"name": "big"}]
    listed = [
        {"status": "online", "labels": labels},
        {"status": "offline", "labels": [{"name": "idle"}]},
    ]
    described = repository(owner={"login": "team", "type": owner})
    packages = PACKAGE.replace("orgs", "users" if owner == "User" else "orgs")
    found = look(
        tmp_path,
        **{
            "actions/runners": {"runners": listed},
            "repository": described,
            packages: {"visibility": "public"},
        },
    )

    [runners] = [each for each in found if each.id == "runners"]
    assert runners.kind == kind


def test_each_check_of_github_was_seen_to_fail() -> None:
    tested = "monitoring branch-protection drift-runs images runners plan"
    assert {name for name, *_ in BROKEN} | set(tested.split()) == {each.id for each in OF_GITHUB}


class TestPlan:
    """By what GitHub answers for a private repository."""

    BY_PLAN = ("plan", "branch-protection", "environment-staging", "environment-production")

    def test_on_a_free_plan_nothing_is_demanded_and_what_protects_is_named(
        self, look: Look, github: Server
    ) -> None:
        github.refuses, github.refusal = ("GET rules",), UPGRADE

        found = look(
            **{"repository": repository(**PRIVATE), PACKAGE: {"visibility": "private"}},
            **{f"environments/{name}": None for name in ("staging", "production", "watch")},
        )

        assert not_ok(found) == [(name, "note") for name in (*self.BY_PLAN, "environment-watch")]
        notes = [each for each in found if each.kind == "note"]
        assert all("`slipway verify`" in each.do for each in notes)
        assert exit_code(found) == 0

    @pytest.mark.parametrize(
        ("account", "owner", "plan", "expected"),
        [
            ("orgs/team", "Organization", "team", "note"),
            ("orgs/team", "Organization", "enterprise", "wrong"),
            ("orgs/team", "Organization", None, "unknown"),
            ("user", "User", "pro", "note"),
            ("user", "User", None, "note"),  # a user cannot have Enterprise
        ],
    )
    def test_reviewers_are_demanded_of_enterprise_only(
        self, look: Look, account: str, owner: str, plan: str | None, expected: str
    ) -> None:
        described = repository(**PRIVATE, owner={"login": "team", "type": owner})
        answer = {"login": "team"} | ({"plan": {"name": plan}} if plan else {})

        found = look(
            **{"repository": described, account: answer, "environments/production": SELECTED}
        )

        kinds = {each.id: each.kind for each in found}
        assert kinds["environment-production"] == expected
        assert kinds["branch-protection"] == "ok"
        [reviewers] = [each for each in found if each.id == "environment-production"]
        assert ("`slipway verify`" in reviewers.do) == (expected != "wrong")

    def test_an_organisation_that_has_the_plan_free_is_on_a_free_plan(self, look: Look) -> None:
        account = {"login": "team", "plan": {"name": "free"}}
        found = look(**{"repository": repository(**PRIVATE), "orgs/team": account})

        assert ("branch-protection", "note") in not_ok(found)

    @pytest.mark.parametrize("visibility", ["public", "internal"])
    def test_a_repository_that_is_not_private_has_everything(
        self, look: Look, visibility: str
    ) -> None:
        described = repository(visibility=visibility)
        found = look(**{"repository": described, "environments/production": SELECTED})

        assert not_ok(found) == [("environment-production", "wrong")]

    def test_a_private_repository_on_enterprise_server_has_everything(self, look: Look) -> None:
        found = look(
            repository=repository(**PRIVATE),
            meta={"installed_version": "3.16.0"},
            **{PACKAGE: {"visibility": "private"}},
        )

        assert not_ok(found) == []

    def test_rules_that_are_hidden_for_another_reason_are_no_free_plan(
        self, look: Look, github: Server
    ) -> None:
        github.refuses = ("GET rules",)

        found = look(**{"repository": repository(**PRIVATE), PACKAGE: {"visibility": "private"}})

        assert set(not_ok(found)) == {
            (name, "unknown") for name in (*self.BY_PLAN, "environment-watch")
        }
        assert exit_code(found) == 2


class TestFix:
    def test_what_can_be_fixed_is_fixed_once_and_the_rest_stays(
        self, look: Look, github: Server
    ) -> None:
        github.watched.branch_rules["main"] = []
        found = look(
            **{
                "repository": repository(has_issues=False),
                "actions/workflows": workflows("disabled_inactivity"),
                "actions/variables/SLIPWAY_WATCH": None,
                "environments/staging": None,
                "environments/watch": {},
                "environments/production": None,
            }
        )
        changes = repairs(found)

        assert all(line.startswith("done: ") for line in repair(changes))

        assert not_ok(look(again=True)) == [("environment-production", "wrong")]  # who reviews?
        allowed = github.watched.settings[POLICIES.format("staging")]["branch_policies"]
        assert allowed == [{"name": "main"}]
        assert repairs(look(again=True)) == []

    def test_an_environment_whose_repair_was_interrupted_gets_its_branch(
        self, look: Look, github: Server
    ) -> None:
        found = look(**{POLICIES.format("watch"): only()})
        assert not_ok(found) == [("environment-watch", "wrong")]

        assert [line[:5] for line in repair(repairs(found))] == ["done:"]

        assert not_ok(look(again=True)) == []

    @pytest.mark.parametrize(
        ("thing", "now"),
        [
            ("actions/permissions/workflow", {}),  # would allow more than now
            ("actions/workflows", workflows("disabled_manually")),  # a decision
            ("actions/variables/SLIPWAY_WATCH", {"value": "off"}),  # a decision
            ("environments/production", REVIEWED),  # the call would remove the reviewers
            ("environments/watch", SELECTED | REVIEWED),
            ("pages", None),  # would publish something
        ],
    )
    def test_no_setting_is_relaxed_or_decided(self, look: Look, thing: str, now: Any) -> None:
        assert repairs(look(**{thing: now})) == []

    def test_a_change_that_github_refuses_is_reported(self, look: Look, github: Server) -> None:
        changes = repairs(look(repository=repository(has_issues=False)))
        github.refuses = ("PATCH",)

        [line] = repair(changes)
        assert line.startswith("not done: enable issues")


def test_what_the_token_may_not_see_is_counted_and_named(look: Look, github: Server) -> None:
    github.refuses = ("GET environments", "GET actions/permissions")

    found = look()

    unknown = ["retrain-pull-requests", *(f"environment-{name}" for name in ("staging", "watch"))]
    assert {each.id for each in found if each.kind == "unknown"} >= set(unknown)
    assert exit_code(found) == 2
    text = to_text(found)
    assert all(name in text for name in unknown)
    assert text.endswith("4 checks could not run.")


def test_an_answer_that_is_not_understood_is_one_unknown_check(look: Look) -> None:
    found = look(**{"actions/workflows": {"message": "moved"}})

    assert not_ok(found) == [("workflows", "unknown")]
    assert exit_code(found) == 2


def test_every_check_of_a_github_that_does_not_answer_is_counted(params: Params) -> None:
    reason = SlipwayError("team/flights cannot be read", "gh auth status")

    found = list(examine(Context(ROOT, params, NOW, reason), OF_GITHUB))

    assert not_ok(found) == [(each.id, "unknown") for each in OF_GITHUB]
    text = to_text(found)
    assert text.endswith(f"{len(OF_GITHUB)} checks could not run.")
    assert text.count("cannot be read") == 1


def test_findings_are_machine_readable(look: Look) -> None:
    found = json.loads(to_json(look(repository=repository(has_issues=False))))

    [problem] = [each for each in found if each["kind"] == "wrong"]
    assert (problem["id"], problem["repair"]) == ("issues", "enable issues")
    assert len(found) == len(OF_GITHUB)
