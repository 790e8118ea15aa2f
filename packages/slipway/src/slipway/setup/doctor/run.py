"""Run the checks of the clone and of the repository on GitHub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from slipway.errors import INCONCLUSIVE, NO, YES, SlipwayError
from slipway.github.api import Api
from slipway.numbers import counted
from slipway.repository.git import git
from slipway.settings import Params, read_params
from slipway.setup.doctor import local, machine, model, remote
from slipway.setup.doctor.finding import Finding, Repair
from slipway.setup.doctor.registry import CHECKS, Context, GitHub
from slipway.setup.doctor.registry import examine as run_checks
from slipway.tool import Tool

GITHUB = "github.com"

ADDRESS = re.compile(
    r"(?:https?://(?:[^@/]*@)?|ssh://(?:[^@/]*@)?|[\w.-]+@)(?P<host>[\w.-]+)(?::\d+)?[:/]"
    r"(?P<repository>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)

SECONDS = 10

# The modules whose import registers their checks.
MODULES = (machine, local, model, remote)


def examine(root: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Return the findings of every check, of this clone and of the repository on GitHub.

    Raises
    ------
    SlipwayError
        The folder has no params.yaml, so it is not the top of a repository.
    """
    now = datetime.now(UTC)
    at = Context(root, _read_params(root), now, _open_github(root, environment))
    findings = list(run_checks(at, CHECKS))
    if at.github is None:
        count = sum("github" in each.needs for each in CHECKS)
        what = f"`origin` is not a repository on GitHub: {count} checks do not apply"
        findings.append(Finding("note", what, "nothing, if that is intended", id="origin"))
    return findings


def _read_params(root: Path) -> Params | SlipwayError:
    """Return the settings; the reason if they are not valid."""
    path = root / "params.yaml"
    try:
        return read_params(path)
    except SlipwayError as error:
        if not path.exists():
            raise
        return error


def exit_code(findings: list[Finding]) -> int:
    """Return 1 if a problem was found, else 2 if a check could not run, else 0."""
    kinds = {finding.kind for finding in findings}
    return NO if "wrong" in kinds else INCONCLUSIVE if "unknown" in kinds else YES


def to_text(findings: list[Finding]) -> str:
    """Return the findings as lines; checks that could not run for one reason are one of them."""
    wrong, unknown = (sum(one.kind == kind for one in findings) for kind in ("wrong", "unknown"))
    summary = f"{counted(wrong, 'problem')} found" if wrong else "No problems found"
    if unknown:
        summary += f"; {counted(unknown, 'check')} could not run"
    if changes := repairs(findings):
        summary += f"; `slipway doctor --fix` makes {len(changes)} of the fixes"
    lines = [finding.text() for finding in findings if finding.kind != "unknown"]
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in findings:
        if one.kind == "unknown":
            reasons.setdefault((one.what, one.do), []).append(one.id)
    lines += [
        Finding("unknown", what, do, id=", ".join(ids)).text()
        for (what, do), ids in reasons.items()
    ]
    return "\n".join([*lines, f"{summary}."])


def to_json(findings: list[Finding]) -> str:
    return json.dumps([finding.to_json() for finding in findings], indent=2) + "\n"


def repairs(findings: list[Finding]) -> list[Repair]:
    """Return the changes that `--fix` makes; each of them once."""
    return list({each.repair.what: each.repair for each in findings if each.repair}.values())


def repair(changes: list[Repair]) -> Iterator[str]:
    """Make changes; yield what was done, or why it was not."""
    for change in changes:
        try:
            change.run()
        except SlipwayError as error:
            yield f"not done: {change.what}: {error}"
        else:
            yield f"done: {change.what}"


def _open_github(root: Path, environment: Mapping[str, str]) -> GitHub | SlipwayError | None:
    """Return the repository on GitHub; the reason if it cannot be checked; None without one."""
    origin = repository_of(root, environment)
    if origin is None:
        return None
    url, repository = origin
    token = _token(environment)
    if not token:
        return SlipwayError(
            f"{repository} on GitHub: no token is set", "`gh auth login`, or set GITHUB_TOKEN"
        )
    api = Api(url, repository, token)
    try:
        return GitHub(api, api.itself())
    except SlipwayError as error:
        do = "`gh auth status`, and check the address of `origin`"
        return SlipwayError(f"{repository} cannot be read from GitHub: {error}", do)


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
    gh = Tool("gh", install="install it", check="`gh auth status`", advice={})
    try:
        return gh.run("auth", "token", seconds=SECONDS).strip()
    except SlipwayError:  # it is missing, has no token, or waits for a keyring
        return ""
