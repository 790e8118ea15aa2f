"""Checks of this clone: dvc.lock, the data remote, owners, hooks, the live target."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slipway.errors import SlipwayError
from slipway.repository.committed import check_repository
from slipway.repository.git import git
from slipway.repository.pointers import data_revision
from slipway.repository.worktrees import run
from slipway.settings import Params
from slipway.setup.doctor.codeowners import owners
from slipway.setup.doctor.finding import Finding

FIX = "`dvc repro`, then commit dvc.lock with reports/; or run the workflow *Update lock*"

# Requests one object of the remote, in a subprocess: each store has its own exceptions, and its
# method `exists` returns False if the store cannot be reached.
HAS = """\
import sys
from dvc.repo import Repo
objects = Repo().cloud.get_remote_odb(hash_name="md5")
try:
    objects.fs.info(objects.oid_to_path(sys.argv[1]))
except FileNotFoundError:
    print("no")
"""


def check_clone(root: Path, params: Params) -> Iterator[Finding]:
    """Yield the findings of this clone."""
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
    """Check that `dvc.lock` was written for the current inputs."""
    try:
        stages: dict[str, Any] = json.loads(run(["dvc", "status", "--json"], root))
    except (SlipwayError, ValueError) as error:
        return Finding("unknown", f"dvc.lock could not be checked: {_last_line(error)}")
    changed = sorted({name for parts in stages.values() for name in _modified(parts)})
    if changed:
        return Finding("wrong", f"dvc.lock is stale: {', '.join(changed[:5])} changed", FIX)
    return Finding("ok", "dvc.lock is up to date")


def remote(root: Path) -> Finding:
    """Check that the DVC remote has the data that data.dvc names."""
    try:
        absent = _absent(root)
    except (SlipwayError, ValueError) as error:
        return Finding(
            "wrong",
            f"the DVC remote cannot be reached: {_last_line(error)}",
            "check its address and your credentials: docs/remotes.md",
        )
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        return Finding(
            "wrong",
            f"the DVC remote does not have {absent[0]}{more}",
            "`dvc push` on a machine that has the data",
        )
    return Finding("ok", "the DVC remote has the data of data.dvc")


def _absent(root: Path) -> list[str]:
    """Return the files of data.dvc that the remote does not have."""
    listing = data_revision(root / "data.dvc")
    # Without the listing of the folder `dvc status` finds nothing missing.
    if run([sys.executable, "-c", HAS, listing], root).strip() == "no":
        return ["data"]
    states: dict[str, str] = json.loads(run(["dvc", "status", "-c", "--json", "data.dvc"], root))
    return sorted(name for name, state in states.items() if state in ("new", "missing"))


def hooks(root: Path) -> Finding:
    """Check that a git hook runs the checks before each commit."""
    if (root / _hooks_folder(root) / "pre-commit").exists():
        return Finding("ok", "git runs the checks before each commit")
    return Finding("note", "no hook runs the checks before a commit", "`pre-commit install`")


def _hooks_folder(root: Path) -> str:
    """Return the folder of the user's hooks; `slipway.repository.git` disables them for itself."""
    settings = ("--null", "--show-scope", "--type=path", "--get-all", "core.hooksPath")
    listed = git(root, "config", *settings).removesuffix("\0").split("\0")
    pairs = zip(listed[::2], listed[1::2], strict=True)
    own = [path for scope, path in pairs if scope != "command"]
    return own[-1] if own else f"{git(root, 'rev-parse', '--git-common-dir').strip()}/hooks"


def live_target(params: Params) -> Finding:
    """Check the live service of the target in params.yaml, if this machine can reach it."""
    from slipway.targets import find_target

    name = params.deploy.target
    try:
        target = find_target(name, params)
        if target.needs_access:
            show = "`slipway status` shows the live release"
            return Finding("note", f"the target {name} is not checked from here", show)
        status = target.status()
    except SlipwayError as error:
        return Finding("unknown", f"the live target cannot be reached: {error}", error.do)
    if not status.live:
        do = "`slipway build --image`, then deploy"
        return Finding("note", f"nothing is live on {status.engine}", do)
    if not status.healthy or status.problems:
        problems = "; ".join(status.problems) or status.live.health
        return Finding("wrong", f"the live service is not healthy: {problems}", "`slipway status`")
    return Finding("ok", f"{status.live.record.name} is live and healthy on {status.engine}")


def _modified(parts: list[Any]) -> Iterator[str]:
    """Yield the changed inputs of a stage; files that were not restored yet are not changes."""
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
    """Return the error line of a command's output, or its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    message = next((line for line in lines if line.startswith("ERROR")), last)
    return message.removeprefix("ERROR:").strip()[:300]
