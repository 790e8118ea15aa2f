"""`slipway rebuild`: run what a change touches, and say what its `dvc.lock` is worth.

The lock and the reports of the base commit are where it starts: they were made again when
they were merged. Those of the change are claims: no stage is left out on their word, and
they are compared with what comes out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import deque
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slipway.committed import check_repository
from slipway.errors import NO, NO_ANSWER, YES, SlipwayError
from slipway.git import git, names, resolve
from slipway.lock import (
    REPORTS,
    LockVerdict,
    compare_locks,
    edited_reports,
    fetch_recorded_model,
    may_be_equivalent,
    model_sha256,
    outputs,
    read_lock,
    read_reports,
)
from slipway.pointers import LOCK, POINTER, InConflict
from slipway.restore import restore
from slipway.score import MODEL
from slipway.tables import read_json, write_json
from slipway.workspace import copy_of_worktree, environment

REBUILD = Path("build/rebuild.json")

REPRO = ["dvc", "repro", "--no-run-cache"]

FAILED = re.compile(r"failed to reproduce '([^']+)'.* exited with (-?\d+)")

# The end of what a stage wrote before it stopped: enough for its reason.
LINES_SAID = 20

Stages = dict[str, Any]


@dataclass(frozen=True)
class Stopped:
    """A stage that did not succeed: its name, its exit code, the end of what it wrote."""

    stage: str
    exit_code: int
    said: list[str]


@dataclass(frozen=True)
class Rebuild:
    """What came of a rebuild.

    Parameters
    ----------
    changed
        Whether anything had to run: something that the model is made of has changed, or
        what the change claims of it.
    lock
        What the lock of the change is worth; None if a stage stopped.
    """

    changed: bool
    lock: LockVerdict | None = None
    stopped: Stopped | None = None

    @property
    def exit_code(self) -> int:
        if self.stopped is None:
            return YES
        return NO if self.stopped.exit_code == NO else NO_ANSWER

    def text(self) -> str:
        if self.stopped:
            return f"`{self.stopped.stage}` stopped: no model was made"
        said = "rebuilt" if self.changed else "nothing that the model is made of has changed"
        return f"{said}\n{self.lock.text()}" if self.lock else said


@dataclass(frozen=True)
class Claims:
    """What a change records of its own outputs, before anything is run.

    Attributes
    ----------
    lock
        The bytes of its lock; empty if it has none.
    fault
        Why the lock cannot be read; empty if it can.
    edited
        Its reports that are not as its lock records them.
    """

    lock: bytes
    stages: Stages
    fault: str
    edited: list[str]
    reports: dict[str, bytes]

    @classmethod
    def of(cls, root: Path) -> Claims:
        lock = (root / LOCK).read_bytes() if (root / LOCK).exists() else b""
        stages, fault = _read_claims(root)
        return cls(lock, stages, fault, edited_reports(stages, root), read_reports(stages, root))


def rebuild(root: Path, base: str) -> Rebuild:
    """Run the stages whose inputs differ from those of a commit; write and return what came of it.

    Raises
    ------
    SlipwayError
        git does not know the commit, the data cannot be fetched, or DVC cannot run.
    """
    check_repository(root)
    commit = resolve(root, base)
    claims = Claims.of(root)
    try:
        trusted = _start_from(root, commit)
        changed = claims.stages != trusted or bool(claims.edited) or not _is_up_to_date(root)
        stopped = _run_stages(root) if changed else None
        lock = None if stopped else judge_claims(root, claims)
    except BaseException:  # interrupted by the user as well
        _put_back(root, claims.lock)
        for path, content in claims.reports.items():
            (root / path).write_bytes(content)
        raise
    if stopped:
        _put_back(root, claims.lock)
    found = Rebuild(changed, lock, stopped)
    write_json(asdict(found), root / REBUILD)
    return found


def recorded_model(root: Path, status: str) -> str:
    """Return the sha256 of the model that the change's lock names, if it is not the rebuilt one.

    Empty unless the rebuild that is in this tree has found the lock to be of that status.
    """
    if status != "equivalent" or not (root / REBUILD).exists():
        return ""
    lock = read_json(root / REBUILD, "slipway rebuild")["lock"] or {}
    same = lock.get("status") == status and lock.get("rebuilt") == model_sha256(root / MODEL)
    return str(lock["recorded"]) if same and lock["recorded"] != lock["rebuilt"] else ""


def _read_claims(root: Path) -> tuple[Stages, str]:
    """Return the lock of the change, or an empty one and why it cannot be read."""
    try:
        return read_lock(root / LOCK), ""
    except InConflict:
        raise
    except SlipwayError as error:
        return {}, str(error)


def _start_from(root: Path, commit: str) -> Stages:
    """Put the lock and the reports of a commit into the tree; return that lock."""
    (root / LOCK).unlink(missing_ok=True)
    _restore(root, commit, [str(LOCK)])
    trusted, fault = _read_claims(root)
    if fault:
        (root / LOCK).unlink(missing_ok=True)
    _restore(root, commit, [path for path in outputs(trusted) if path.startswith(f"{REPORTS}/")])
    return trusted


def _put_back(root: Path, claimed: bytes) -> None:
    (root / LOCK).unlink(missing_ok=True)
    if claimed:
        (root / LOCK).write_bytes(claimed)


def _restore(root: Path, commit: str, paths: list[str]) -> None:
    known = names(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", *paths)
    found = [path for path in known if path in paths]
    if found:
        git(root, "restore", f"--source={commit}", "--worktree", "--", *found)


def _is_up_to_date(root: Path) -> bool:
    """Return whether no stage would run; what is not fetched counts as unchanged."""
    done = subprocess.run(
        [*REPRO, "--dry", "--allow-missing"],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0 and "Running stage" not in done.stdout + done.stderr


def _run_stages(root: Path) -> Stopped | None:
    """Run the pipeline, showing what it writes; return the stage that stopped it."""
    restore(root, POINTER)
    said: deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        REPRO,
        cwd=root,
        env=environment(root) | {"GITHUB_ACTIONS": ""},  # a stage speaks to us, not to the check
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            sys.stderr.write(line)
            said.append(line.rstrip())
    return _stopped(list(said)) if process.returncode else None


def _stopped(said: list[str]) -> Stopped:
    found = next((match for line in said if (match := FAILED.search(line))), None)
    if not found:
        tail = "\n  ".join(said[-LINES_SAID:])
        raise SlipwayError(
            f"`{' '.join(REPRO)}` failed:\n  {tail}", "fix the error that it reports"
        )
    starts = [number for number, line in enumerate(said) if line.startswith("> ")]
    ends = [number for number, line in enumerate(said) if line.startswith("ERROR: failed")]
    own = said[starts[-1] + 1 if starts else 0 : ends[0] if ends else None]
    return Stopped(found[1], int(found[2]), [line for line in own if line][-LINES_SAID:])


def judge_claims(root: Path, claims: Claims) -> LockVerdict:
    """Return what the lock of a change is worth, with what was rebuilt of it in `root`."""
    if claims.fault:
        return LockVerdict("stale", [claims.fault])
    rebuilt = read_lock(root / LOCK)
    with ExitStack() as stack:
        old_model = None
        if may_be_equivalent(claims.stages, rebuilt):
            copy = stack.enter_context(copy_of_worktree(root))
            (copy / LOCK).write_bytes(claims.lock)
            old_model = fetch_recorded_model(copy)
        return compare_locks(claims.stages, rebuilt, claims.edited, root, old_model, claims.reports)
