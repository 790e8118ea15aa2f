"""Look at everything, and say what is not as it should be."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from slipway.doctor.finding import Finding
from slipway.doctor.local import look_here
from slipway.doctor.remote import look_there
from slipway.errors import NO, NO_ANSWER, YES, SlipwayError
from slipway.git import git
from slipway.github.api import Api
from slipway.settings import Params

GITHUB = "github.com"

ADDRESS = re.compile(
    r"(?:https?://(?:[^@/]*@)?|ssh://(?:[^@/]*@)?|[\w.-]+@)(?P<host>[\w.-]+)(?::\d+)?[:/]"
    r"(?P<repository>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)

SECONDS = 10


def examine(root: Path, params: Params, environment: Mapping[str, str]) -> list[Finding]:
    """Return what was looked at: first here, then on GitHub if this clone comes from there."""
    found = list(look_here(root, params))
    place = repository_of(root, environment)
    if place is None:
        return [*found, Finding("note", "this clone has no `origin` on GitHub to look at")]
    url, repository = place
    token = _token(environment)
    if not token:
        return [
            *found,
            Finding(
                "unknown",
                f"{repository} on GitHub was not looked at: there is no token",
                "`gh auth login`, or put one into GITHUB_TOKEN",
            ),
        ]
    return [*found, *look_there(Api(url, repository, token), params, datetime.now(UTC))]


def exit_code(found: list[Finding]) -> int:
    """Return 1 if something is wrong, else 2 if something could not be looked at, else 0."""
    kinds = {finding.kind for finding in found}
    return NO if "wrong" in kinds else NO_ANSWER if "unknown" in kinds else YES


def to_text(found: list[Finding]) -> str:
    wrong, unknown = (sum(one.kind == kind for one in found) for kind in ("wrong", "unknown"))
    said = "1 thing is" if wrong == 1 else f"{wrong} things are"
    last = f"{said} not as it should be" if wrong else "All that could be seen is as it should be"
    if unknown:
        last += f"; {unknown} could not be looked at"
    return "\n".join([*(finding.text() for finding in found), f"{last}."])


def repository_of(root: Path, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the address of GitHub's API and the repository's name there, if it is there."""
    if named := environment.get("GITHUB_REPOSITORY"):
        return environment.get("GITHUB_API_URL", f"https://api.{GITHUB}"), named
    try:
        origin = git(root, "remote", "get-url", "origin").strip()
    except SlipwayError:
        return None
    found = ADDRESS.fullmatch(origin)
    if not found or "github" not in found["host"]:
        return None
    host = found["host"].removeprefix("ssh.")
    url = f"https://api.{GITHUB}" if host == GITHUB else f"https://{host}/api/v3"
    return url, found["repository"]


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
