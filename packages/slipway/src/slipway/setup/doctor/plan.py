"""What GitHub enforces for a repository: by its visibility and the plan of its owner.

No field of the API has the answer for each token, so it is derived:

- A public repository has rulesets, environments and required reviewers on each current plan.
- GitHub Enterprise Server (`/meta` has `installed_version`) and internal repositories have them.
- A private repository on a free plan has none of them: GitHub answers 403 "Upgrade to GitHub Pro
  or make this repository public to enable this feature" to each request for the rules of a branch.
- Required reviewers of a private repository need GitHub Enterprise. The name of the plan is in
  `/user` for the owner, with the scope `user`, and in `/orgs/NAME` for an owner of the
  organisation, with the scope `admin:org`. An account of a user cannot have Enterprise.

Sources: docs.github.com, "Deployments and environments" and "About rulesets".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from slipway.errors import SlipwayError
from slipway.github.answers import Account, Answer, Repository
from slipway.github.api import Api

UPGRADE = re.compile(r"upgrade to github", re.IGNORECASE)

FREE = {"free"}
PAID = {"pro", "team"}
ENTERPRISE = {"business", "business_plus", "enterprise"}

# What remains where GitHub enforces nothing.
PROTECTS = (
    "`slipway verify` still rebuilds and judges the model before every deployment, and stops one "
    "without a review (docs/release.md)"
)

FIX = f"a public repository or a larger plan has it; until then {PROTECTS}"


@dataclass(frozen=True)
class Plan:
    """What GitHub enforces for a repository.

    Attributes
    ----------
    name
        The repository and its plan, in words.
    has_rules
        Rulesets, and environments with secrets and a rule for branches.
    has_reviewers
        Required reviewers of environments; None if the token does not show it.
    """

    name: str
    has_rules: bool
    has_reviewers: bool | None


class Meta(Answer):
    """The server; `installed_version` only of an Enterprise Server."""

    installed_version: str | None = None


class PlanName(Answer):
    """The plan of an account."""

    name: str = ""


class Owner(Account):
    """The owner of a repository, with the plan if the token may see it."""

    plan: PlanName | None = None


def find_plan(api: Api, described: Repository) -> Plan:
    """Return what GitHub enforces for a repository.

    Raises
    ------
    SlipwayError
        GitHub does not show the rules of the branch to this token, for another reason than the
        plan.
    """
    visibility = described.visibility or ("private" if described.private else "public")
    if visibility != "private":
        article = "an" if visibility == "internal" else "a"
        return Plan(f"{article} {visibility} repository", has_rules=True, has_reviewers=True)
    try:
        api.get(f"rules/branches/{described.default_branch}")
    except SlipwayError as error:
        if not UPGRADE.search(str(error)):
            raise
        return Plan("a private repository on a free plan", has_rules=False, has_reviewers=False)
    if Meta.of(api.find_global("meta") or {}).installed_version is not None:
        return Plan("a private repository on Enterprise Server", has_rules=True, has_reviewers=True)
    return _paid(api, described.owner or Account())


def _paid(api: Api, owner: Account) -> Plan:
    is_user = owner.type == "User"
    name = _plan_name(api, owner.login, is_user=is_user)
    if name in FREE:
        return Plan("a private repository on a free plan", has_rules=False, has_reviewers=False)
    if name in ENTERPRISE:
        return Plan("a private repository on Enterprise", has_rules=True, has_reviewers=True)
    if name in PAID or is_user:
        shown = f"the plan {name}" if name else "a paid plan of a user"
        return Plan(f"a private repository on {shown}", has_rules=True, has_reviewers=False)
    return Plan("a private repository on a paid plan", has_rules=True, has_reviewers=None)


def _plan_name(api: Api, login: str, *, is_user: bool) -> str:
    """Return the name of the owner's plan, or '' if this token does not show it."""
    try:
        owner = Owner.of(api.find_global("user" if is_user else f"orgs/{login}") or {})
    except SlipwayError:
        return ""
    if owner.login != login or owner.plan is None:  # the token of a collaborator
        return ""
    return owner.plan.name
