"""`slipway lock`: verify `dvc.lock` by a rebuild from the inputs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from slipway.equivalence import compare_folders, compare_report
from slipway.errors import NO, YES
from slipway.pointers import LOCK, POINTER, read_stages
from slipway.restore import Missing, restore
from slipway.score import MANIFEST_FILE, MODEL, MODEL_FILE
from slipway.tables import digest, files_of
from slipway.workspace import copy_of_worktree, run

# Outputs under this folder are in git; all others are left to DVC, or made again.
REPORTS = "reports"

FIX = "run `dvc repro` and commit dvc.lock with reports/"

# What differs is named up to this many.
NAMED = 5

Status = Literal["identical", "equivalent", "different", "stale"]


@dataclass(frozen=True)
class LockVerdict:
    """How `dvc.lock` compares with a rebuild from its inputs.

    *identical*: the same bytes of model folder and reports. *equivalent*: other bytes, as another
    processor makes them (`slipway.equivalence` lists what may differ); the rebuilt bytes are what
    is judged and released. *different*: anything else. *stale*: the lock was written for other
    inputs.

    Attributes
    ----------
    recorded, rebuilt
        sha256 of the model that the lock names, and of the one that was rebuilt; empty where
        it is not available.
    recorded_manifest, rebuilt_manifest
        sha256 of their manifests.
    """

    status: Status
    why: list[str] = field(default_factory=list)
    recorded: str = ""
    rebuilt: str = ""
    recorded_manifest: str = ""
    rebuilt_manifest: str = ""

    @property
    def exit_code(self) -> int:
        return YES if self.status in {"identical", "equivalent"} else NO

    def text(self) -> str:
        lines = [f"lock: {self.status}", *(f"  {reason}" for reason in self.why)]
        if self.exit_code == NO:
            lines.append(f"  → {FIX}")
        return "\n".join(lines)


def check_lock(root: Path) -> LockVerdict:
    """Rebuild the pipeline in a clean copy and compare the result with `dvc.lock`.

    Raises
    ------
    SlipwayError
        There is no lock, or the pipeline does not run.
    """
    with rebuild_clean(root) as (verdict, _):
        return verdict


@contextmanager
def rebuild_clean(root: Path) -> Iterator[tuple[LockVerdict, Path]]:
    """Yield what `check_lock` returns, and the clean copy, which holds what was rebuilt."""
    recorded = read_lock(root / LOCK)
    with copy_of_worktree(root) as copy:
        restore(copy, POINTER)
        old_model = fetch_recorded_model(copy)
        edited, reports = edited_reports(recorded, copy), read_reports(recorded, copy)
        (copy / LOCK).unlink()
        run(["dvc", "repro", "-q", "--no-run-cache"], copy)
        rebuilt = read_lock(copy / LOCK)
        yield compare_locks(recorded, rebuilt, edited, copy, old_model, reports), copy


def compare_locks(
    recorded: dict[str, Any],
    rebuilt: dict[str, Any],
    edited: list[str],
    root: Path,
    old_model: Path | None,
    reports: Mapping[str, bytes],
) -> LockVerdict:
    """Compare what a lock records with what a rebuild in `root` wrote.

    Parameters
    ----------
    edited
        The reports that were not as the lock records them before the rebuild.
    old_model
        The folder of the recorded model; None if it is in no cache or remote.
    reports
        The content of the recorded reports, by path.
    """
    changed = changed_inputs(recorded, rebuilt)
    if changed:
        return LockVerdict("stale", [f"`{name}` is not what the lock records" for name in changed])
    if edited:
        why = "is not the file that the lock records"
        return LockVerdict("different", [f"`{name}` {why}" for name in edited])
    differing = differing_outputs(recorded, rebuilt)
    new = _hashes(root / MODEL)
    if not differing:
        if old_model and files_of(old_model) != files_of(root / MODEL):
            why = (
                f"`{MODEL}` has the recorded md5 and another sha256: somebody has made a collision"
            )
            return LockVerdict("different", [why])
        words = f"{len(outputs(rebuilt))} outputs, the same bytes"
        return _matching("identical", [words], new, new)
    if unequal := _unequal_reports(root, reports, differing):
        return LockVerdict("different", _first(unequal))
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
    """Return whether the recorded model is needed to judge the lock."""
    same_inputs = not changed_inputs(recorded, rebuilt)
    return same_inputs and str(MODEL) in differing_outputs(recorded, rebuilt)


def edited_reports(stages: dict[str, Any], root: Path) -> list[str]:
    """Return the reports whose files are not those that a lock records."""
    return sorted(
        path
        for path, md5 in outputs(stages).items()
        if _is_report(path) and not ((root / path).is_file() and digest(root / path, "md5") == md5)
    )


def folder_md5(folder: Path) -> str:
    """Return the name that DVC gives to the content of a folder."""
    listing = [
        {"md5": digest(path, "md5"), "relpath": path.relative_to(folder).as_posix()}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    content = json.dumps(listing, sort_keys=True).encode()
    return f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir"


def read_reports(stages: dict[str, Any], root: Path) -> dict[str, bytes]:
    """Return the content of the reports that a lock names, by path; one that is missing is not."""
    return {
        path: (root / path).read_bytes()
        for path in outputs(stages)
        if _is_report(path) and (root / path).is_file()
    }


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


def _unequal_reports(root: Path, reports: Mapping[str, bytes], differing: list[str]) -> list[str]:
    """Return what differs in the reports by more than their last digits."""
    names = [name for name in differing if _is_report(name)]
    missing = [name for name in names if name not in reports or not (root / name).is_file()]
    unequal = [f"`{name}` is recorded or written, not both" for name in missing]
    for name in sorted(set(names) - set(missing)):
        unequal += compare_report(name, reports[name], (root / name).read_bytes())
    return unequal


def _compare_predictions(root: Path, old: Path | None, differing: list[str]) -> LockVerdict:
    """Compare the recorded model folder `old` with the one in `root`, where it differs."""
    named = f"other bytes: {', '.join(differing)}"
    new = _hashes(root / MODEL)
    if str(MODEL) not in differing:
        if any(_is_report(name) for name in differing):
            return _matching("equivalent", [named, "only last digits differ"], new, new)
        why = "the model and the reports are the same: these were not made with them"
        return LockVerdict("different", [named, why])
    if old is None:
        return LockVerdict(
            "different", [named, "the recorded model is in no cache or remote to compare with"]
        )
    unequal, measured = compare_folders(root, old, root / MODEL)
    if unequal:
        return LockVerdict("different", [named, *_first(unequal)])
    return _matching("equivalent", [named, measured], _hashes(old), new)


def _matching(
    status: Status, why: list[str], old: tuple[str, str], new: tuple[str, str]
) -> LockVerdict:
    return LockVerdict(status, why, old[0], new[0], old[1], new[1])


def _hashes(folder: Path) -> tuple[str, str]:
    """Return the sha256 of a folder's model and of its manifest; empty where there is none."""
    manifest = folder / MANIFEST_FILE
    return model_sha256(folder), digest(manifest) if manifest.is_file() else ""


def model_sha256(folder: Path) -> str:
    """Return the sha256 of the model of a folder; empty if nothing had to be built there."""
    model = folder / MODEL_FILE
    return digest(model) if model.is_file() else ""


def _is_report(path: str) -> bool:
    return path.startswith(f"{REPORTS}/")


def _first(unequal: list[str]) -> list[str]:
    more = len(unequal) - NAMED
    return [*unequal[:NAMED], *([f"and {more} more differences"] if more > 0 else [])]
