"""What GitHub shows of a repository: workflows, variables, environments, rules, Pages.

Each thing is asked for by itself: what the token may not see is unknown, and never in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from slipway.doctor.finding import Finding
from slipway.errors import SlipwayError
from slipway.github.api import Api
from slipway.settings import Params

SETTINGS = "docs/github-settings.md"

GATE = "All checks"

# A schedule that has not run for so long does not run.
LATE = timedelta(days=3)

ENABLE = "Actions → the workflow → Enable workflow, or `gh workflow enable {name}`"

# Why GitHub does not run a workflow, and what to do.
STATES = {
    "disabled_fork": (
        "does not run: GitHub switches workflows of a fork off",
        "Actions → I understand my workflows, go ahead and enable them",
    ),
    "disabled_inactivity": (
        "does not run: GitHub switches schedules off after 60 days without a commit",
        ENABLE + "; any commit starts the 60 days anew",
    ),
    "disabled_manually": ("was switched off by somebody", ENABLE),
    "deleted": ("was deleted", "bring the file back from the history"),
}


def look_there(api: Api, params: Params, now: datetime) -> Iterator[Finding]:
    """Yield what GitHub shows; `now` has a time zone."""
    try:
        repository = api.itself()
    except SlipwayError as error:
        yield Finding("unknown", f"GitHub does not show {api.repository}: {error}", error.do)
        return
    branch = repository["default_branch"]
    watched = _variable(api, "SLIPWAY_WATCH")
    checks: list[Callable[[], Finding]] = [
        lambda: _rules(api, branch),
        lambda: _issues(repository),
        lambda: _watch(watched),
        lambda: _target(api),
        lambda: _last_look(api, branch, watched, now),
        lambda: _may_propose(api, params),
        lambda: _pages(api),
    ]
    yield from _workflows(api)
    for check in checks:
        yield _asked(check)
    for name in ("staging", "production", "watch"):
        yield _asked(partial(_environment, api, name))


def _asked(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except SlipwayError as error:
        return Finding("unknown", f"not shown to this token: {error}", "ask with an admin's token")


def _workflows(api: Api) -> Iterator[Finding]:
    try:
        listed = api.get("actions/workflows", per_page=100)["workflows"]
    except SlipwayError as error:
        yield Finding("unknown", f"the workflows are not shown: {error}")
        return
    if not listed:
        yield Finding(
            "wrong", "GitHub runs no workflow of this repository", STATES["disabled_fork"][1]
        )
        return
    ours = [entry for entry in listed if entry["path"].startswith(".github/workflows/")]
    idle = [entry for entry in ours if entry["state"] != "active"]
    for entry in idle:
        name = entry["path"].rpartition("/")[2]
        what, do = STATES.get(entry["state"], (f"is {entry['state']}", ENABLE))
        yield Finding("wrong", f"{name} {what}", do.format(name=name))
    if not idle:
        yield Finding("ok", f"GitHub runs all {len(ours)} workflows")


def _rules(api: Api, branch: str) -> Finding:
    rules = {
        rule["type"]: rule.get("parameters") or {} for rule in api.get(f"rules/branches/{branch}")
    }
    required = rules.get("required_status_checks", {}).get("required_status_checks", [])
    if not any(check["context"] == GATE for check in required):
        return Finding(
            "wrong",
            f"{branch} can be merged into without the check *{GATE}*: the ruleset is not applied",
            f"import .github/rulesets/main.json: {SETTINGS}",
        )
    if "pull_request" not in rules:
        return Finding(
            "wrong", f"anybody with write access can push to {branch}", f"the ruleset: {SETTINGS}"
        )
    return Finding("ok", f"{branch} takes only what passed *{GATE}*")


def _issues(repository: dict[str, Any]) -> Finding:
    if repository.get("has_issues"):
        return Finding("ok", "issues are on, so the drift check has a place to speak")
    return Finding(
        "wrong",
        "issues are off, as in every new fork: the drift check cannot speak",
        "Settings → General → Features → Issues",
    )


def _variable(api: Api, name: str) -> str | None:
    """Return the value of a repository variable; None if it is not set, or not shown."""
    try:
        found = api.find(f"actions/variables/{name}")
    except SlipwayError:
        return None
    return str(found["value"]) if found else None


def _watch(watched: str | None) -> Finding:
    if watched == "on":
        return Finding("ok", "the drift check is on")
    return Finding(
        "wrong",
        "the drift check is off: the variable SLIPWAY_WATCH is not `on`",
        "`gh variable set SLIPWAY_WATCH --body on`, once something is live: docs/watch.md",
    )


def _target(api: Api) -> Finding:
    for name in ("SLIPWAY_PRODUCTION_TARGET", "SLIPWAY_WATCH_LOG"):
        if found := api.find(f"actions/variables/{name}"):
            return Finding("ok", f"the live target is {found['value']}")
    return Finding(
        "wrong",
        "there is no live target: releases are rehearsed, and there is nothing to watch",
        "set the variable SLIPWAY_PRODUCTION_TARGET: docs/release.md",
    )


def _last_look(api: Api, branch: str, watched: str | None, now: datetime) -> Finding:
    if watched != "on":
        return Finding("note", "the drift check has nothing to have done")
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
    if params.watch.retrain == "never":
        return Finding("note", "`watch.retrain` in params.yaml says never: nothing is proposed")
    if api.find("actions/variables/SLIPWAY_APP_ID"):
        return Finding("ok", "retrain runs propose as an app of your own")
    if api.get("actions/permissions/workflow").get("can_approve_pull_request_reviews"):
        return Finding("ok", "retrain runs may open pull requests")
    return Finding(
        "wrong",
        "retrain runs may not open pull requests",
        "Settings → Actions → General: allow GitHub Actions to create pull requests",
    )


def _pages(api: Api) -> Finding:
    found = api.find("pages")
    if not found:
        return Finding(
            "note", "Pages is off: the page is not published", "Settings → Pages → GitHub Actions"
        )
    if found.get("build_type") != "workflow":
        return Finding(
            "wrong",
            "Pages publishes a branch, not what the workflow makes",
            "Settings → Pages → Source: GitHub Actions",
        )
    return Finding("ok", f"the page is at {found.get('html_url')}")


def _environment(api: Api, name: str) -> Finding:
    found = api.find(f"environments/{name}")
    if found is None:
        return Finding(
            "wrong",
            f"there is no environment {name} yet, so nothing keeps its secrets",
            f"Settings → Environments → New: {SETTINGS}",
        )
    asks = any(rule["type"] == "required_reviewers" for rule in found.get("protection_rules") or [])
    if name == "production" and not asks:
        return Finding(
            "wrong",
            "nobody has to approve a release to production",
            "Settings → Environments → production → Required reviewers",
        )
    if name == "watch" and asks:
        return Finding(
            "wrong",
            "somebody has to approve every look of the drift check",
            "Settings → Environments → watch: no required reviewers",
        )
    return Finding("ok", f"the environment {name} is as it should be")
