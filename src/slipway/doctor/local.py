"""What a clone shows without asking anybody: lock, data remote, hooks, live target."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slipway.committed import check_repository
from slipway.doctor.codeowners import owners
from slipway.doctor.finding import Finding
from slipway.errors import SlipwayError
from slipway.git import git
from slipway.pointers import data_revision
from slipway.settings import Params
from slipway.workspace import run

FIX = "`dvc repro`, then commit dvc.lock with reports/; or the button *Update lock*"

# Asks the remote for one object, in a process of its own: stores fail in ways of their own, and
# the question whether something exists is answered with no by one that cannot be reached.
HAS = """\
import sys
from dvc.repo import Repo
objects = Repo().cloud.get_remote_odb(hash_name="md5")
try:
    objects.fs.info(objects.oid_to_path(sys.argv[1]))
except FileNotFoundError:
    print("no")
"""


def look_here(root: Path, params: Params) -> Iterator[Finding]:
    """Yield what this clone shows."""
    try:
        check_repository(root)
    except SlipwayError as error:
        yield Finding("wrong", str(error), error.do)
    else:
        yield lock(root)
        yield remote(root)
    yield owners(root)
    yield hooks(root)
    yield live_target(params)


def lock(root: Path) -> Finding:
    """Return whether `dvc.lock` was written for the inputs as they are."""
    try:
        stages: dict[str, Any] = json.loads(run(["dvc", "status", "--json"], root))
    except (SlipwayError, ValueError) as error:
        return Finding("unknown", f"dvc.lock could not be looked at: {_last_line(error)}")
    changed = sorted({name for parts in stages.values() for name in _modified(parts)})
    if changed:
        return Finding("wrong", f"dvc.lock is stale: {', '.join(changed[:5])} changed since", FIX)
    return Finding("ok", "dvc.lock is in step with its inputs")


def remote(root: Path) -> Finding:
    """Return whether the data that git names can be had from the DVC remote."""
    try:
        absent = _absent(root)
    except (SlipwayError, ValueError) as error:
        return Finding(
            "wrong",
            f"the DVC remote cannot be reached: {_last_line(error)}",
            "see that its address and your credentials are right: docs/remotes.md",
        )
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        return Finding(
            "wrong",
            f"the DVC remote does not have {absent[0]}{more}",
            "`dvc push` where the data are",
        )
    return Finding("ok", "the DVC remote has the data that git names")


def _absent(root: Path) -> list[str]:
    """Return what git names and the remote does not have."""
    listing = data_revision(root / "data.dvc")
    # Without the listing of the folder `dvc status` finds nothing missing.
    if run([sys.executable, "-c", HAS, listing], root).strip() == "no":
        return ["data"]
    states: dict[str, str] = json.loads(run(["dvc", "status", "-c", "--json", "data.dvc"], root))
    return sorted(name for name, state in states.items() if state in ("new", "missing"))


def hooks(root: Path) -> Finding:
    """Return whether git checks before a commit what CI checks after it."""
    if (root / _hooks_folder(root) / "pre-commit").exists():
        return Finding("ok", "git runs the checks before each commit")
    return Finding("note", "no hook runs the checks before a commit", "`pre-commit install`")


def _hooks_folder(root: Path) -> str:
    """Return where the user's own git looks for hooks; `slipway.git` runs none."""
    settings = ("--null", "--show-scope", "--type=path", "--get-all", "core.hooksPath")
    listed = git(root, "config", *settings).removesuffix("\0").split("\0")
    pairs = zip(listed[::2], listed[1::2], strict=True)
    own = [path for scope, path in pairs if scope != "command"]
    return own[-1] if own else f"{git(root, 'rev-parse', '--git-common-dir').strip()}/hooks"


def live_target(params: Params) -> Finding:
    """Return whether something is live where params.yaml says, as far as this machine sees it."""
    target = params.deploy.target
    if target == "kubernetes":
        return Finding("note", "the target is a cluster", "`slipway status` says what runs there")
    if target == "host" and not os.environ.get("DOCKER_HOST"):
        return Finding(
            "unknown", "the target is a host, and DOCKER_HOST does not name it here", "set it"
        )
    from slipway.deploy.status import status

    try:
        found = status(target)
    except SlipwayError as error:
        return Finding("unknown", f"the live target cannot be seen: {error}", error.do)
    if not found["live"]:
        return Finding(
            "note", f"nothing is live on {found['engine']}", "`slipway build --image`, then deploy"
        )
    if not found["healthy"] or found["words"]:
        said = "; ".join(found["words"]) or found["live"]["health"]
        return Finding("wrong", f"the live service is not well: {said}", "`slipway status`")
    return Finding("ok", f"{found['live']['name']} is live and healthy on {found['engine']}")


def _modified(parts: list[Any]) -> Iterator[str]:
    """Yield what changed in a stage; data and builds that are not here yet are no change."""
    for part in parts:
        if part == "changed command":
            yield "its command"
            continue
        for name, state in part.get("changed deps", {}).items():
            if isinstance(state, dict):
                yield from (f"{name}: {key}" for key in state)
            elif state == "modified":
                yield name


def _last_line(error: Exception) -> str:
    """Return what a command complained of: the line that says so, or its last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "")
    return said.removeprefix("ERROR:").strip()[:300]
