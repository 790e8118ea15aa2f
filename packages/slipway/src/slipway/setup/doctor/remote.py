"""Checks of the repository on GitHub: plan, rules, workflows, variables, environments, Pages.

Each check makes its own requests: a setting that the token may not read is unknown, never OK.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import partial

from slipway.errors import SlipwayError
from slipway.github.answers import Answer, Pages, Rule, WorkflowRun
from slipway.github.registry import GHCR
from slipway.setup.doctor import plan as plans
from slipway.setup.doctor.finding import Finding, Repair
from slipway.setup.doctor.registry import Context, GitHub, check
from slipway.texts import read_text

SETTINGS = "docs/github-settings.md"

RULESET = ".github/rulesets/main.json"

GATE = "All checks"

APP, APP_KEY = "SLIPWAY_APP_ID", "SLIPWAY_APP_KEY"

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


class Named(Answer):
    """A secret, a label or another thing with a name."""

    name: str


class Workflow(Answer):
    """A workflow, by the path of its file."""

    path: str
    state: str


class RequiredCheck(Answer):
    """A check that must succeed before a merge."""

    context: str


class Parameters(Answer):
    """The parameters of a rule."""

    required_status_checks: list[RequiredCheck] | None = None


class ParametrizedRule(Rule):
    """A rule of a branch with its parameters."""

    parameters: Parameters | None = None


class WorkflowPermissions(Answer):
    can_approve_pull_request_reviews: bool = False


class Policy(Answer):
    """Which branches may use an environment: those named by rules of its own, or protected ones."""

    custom_branch_policies: bool


class Environment(Answer):
    protection_rules: list[Rule] | None = None
    deployment_branch_policy: Policy | None = None


class BranchPolicy(Answer):
    """A pattern of names of branches or tags."""

    name: str
    type: str = "branch"


class Package(Answer):
    visibility: str


class Runner(Answer):
    status: str
    labels: list[Named]


@check(
    "plan",
    reason="GitHub does not enforce every setting for a private repository",
    fix=plans.FIX,
    needs=("github",),
)
def plan_(at: Context) -> Finding:
    found = at.on_github.plan
    if not found.has_rules:
        return Finding(
            "note",
            f"{found.name} has no rulesets, environment secrets and required reviewers",
        )
    if found.has_reviewers is False:
        return Finding("note", f"{found.name} has no required reviewers")
    if found.has_reviewers is None:
        return Finding(
            "note", f"{found.name}, which has required reviewers only if it is Enterprise"
        )
    return Finding("ok", f"{found.name}: GitHub enforces every setting")


@check(
    "workflows",
    reason="what a disabled workflow does is not done: no verdict, no release, no monitoring",
    fix=STATES["disabled_fork"][1],
    needs=("github",),
)
def workflows(at: Context) -> list[Finding]:
    api = at.on_github.api
    listed = Workflow.each(api.get("actions/workflows", per_page=100), "workflows")
    if not listed:
        return [Finding("wrong", "GitHub runs no workflow of this repository")]
    ours = [entry for entry in listed if entry.path.startswith(".github/workflows/")]
    disabled = [entry for entry in ours if entry.state != "active"]
    if not disabled:
        return [Finding("ok", f"GitHub runs all {len(ours)} workflows")]
    return [_disabled(at.on_github, entry) for entry in disabled]


def _disabled(github: GitHub, entry: Workflow) -> Finding:
    name, state = entry.path.rpartition("/")[2], entry.state
    what, do = STATES.get(state, (f"is {state}", ENABLE))
    finding = Finding("wrong", f"{name} {what}", do.format(name=name))
    # One that a person has disabled stays so; those of a fork are enabled in the browser only.
    if state != "disabled_inactivity":
        return finding
    enable = partial(github.api.put, f"actions/workflows/{name}/enable")
    return replace(finding, repair=Repair(f"enable the workflow {name}", enable))


@check(
    "branch-protection",
    reason="a worse model, or a change without a pull request, can be merged",
    fix=f"import {RULESET} ({SETTINGS})",
    needs=("github",),
)
def branch_protection(at: Context) -> Finding:
    github = at.on_github
    if not github.plan.has_rules:
        return Finding("note", f"not available: {github.plan.name} has no rulesets", plans.FIX)
    rules = ParametrizedRule.each(github.api.get(f"rules/branches/{github.branch}"))
    # Several rulesets may each have a rule of a type: all of them hold.
    parameters = [rule.parameters for rule in rules if rule.parameters]
    required = [each.context for one in parameters for each in one.required_status_checks or []]
    repair = Repair(f"add the ruleset of {RULESET}", partial(_add_ruleset, at))
    if GATE not in required:
        what = f"the check *{GATE}* is not required on {github.branch}"
        return Finding("wrong", f"{what}: the ruleset is not applied", repair=repair)
    if all(rule.type != "pull_request" for rule in rules):
        what = f"users with write access can push to {github.branch}"
        return Finding("wrong", what, repair=repair)
    return Finding("ok", f"{github.branch} requires the check *{GATE}*")


def _add_ruleset(at: Context) -> None:
    """Add the ruleset; others stay, and of several rules the stricter one holds."""
    ruleset = json.loads(read_text(at.root / RULESET))
    at.on_github.api.post("rulesets", ruleset)


@check(
    "issues",
    reason="the drift check reports in an issue; a new fork has none",
    fix="Settings → General → Features → Issues",
    needs=("github",),
)
def issues(at: Context) -> Finding:
    github = at.on_github
    if github.described.has_issues:
        return Finding("ok", "issues are enabled")
    repair = Repair("enable issues", lambda: github.api.change_itself(has_issues=True))
    return Finding("wrong", "issues are disabled: the drift check cannot open one", repair=repair)


@check(
    "monitoring",
    reason="drift of the live model is not found",
    fix="`gh variable set SLIPWAY_WATCH --body on`, once a service is live (docs/watch.md)",
    needs=("github",),
)
def monitoring(at: Context) -> Finding:
    github = at.on_github
    value = github.variable("SLIPWAY_WATCH")
    if value == "on":
        return Finding("ok", "the drift check is enabled")
    what = "the drift check is disabled: the variable SLIPWAY_WATCH is not `on`"
    # Another value is a decision; and without a live service each daily check fails.
    if value is not None or not _live_target(github):
        return Finding("wrong", what)
    variable = {"name": "SLIPWAY_WATCH", "value": "on"}
    enable = partial(github.api.post, "actions/variables", variable)
    return Finding("wrong", what, repair=Repair("set SLIPWAY_WATCH to on", enable))


@check(
    "target-variable",
    reason="releases are dry runs, and there is no service to monitor",
    fix="set the variable SLIPWAY_PRODUCTION_TARGET (docs/release.md)",
    needs=("github",),
)
def target_variable(at: Context) -> Finding:
    if target := _live_target(at.on_github):
        return Finding("ok", f"the live target is {target}")
    return Finding("wrong", "no live target is set")


def _live_target(github: GitHub) -> str | None:
    names = ("SLIPWAY_PRODUCTION_TARGET", "SLIPWAY_WATCH_LOG")
    return next((value for name in names if (value := github.variable(name))), None)


@check(
    "drift-runs",
    reason="GitHub stops schedules without a notice",
    fix="Actions → Drift → Run workflow",
    needs=("github",),
)
def drift_runs(at: Context) -> Finding:
    github = at.on_github
    if github.variable("SLIPWAY_WATCH") != "on":
        return Finding(
            "note", "the drift check does not run, because it is disabled", "see `monitoring`"
        )
    place = "actions/workflows/drift.yml/runs"
    answer = github.api.get(place, branch=github.branch, per_page=1)
    runs = WorkflowRun.each(answer, "workflow_runs")
    if not runs:
        return Finding("wrong", "the drift check has never run")
    day = runs[0].started
    if at.now - day > LATE:
        return Finding("wrong", f"the drift check has not run since {day:%Y-%m-%d}")
    if runs[0].conclusion == "failure":
        what = f"the drift check of {day:%Y-%m-%d} failed"
        return Finding("wrong", what, f"see {runs[0].html_url}")
    return Finding("ok", f"the drift check ran on {day:%Y-%m-%d}")


@check(
    "batch",
    reason="scheduled batches fail, or their results are lost",
    fix="set the variables of batch.yml (docs/batch.md)",
    needs=("github",),
)
def batch(at: Context) -> Finding:
    github = at.on_github
    out = github.variable("SLIPWAY_BATCH_OUT")
    if not out:
        return Finding("ok", "no batches are scheduled: SLIPWAY_BATCH_OUT is not set")
    if not github.variable("SLIPWAY_BATCH_ROWS"):
        return Finding("wrong", "SLIPWAY_BATCH_OUT is set, and SLIPWAY_BATCH_ROWS is not")
    if "://" not in out and not github.variable("SLIPWAY_RUNNER"):
        return Finding("wrong", f"SLIPWAY_BATCH_OUT is {out}, a folder that ends with the runner")
    share = github.variable("SLIPWAY_BATCH_MAX_REJECTED") or "0"
    if not SHARE.fullmatch(share):
        return Finding(
            "wrong", f"SLIPWAY_BATCH_MAX_REJECTED is {share!r}; expected 0 to 1, such as 0.01"
        )
    return Finding("ok", f"batches are written to {out}")


@check(
    "retrain-pull-requests",
    reason="a retrain run pushes its branch, and then fails",
    fix="Settings → Actions → General: allow GitHub Actions to create pull requests",
    needs=("github",),
)
def retrain_pull_requests(at: Context) -> Finding:
    if at.settings.monitoring.retrain == "never":
        what = "`monitoring.retrain` in params.yaml is never: retrain runs are not started"
        return Finding("note", what, "nothing, if that is intended")
    github = at.on_github
    if github.variable(APP):
        return Finding("ok", "retrain runs open pull requests as your own app")
    permissions = WorkflowPermissions.of(github.api.get("actions/permissions/workflow"))
    if permissions.can_approve_pull_request_reviews:
        return Finding("ok", "retrain runs may open pull requests")
    return Finding("wrong", "retrain runs may not open pull requests")


@check(
    "app",
    reason="each job that uses the app fails when it asks for its token",
    fix=f"set the secret {APP_KEY} of the environment watch ({SETTINGS})",
    needs=("github",),
)
def app(at: Context) -> Finding:
    github = at.on_github
    if not github.variable(APP):
        return Finding("ok", f"no app is used: {APP} is not set")
    if APP_KEY in _secrets(github, "environments/watch/secrets"):
        return Finding("ok", "the environment watch has the key of your own app")
    places = ("actions/secrets", "actions/organization-secrets")
    if not any(APP_KEY in _secrets(github, place) for place in places):
        return Finding("wrong", f"{APP} is set, and there is no secret {APP_KEY}")
    if github.plan.has_rules:
        what = f"workflows of every branch can use the secret {APP_KEY}"
        return Finding("wrong", what, "move it to the environment watch")
    return Finding("ok", "the repository has the key of your own app")


def _secrets(github: GitHub, place: str) -> set[str]:
    found = github.api.find(place, per_page=100)
    return {secret.name for secret in Named.each(found, "secrets")} if found else set()


@check(
    "pages",
    reason="the page of the model is not published",
    fix="Settings → Pages → Source: GitHub Actions",
    needs=("github",),
)
def pages(at: Context) -> Finding:
    found = at.on_github.api.find("pages")
    if not found:
        return Finding("note", "GitHub Pages is disabled")
    settings = Pages.of(found)
    if settings.build_type != "workflow":
        return Finding("wrong", "GitHub Pages publishes a branch, not the page of the workflow")
    return Finding("ok", f"the page is at {settings.html_url}")


def _environment(name: str, at: Context) -> Finding:
    github = at.on_github
    if not github.plan.has_rules:
        return Finding(
            "note",
            f"not available: {github.plan.name} has no environment secrets",
            f"set its secrets for the repository instead; {plans.PROTECTS}",
        )
    found = github.api.find(f"environments/{name}")
    repair = Repair(
        f"let only {github.branch} use the environment {name}", partial(_restrict, github, name)
    )
    if found is None:
        what = f"the environment {name} does not exist, so it has no secrets"
        return Finding("wrong", what, repair=repair)
    environment = Environment.of(found)
    rules = environment.protection_rules or []
    if environment.deployment_branch_policy is None:
        what = f"workflows of every branch can use the environment {name} and its secrets"
        do = f"Settings → Environments → {name} → Deployment branches: {github.branch}"
        # The call replaces all rules of the environment: there must be none to lose.
        return Finding("wrong", what, do, None if rules else repair)
    if wrong := _branches(github, name, environment.deployment_branch_policy):
        return wrong
    reviewed = any(rule.type == "required_reviewers" for rule in rules)
    wrong = REVIEWERS.get(name, _no_rule)(github, reviewed)
    return wrong or Finding("ok", f"the environment {name} is set up")


def _restrict(github: GitHub, name: str) -> None:
    """Create an environment, or one without rules again, that only the default branch may use."""
    policy = {"protected_branches": False, "custom_branch_policies": True}
    github.api.put(f"environments/{name}", deployment_branch_policy=policy)
    github.api.post(f"environments/{name}/deployment-branch-policies", {"name": github.branch})


def _branches(github: GitHub, name: str, policy: Policy) -> Finding | None:
    """Return what is wrong with the names of the branches that may use an environment."""
    if not policy.custom_branch_policies:
        return None
    policies = f"environments/{name}/deployment-branch-policies"
    listed = BranchPolicy.each(github.api.get(policies, per_page=100), "branch_policies")
    if any(not entry.name.strip("*/") for entry in listed):
        what = f"workflows of every branch can use the environment {name}: a rule allows `*`"
        do = f"Settings → Environments → {name} → Deployment branches: {github.branch} only"
        return Finding("wrong", what, do)
    allowed = [each.name for each in listed if each.type == "branch"]
    if any(fnmatchcase(github.branch, pattern) for pattern in allowed):
        return None
    what = f"{github.branch} may not use the environment {name}, so its jobs fail"
    add = partial(github.api.post, policies, {"name": github.branch})
    # Without any branch, the change that made it was interrupted; others are a decision.
    repair = None if listed else Repair(f"let {github.branch} use the environment {name}", add)
    do = f"Settings → Environments → {name} → Deployment branches: add {github.branch}"
    return Finding("wrong", what, do, repair)


def _production(github: GitHub, reviewed: bool) -> Finding | None:
    found = github.plan
    if found.has_reviewers is False:
        return Finding("note", f"required reviewers are not available: {found.name}", plans.FIX)
    if reviewed:
        return None
    what = "the environment production has no required reviewers"
    if found.has_reviewers is None:
        return Finding(
            "unknown",
            f"{what}, and this token does not show whether the plan has them",
            f"set them if GitHub offers them. Otherwise {plans.PROTECTS}",
        )
    return Finding("wrong", what, "Settings → Environments → production → Required reviewers")


def _watch(_: GitHub, reviewed: bool) -> Finding | None:
    if not reviewed:
        return None
    return Finding(
        "wrong",
        "the environment watch has required reviewers, so each drift check waits for them",
        "Settings → Environments → watch: no required reviewers",
    )


def _no_rule(_: GitHub, __: bool) -> Finding | None:
    return None


REVIEWERS = {"production": _production, "watch": _watch}

for _name in ("staging", "production", "watch"):
    check(
        f"environment-{_name}",
        reason="workflows of other branches get its secrets, or a job waits or fails",
        fix=f"Settings → Environments → New: {_name} ({SETTINGS})",
        needs=("github",),
    )(partial(_environment, _name))


@check(
    "images",
    reason="a public image shows a private model and its code; a private one needs a login",
    fix="the package → Package settings → Change visibility",
    needs=("github",),
)
def images(at: Context) -> Finding:
    github = at.on_github
    if registry := github.variable("SLIPWAY_REGISTRY"):
        what = f"the visibility of images in {registry} is not checked"
        return Finding("note", what, "see the settings of that registry")
    owner, _, name = github.api.repository.lower().partition("/")
    account = "users" if _kind_of_owner(github) == "User" else "orgs"
    try:
        found = github.api.find_global(f"{account}/{owner}/packages/container/{name}")
    except SlipwayError as error:
        do = "`gh auth refresh --scopes read:packages`"
        raise SlipwayError(str(error), do) from None
    image = f"{GHCR}/{owner}/{name}"
    if found is None:
        what = f"there is no image {image} yet, or this token may not see it"
        return Finding("note", what, "release, with a token of the scope read:packages")
    visibility = Package.of(found).visibility
    if visibility == "public" and not github.is_public:
        return Finding("wrong", f"{image} is public, and the repository is not")
    if visibility != "public" and github.is_public:
        return Finding("note", f"{image} is private: a host needs `docker login {GHCR}`")
    return Finding("ok", f"{image} is {visibility}, as the repository is")


def _kind_of_owner(github: GitHub) -> str:
    return github.described.owner.type if github.described.owner else ""


SHARE = re.compile(r"0(\.\d*)?|\.\d+|1(\.0*)?")

RUNS_ON = re.compile(r"^\s*runs-on:\s*(?P<labels>.+?)\s*(?:#.*)?$", re.MULTILINE)
BY_VARIABLE = re.compile(r"\$\{\{\s*vars\.(\w+)\s*\|\|\s*'([^']*)'\s*\}\}")
HOSTED = re.compile(r"(ubuntu|windows|macos)-[\w.-]+")


@check(
    "runners",
    reason="a job waits for a day for a runner that does not exist, then fails",
    fix="Settings → Actions → Runners, or correct the label",
    needs=("github",),
)
def runners(at: Context) -> Finding:
    github = at.on_github
    own = sorted(label for label in set(_labels(at)) if not HOSTED.fullmatch(label))
    if not own:
        return Finding("ok", "the workflows use runners of GitHub")
    listed = Runner.each(github.api.get("actions/runners", per_page=100), "runners")
    online = [runner for runner in listed if runner.status == "online"]
    labels = {label.name for runner in online for label in runner.labels}
    missing = [label for label in own if label not in labels]
    if not missing:
        return Finding("ok", f"a runner is online for {', '.join(own)}")
    what = f"no runner of this repository is online for the label {missing[0]}"
    if _kind_of_owner(github) == "Organization":
        do = "see Settings → Actions → Runners"
        return Finding("unknown", f"{what}; runners of the organisation are not shown here", do)
    return Finding("wrong", what)


def _labels(at: Context) -> Iterator[str]:
    """Yield the labels of `runs-on` in the workflows, with the values of variables."""
    for path in sorted((at.root / ".github/workflows").glob("*.yml")):
        for found in RUNS_ON.finditer(path.read_text("utf-8")):
            text = found["labels"]
            if by_variable := BY_VARIABLE.fullmatch(text):
                text = at.on_github.variable(by_variable[1]) or by_variable[2]
            yield from re.findall(r"[\w.-]+", text) if "${{" not in text else [text]
