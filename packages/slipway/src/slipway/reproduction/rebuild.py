"""`slipway reproduce`: run the stages that a change touches, and compare its `dvc.lock`.

It starts from the lock and the reports of the base commit, which were reproduced when they were
merged. Those of the change are claims: no stage is skipped because of them, and they are compared
with the result.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

from slipway.dataset.tables import read_json, write_json
from slipway.errors import INCONCLUSIVE, NO, YES, SlipwayError
from slipway.manifest import MODEL
from slipway.repository.committed import check_repository
from slipway.repository.git import git, names, resolve
from slipway.repository.pointers import LOCK, POINTER, Stages
from slipway.repository.restore import restore
from slipway.repository.worktrees import environment
from slipway.reproduction.lock import is_report, model_sha256, outputs
from slipway.reproduction.reproduce import Claims, LockVerdict, compare_claims, read_claimed

REBUILD = Path("build/rebuild.json")

REPRO = ["dvc", "repro", "--no-run-cache"]

FAILED = re.compile(r"failed to reproduce '([^']+)'.* exited with (-?\d+)")

# Last lines of a stage's output that are kept: enough for the reason why it stopped.
LAST_LINES = 20


@dataclass(frozen=True)
class Stopped:
    """A stage that failed: its name, its exit code, the last lines of its output."""

    stage: str
    exit_code: int
    said: list[str]


@dataclass(frozen=True)
class Rebuild:
    """Result of a rebuild.

    Parameters
    ----------
    changed
        Whether a stage had to run: an input of the model has changed, or a claim of the change.
    lock
        The verdict on the lock of the change; None if a stage stopped.
    """

    changed: bool
    lock: LockVerdict | None = None
    stopped: Stopped | None = None

    @property
    def exit_code(self) -> int:
        if self.stopped is None:
            return YES
        return NO if self.stopped.exit_code == NO else INCONCLUSIVE

    def text(self) -> str:
        if self.stopped:
            return f"`{self.stopped.stage}` stopped: no model was made"
        result = "rebuilt" if self.changed else "no input of the model has changed"
        return f"{result}\n{self.lock.text()}" if self.lock else result


def rebuild(root: Path, base: str) -> Rebuild:
    """Run the stages whose inputs differ from those of a commit; write and return the result.

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
        lock = None if stopped else compare_claims(claims, root)
    except BaseException:  # interrupted by the user as well
        _put_back(root, claims.lock)
        for path, content in claims.reports.items():
            (root / path).write_bytes(content)
        raise
    if stopped:
        _put_back(root, claims.lock)
    result = Rebuild(changed, lock, stopped)
    write_json(asdict(result), root / REBUILD)
    return result


def recorded_model(root: Path, status: str) -> str:
    """Return the sha256 of the model that the change's lock names, if it is not the rebuilt one.

    Empty unless the rebuild in this tree has that status.
    """
    if status != "equivalent" or not (root / REBUILD).exists():
        return ""
    lock = read_json(root / REBUILD, "slipway reproduce")["lock"] or {}
    same = lock.get("status") == status and lock.get("rebuilt") == model_sha256(root / MODEL)
    return str(lock["recorded"]) if same and lock["recorded"] != lock["rebuilt"] else ""


def _start_from(root: Path, commit: str) -> Stages:
    """Put the lock and the reports of a commit into the tree; return that lock."""
    (root / LOCK).unlink(missing_ok=True)
    _restore(root, commit, [str(LOCK)])
    trusted, error = read_claimed(root)
    if error:
        (root / LOCK).unlink(missing_ok=True)
    _restore(root, commit, [path for path in outputs(trusted) if is_report(path)])
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
    """Return whether no stage would run; outputs that are not fetched count as unchanged."""
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
    """Run the pipeline and show its output; return the stage that stopped it."""
    restore(root, POINTER)
    output: deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        REPRO,
        cwd=root,
        env=environment(root) | {"GITHUB_ACTIONS": ""},  # without annotations of the check
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            sys.stderr.write(line)
            output.append(line.rstrip())
    return _stopped(list(output)) if process.returncode else None


def _stopped(said: list[str]) -> Stopped:
    found = next((match for line in said if (match := FAILED.search(line))), None)
    if not found:
        tail = "\n  ".join(said[-LAST_LINES:])
        raise SlipwayError(
            f"`{' '.join(REPRO)}` failed:\n  {tail}", "fix the error that it reports"
        )
    starts = [number for number, line in enumerate(said) if line.startswith("> ")]
    ends = [number for number, line in enumerate(said) if line.startswith("ERROR: failed")]
    own = said[starts[-1] + 1 if starts else 0 : ends[0] if ends else None]
    return Stopped(found[1], int(found[2]), [line for line in own if line][-LAST_LINES:])
