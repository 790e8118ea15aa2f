"""Run the checks of the clone and of the repository on GitHub."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from slipway.errors import INCONCLUSIVE, NO, YES, SlipwayError
from slipway.github.api import Api
from slipway.repository.git import git
from slipway.settings import Params
from slipway.setup.doctor.finding import Finding
from slipway.setup.doctor.local import check_clone
from slipway.setup.doctor.remote import check_github

GITHUB = "github.com"

ADDRESS = re.compile(
    r"(?:https?://(?:[^@/]*@)?|ssh://(?:[^@/]*@)?|[\w.-]+@)(?P<host>[\w.-]+)(?::\d+)?[:/]"
    r"(?P<repository>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)

SECONDS = 10


def examine(root: Path, params: Params, environment: Mapping[str, str]) -> list[Finding]:
    """Return the findings of this clone, and of the repository on GitHub if `origin` is there."""
    findings = list(check_clone(root, params))
    origin = repository_of(root, environment)
    if origin is None:
        return [*findings, Finding("note", "`origin` is not a repository on GitHub")]
    url, repository = origin
    token = _token(environment)
    if not token:
        what = f"{repository} on GitHub was not checked: no token is set"
        return [*findings, Finding("unknown", what, "`gh auth login`, or set GITHUB_TOKEN")]
    return [*findings, *check_github(Api(url, repository, token), params, datetime.now(UTC))]


def exit_code(findings: list[Finding]) -> int:
    """Return 1 if a problem was found, else 2 if a check could not run, else 0."""
    kinds = {finding.kind for finding in findings}
    return NO if "wrong" in kinds else INCONCLUSIVE if "unknown" in kinds else YES


def to_text(findings: list[Finding]) -> str:
    wrong, unknown = (sum(one.kind == kind for one in findings) for kind in ("wrong", "unknown"))
    summary = f"{wrong} problem{'' if wrong == 1 else 's'} found" if wrong else "No problems found"
    if unknown:
        summary += f"; {unknown} check{'' if unknown == 1 else 's'} could not run"
    return "\n".join([*(finding.text() for finding in findings), f"{summary}."])


def repository_of(root: Path, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the address of GitHub's API and the name of the repository; None without GitHub."""
    if named := environment.get("GITHUB_REPOSITORY"):
        return environment.get("GITHUB_API_URL", f"https://api.{GITHUB}"), named
    try:
        origin = git(root, "remote", "get-url", "origin").strip()
    except SlipwayError:
        return None
    address = ADDRESS.fullmatch(origin)
    if not address or "github" not in address["host"]:
        return None
    host = address["host"].removeprefix("ssh.")
    url = f"https://api.{GITHUB}" if host == GITHUB else f"https://{host}/api/v3"
    return url, address["repository"]


def _token(environment: Mapping[str, str]) -> str:
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        if environment.get(name):
            return environment[name]
    if not shutil.which("gh"):
        return ""
    done = subprocess.run(
        ["gh", "auth", "token"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
