"""`slipway lock`: nobody has to trust `dvc.lock`; rebuild from the inputs and compare."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from slipway.errors import NO, YES
from slipway.pointers import LOCK, POINTER, read_stages
from slipway.prepare import labelled, split_months
from slipway.restore import Missing, restore
from slipway.score import MODEL, Model
from slipway.settings import read_params
from slipway.tables import digest, month_files, read_columns
from slipway.workspace import copy_of_worktree, run

# Outputs under this folder are in git; all others are left to DVC, or made again.
REPORTS = "reports"

# Two builds of one model on different processors differ in the last digits of a float32.
TOLERANCE = 1e-6

MEND = "run `dvc repro` and commit dvc.lock with reports/"

Status = Literal["identical", "equivalent", "different", "stale"]


@dataclass(frozen=True)
class LockVerdict:
    """What a rebuild says of `dvc.lock`.

    *identical*: the same bytes came out. *equivalent*: other bytes, but the same holdout
    predictions within `TOLERANCE`. *different*: another model. *stale*: the lock was
    written for other inputs than these.
    """

    status: Status
    why: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return YES if self.status in {"identical", "equivalent"} else NO

    def text(self) -> str:
        lines = [f"lock: {self.status}", *(f"  {reason}" for reason in self.why)]
        if self.exit_code == NO:
            lines.append(f"  → {MEND}")
        return "\n".join(lines)


def check_lock(root: Path) -> LockVerdict:
    """Rebuild the pipeline in a clean copy and compare the result with `dvc.lock`.

    Raises
    ------
    SlipwayError
        There is no lock, or the pipeline does not run.
    """
    recorded = read_lock(root / LOCK)
    with copy_of_worktree(root) as copy:
        restore(copy, POINTER)
        old_model = fetch_recorded_model(copy)
        edited = edited_reports(recorded, copy)
        (copy / LOCK).unlink()
        run(["dvc", "repro", "-q", "--no-run-cache"], copy)
        return compare_locks(recorded, read_lock(copy / LOCK), edited, copy, old_model)


def compare_locks(
    recorded: dict[str, Any],
    rebuilt: dict[str, Any],
    edited: list[str],
    root: Path,
    old_model: Path | None,
) -> LockVerdict:
    """Compare what a lock records with what a rebuild in `root` wrote.

    Parameters
    ----------
    edited
        The reports that were not as the lock records them before the rebuild.
    old_model
        The folder of the recorded model; None if nobody has it any more.
    """
    changed = changed_inputs(recorded, rebuilt)
    if changed:
        return LockVerdict("stale", [f"`{name}` is not what the lock records" for name in changed])
    if edited:
        why = "is not the file that the lock records"
        return LockVerdict("different", [f"`{name}` {why}" for name in edited])
    differing = differing_outputs(recorded, rebuilt)
    if not differing:
        return LockVerdict("identical", [f"{len(outputs(rebuilt))} outputs, the same bytes"])
    return _compare_predictions(root, old_model, differing)


def read_lock(path: Path) -> dict[str, Any]:
    """Return the stages of a lock file."""
    return read_stages(path)


def outputs(stages: dict[str, Any]) -> dict[str, str]:
    """Return the md5 of every output by its path."""
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def changed_inputs(recorded: dict[str, Any], rebuilt: dict[str, Any]) -> list[str]:
    """Return the files and parameters that come from outside the pipeline and differ."""
    before, after = _inputs(recorded), _inputs(rebuilt)
    changed = (key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return sorted({name for _, name in changed})


def differing_outputs(recorded: dict[str, Any], rebuilt: dict[str, Any]) -> list[str]:
    """Return the outputs whose bytes differ."""
    before, after = outputs(recorded), outputs(rebuilt)
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


def may_be_equivalent(recorded: dict[str, Any], rebuilt: dict[str, Any]) -> bool:
    """Return whether only the predictions of both models can tell what the lock is worth."""
    same_inputs = not changed_inputs(recorded, rebuilt)
    return same_inputs and str(MODEL) in differing_outputs(recorded, rebuilt)


def edited_reports(stages: dict[str, Any], root: Path) -> list[str]:
    """Return the reports whose files are not those that a lock records."""
    return sorted(
        path
        for path, md5 in outputs(stages).items()
        if path.startswith(f"{REPORTS}/")
        and not ((root / path).is_file() and digest(root / path, "md5") == md5)
    )


def _inputs(stages: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Return what each stage was given from outside, by stage and name."""
    made = outputs(stages)
    given: dict[tuple[str, str], Any] = {}
    for stage, parts in stages.items():
        given[stage, f"dvc.yaml: {stage}"] = parts["cmd"]
        for dep in parts.get("deps", []):
            if dep["path"] not in made:
                given[stage, dep["path"]] = dep["md5"]
        for file, values in parts.get("params", {}).items():
            given |= {(stage, f"{file}: {name}"): value for name, value in values.items()}
    return given


def fetch_recorded_model(copy: Path) -> Path | None:
    """Return the folder of the model that the lock names, if a cache or remote still has it."""
    try:
        restore(copy, MODEL)
    except Missing:
        return None
    kept = copy / "recorded-model"
    shutil.move(copy / MODEL, kept)
    return kept


def _compare_predictions(root: Path, old: Path | None, differing: list[str]) -> LockVerdict:
    named = f"other bytes: {', '.join(differing)}"
    if str(MODEL) not in differing:
        return LockVerdict(
            "different", [named, "the model is the same: these were not made from it"]
        )
    if old is None:
        return LockVerdict(
            "different", [named, "the recorded model is in no cache or remote to compare with"]
        )
    _, files = split_months(
        month_files(root / "data"), read_params(root / "params.yaml").prepare.holdout_months
    )
    rows, _ = labelled(read_columns(files))
    gap = float(np.abs(Model.load(old).score(rows) - Model.load(root / MODEL).score(rows)).max())
    status: Status = "equivalent" if gap <= TOLERANCE else "different"
    said = f"holdout predictions differ by at most {gap:.2g} (tolerance {TOLERANCE:g})"
    return LockVerdict(status, [named, said])
