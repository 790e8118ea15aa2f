"""Checks of the repository on GitHub: workflows, variables, environments, rules, Pages.

Each check makes its own request: a setting that the token may not read is unknown, never OK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from slipway.errors import SlipwayError
from slipway.github.api import Api
from slipway.settings import Params
from slipway.setup.doctor.finding import Finding

SETTINGS = "docs/github-settings.md"

GATE = "All checks"

# A schedule whose last run is older than this does not work.
LATE = timedelta(days=3)

ENABLE = "Actions → the workflow → Enable workflow, or `gh workflow enable {name}`"

# States of a workflow that does not run: the reason, and how to fix it.
STATES = {
    "disabled_fork": (
        "does not run: GitHub disables the workflows of a fork",
        "Actions → I understand my workflows, go ahead and enable them",
    ),
    "disabled_inactivity": (
        "does not run: GitHub disables schedules after 60 days without a commit",
        ENABLE + "; a commit restarts the 60 days",
    ),
    "disabled_manually": ("was disabled manually", ENABLE),
    "deleted": ("was deleted", "restore the file from the history"),
}


def check_github(api: Api, params: Params, now: datetime) -> Iterator[Finding]:
    """Yield the findings of the repository on GitHub; `now` has a time zone."""
    try:
        repository = api.itself()
    except SlipwayError as error:
        yield Finding("unknown", f"{api.repository} cannot be read from GitHub: {error}", error.do)
        return
    branch = repository["default_branch"]
    enabled = _variable(api, "SLIPWAY_WATCH") == "on"
    checks: list[Callable[[], Finding]] = [
        lambda: _rules(api, branch),
        lambda: _issues(repository),
        lambda: _monitoring(enabled),
        lambda: _target(api),
        lambda: _last_check(api, branch, now, enabled=enabled),
        lambda: _may_propose(api, params),
        lambda: _pages(api),
    ]
    yield from _workflows(api)
    for check in checks:
        yield _run(check)
    for name in ("staging", "production", "watch"):
        yield _run(partial(_environment, api, name))


def _run(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except SlipwayError as error:
        return Finding(
            "unknown", f"this token may not read it: {error}", "use the token of an admin"
        )


def _workflows(api: Api) -> Iterator[Finding]:
    try:
        listed = api.get("actions/workflows", per_page=100)["workflows"]
    except SlipwayError as error:
        yield Finding("unknown", f"the workflows cannot be read: {error}")
        return
    if not listed:
        yield Finding(
            "wrong", "GitHub runs no workflow of this repository", STATES["disabled_fork"][1]
        )
        return
    ours = [entry for entry in listed if entry["path"].startswith(".github/workflows/")]
    disabled = [entry for entry in ours if entry["state"] != "active"]
    for entry in disabled:
        name = entry["path"].rpartition("/")[2]
        what, do = STATES.get(entry["state"], (f"is {entry['state']}", ENABLE))
        yield Finding("wrong", f"{name} {what}", do.format(name=name))
    if not disabled:
        yield Finding("ok", f"GitHub runs all {len(ours)} workflows")


def _rules(api: Api, branch: str) -> Finding:
    rules = {
        rule["type"]: rule.get("parameters") or {} for rule in api.get(f"rules/branches/{branch}")
    }
    required = rules.get("required_status_checks", {}).get("required_status_checks", [])
    if not any(check["context"] == GATE for check in required):
        return Finding(
            "wrong",
            f"the check *{GATE}* is not required on {branch}: the ruleset is not applied",
            f"import .github/rulesets/main.json ({SETTINGS})",
        )
    if "pull_request" not in rules:
        return Finding(
            "wrong",
            f"users with write access can push to {branch}",
            f"apply the ruleset ({SETTINGS})",
        )
    return Finding("ok", f"{branch} requires the check *{GATE}*")


def _issues(repository: dict[str, Any]) -> Finding:
    if repository.get("has_issues"):
        return Finding("ok", "issues are enabled")
    return Finding(
        "wrong",
        "issues are disabled, as in every new fork: the drift check cannot open one",
        "Settings → General → Features → Issues",
    )


def _variable(api: Api, name: str) -> str | None:
    """Return the value of a repository variable; None if it is not set or cannot be read."""
    try:
        variable = api.find(f"actions/variables/{name}")
    except SlipwayError:
        return None
    return str(variable["value"]) if variable else None


def _monitoring(enabled: bool) -> Finding:
    if enabled:
        return Finding("ok", "the drift check is enabled")
    return Finding(
        "wrong",
        "the drift check is disabled: the variable SLIPWAY_WATCH is not `on`",
        "`gh variable set SLIPWAY_WATCH --body on`, once a service is live (docs/watch.md)",
    )


def _target(api: Api) -> Finding:
    for name in ("SLIPWAY_PRODUCTION_TARGET", "SLIPWAY_WATCH_LOG"):
        if variable := api.find(f"actions/variables/{name}"):
            return Finding("ok", f"the live target is {variable['value']}")
    return Finding(
        "wrong",
        "no live target is set: releases are dry runs, and there is no service to monitor",
        "set the variable SLIPWAY_PRODUCTION_TARGET (docs/release.md)",
    )


def _last_check(api: Api, branch: str, now: datetime, *, enabled: bool) -> Finding:
    if not enabled:
        return Finding("note", "the drift check does not run, because it is disabled")
    runs = api.get("actions/workflows/drift.yml/runs", branch=branch, per_page=1)["workflow_runs"]
    if not runs:
        return Finding("wrong", "the drift check has never run", "Actions → Drift → Run workflow")
    at = datetime.fromisoformat(runs[0]["created_at"]).astimezone(UTC)
    if now - at > LATE:
        return Finding(
            "wrong",
            f"the drift check has not run since {at:%Y-%m-%d}",
            "Actions → Drift → Run workflow",
        )
    if runs[0]["conclusion"] == "failure":
        return Finding(
            "wrong", f"the drift check of {at:%Y-%m-%d} failed", f"see {runs[0]['html_url']}"
        )
    return Finding("ok", f"the drift check ran on {at:%Y-%m-%d}")


def _may_propose(api: Api, params: Params) -> Finding:
    if params.monitoring.retrain == "never":
        return Finding(
            "note", "`monitoring.retrain` in params.yaml is never: retrain runs are not started"
        )
    if api.find("actions/variables/SLIPWAY_APP_ID"):
        return Finding("ok", "retrain runs open pull requests as your own app")
    if api.get("actions/permissions/workflow").get("can_approve_pull_request_reviews"):
        return Finding("ok", "retrain runs may open pull requests")
    return Finding(
        "wrong",
        "retrain runs may not open pull requests",
        "Settings → Actions → General: allow GitHub Actions to create pull requests",
    )


def _pages(api: Api) -> Finding:
    pages = api.find("pages")
    if not pages:
        return Finding(
            "note",
            "GitHub Pages is disabled: the page is not published",
            "Settings → Pages → Source: GitHub Actions",
        )
    if pages.get("build_type") != "workflow":
        return Finding(
            "wrong",
            "GitHub Pages publishes a branch, not the page of the workflow",
            "Settings → Pages → Source: GitHub Actions",
        )
    return Finding("ok", f"the page is at {pages.get('html_url')}")


def _environment(api: Api, name: str) -> Finding:
    environment = api.find(f"environments/{name}")
    if environment is None:
        return Finding(
            "wrong",
            f"the environment {name} does not exist, so it has no secrets",
            f"Settings → Environments → New ({SETTINGS})",
        )
    rules = environment.get("protection_rules") or []
    has_reviewers = any(rule["type"] == "required_reviewers" for rule in rules)
    if name == "production" and not has_reviewers:
        return Finding(
            "wrong",
            "the environment production has no required reviewers",
            "Settings → Environments → production → Required reviewers",
        )
    if name == "watch" and has_reviewers:
        return Finding(
            "wrong",
            "the environment watch has required reviewers, so each drift check waits for them",
            "Settings → Environments → watch: no required reviewers",
        )
    return Finding("ok", f"the environment {name} is set up")
