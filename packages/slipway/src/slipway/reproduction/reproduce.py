"""Rebuild the outputs from their inputs, and compare them with what ``dvc.lock`` records.

`slipway verify-lock` does it for a clean copy, `slipway reproduce` for a change, `slipway verify`
for a commit that is to be released.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from slipway.dataset.tables import digest, files_of
from slipway.errors import NO, YES, SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL
from slipway.numbers import counted
from slipway.repository.pointers import LOCK, POINTER, InConflict, Stages, read_stages
from slipway.repository.restore import Missing, Restored, restore_each
from slipway.repository.worktrees import copy_of_worktree, run
from slipway.reproduction.equivalence import compare_backtests, compare_folders, compare_report
from slipway.reproduction.lock import (
    changed_inputs,
    differing_outputs,
    edited_reports,
    is_report,
    model_sha256,
    outputs,
    read_reports,
)
from slipway.training.backtest import BACKTEST

FIX = "run `dvc repro` and commit dvc.lock with reports/"

# Differences that are named; the rest is counted.
NAMED = 5

Status = Literal["identical", "equivalent", "different", "stale"]


@dataclass(frozen=True)
class LockVerdict:
    """How `dvc.lock` compares with a rebuild from its inputs.

    *identical*: the same bytes of model folder, backtest and reports. *equivalent*: other bytes,
    as another processor makes them (`slipway.reproduction.equivalence` lists what may differ); the
    rebuilt bytes are what is judged and released. *different*: anything else. *stale*: the lock was
    written for other inputs.

    Attributes
    ----------
    recorded, rebuilt
        sha256 of the model that the lock names, and of the one that was rebuilt; empty if it is
        not available.
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


@dataclass(frozen=True)
class Claims:
    """What a tree records of its own outputs, before anything is run.

    Attributes
    ----------
    lock
        The bytes of its lock; empty if it has none.
    error
        Why the lock cannot be read; empty if it can.
    edited
        Its reports that are not the files that its lock records.
    reports
        The content of its reports, by path.
    """

    lock: bytes
    stages: Stages
    error: str
    edited: list[str]
    reports: dict[str, bytes]

    @classmethod
    def of(cls, root: Path) -> Claims:
        """Return the claims of a tree; raises SlipwayError if its lock is in conflict."""
        lock = (root / LOCK).read_bytes() if (root / LOCK).exists() else b""
        stages, error = read_claimed(root)
        return cls(lock, stages, error, edited_reports(stages, root), read_reports(stages, root))


@dataclass(frozen=True)
class Recorded:
    """Folders that a lock names; None for one that is in no cache or remote, or not needed."""

    model: Path | None = None
    backtest: Path | None = None

    @classmethod
    def fetch(cls, copy: Path) -> Recorded:
        """Fetch the folders that the lock of a copy names, and put them aside in it."""
        return cls.put_aside(copy, *restore_each(copy, MODEL, BACKTEST))

    @classmethod
    def put_aside(
        cls, copy: Path, model: Restored | SlipwayError, backtest: Restored | SlipwayError
    ) -> Recorded:
        """Move what was restored; raises SlipwayError if it is not just missing."""
        return cls(_put_aside(copy, MODEL, model), _put_aside(copy, BACKTEST, backtest))

    def folders(self) -> list[tuple[Path, Path]]:
        """Return the path of each folder in a repository, and where it is."""
        both = ((MODEL, self.model), (BACKTEST, self.backtest))
        return [(path, folder) for path, folder in both if folder]


def read_claimed(root: Path) -> tuple[Stages, str]:
    """Return the stages of a lock, or none and why it cannot be read."""
    try:
        return read_stages(root / LOCK), ""
    except InConflict:
        raise
    except SlipwayError as error:
        return {}, str(error)


@contextmanager
def reproduce(root: Path) -> Iterator[tuple[LockVerdict, Path]]:
    """Rebuild the pipeline in a clean copy of `root`; yield the verdict on its lock, and the copy.

    Raises
    ------
    SlipwayError
        There is no lock, or the pipeline does not run.
    """
    read_stages(root / LOCK)
    with copy_of_worktree(root) as copy:
        # In one process of DVC, which takes longer to start than to restore all three.
        data, *folders = restore_each(copy, POINTER, MODEL, BACKTEST)
        if isinstance(data, SlipwayError):
            raise data
        recorded = Recorded.put_aside(copy, *folders)
        claims = Claims.of(copy)
        (copy / LOCK).unlink()
        run(["dvc", "repro", "-q", "--no-run-cache"], copy)
        yield compare(claims, copy, recorded), copy


def check_lock(root: Path) -> LockVerdict:
    """Return the verdict of `reproduce`."""
    with reproduce(root) as (verdict, _):
        return verdict


def compare_claims(claims: Claims, root: Path) -> LockVerdict:
    """Compare claims with what was rebuilt in `root`; fetch what they name if it is needed."""
    if claims.error:
        return LockVerdict("stale", [claims.error])
    rebuilt = read_stages(root / LOCK)
    same_inputs = not changed_inputs(claims.stages, rebuilt)
    stored = {str(MODEL), str(BACKTEST)}
    if not same_inputs or stored.isdisjoint(differing_outputs(claims.stages, rebuilt)):
        return compare(claims, root, Recorded())
    with copy_of_worktree(root) as copy:
        (copy / LOCK).write_bytes(claims.lock)
        return compare(claims, root, Recorded.fetch(copy))


def compare(claims: Claims, root: Path, recorded: Recorded) -> LockVerdict:
    """Compare claims, and the folders that they name, with what was rebuilt in `root`."""
    rebuilt = read_stages(root / LOCK)
    changed = changed_inputs(claims.stages, rebuilt)
    if changed:
        return LockVerdict("stale", [f"`{name}` is not what the lock records" for name in changed])
    if claims.edited:
        reason = "is not the file that the lock records"
        return LockVerdict("different", [f"`{name}` {reason}" for name in claims.edited])
    differing = differing_outputs(claims.stages, rebuilt)
    new = _hashes(root / MODEL)
    if not differing:
        for path, folder in recorded.folders():
            if files_of(folder) != files_of(root / path):
                reason = f"`{path}` has the recorded md5 and another sha256: an md5 collision"
                return LockVerdict("different", [reason])
        return _matching(
            "identical", [f"{counted(len(outputs(rebuilt)), 'output')}, the same bytes"], new, new
        )
    if unequal := _unequal_reports(root, claims.reports, differing):
        return LockVerdict("different", _first(unequal))
    return _compare_scores(root, recorded, differing)


def _put_aside(copy: Path, path: Path, answer: Restored | SlipwayError) -> Path | None:
    if isinstance(answer, Missing):
        return None
    if isinstance(answer, SlipwayError):
        raise answer
    kept = copy / f"recorded-{path.name}"
    shutil.move(copy / path, kept)
    return kept


def _unequal_reports(root: Path, reports: dict[str, bytes], differing: list[str]) -> list[str]:
    """Return differences in the reports that are larger than their last digits."""
    names = [name for name in differing if is_report(name)]
    missing = [name for name in names if name not in reports or not (root / name).is_file()]
    unequal = [f"`{name}` is recorded or written, not both" for name in missing]
    for name in sorted(set(names) - set(missing)):
        unequal += compare_report(name, reports[name], (root / name).read_bytes())
    return unequal


def _compare_scores(root: Path, recorded: Recorded, differing: list[str]) -> LockVerdict:
    """Compare the folders that hold scores or make them with those in `root`, where they differ."""
    named = f"other bytes: {', '.join(differing)}"
    new = _hashes(root / MODEL)
    unequal: list[str] = []
    measured: list[str] = []
    for path in (path for path in (MODEL, BACKTEST) if str(path) in differing):
        reasons, words = _compare_folder(path, root, recorded)
        unequal += reasons
        measured.append(words)
    if not measured:
        if any(is_report(name) for name in differing):
            return _matching("equivalent", [named, "only last digits differ"], new, new)
        unequal = ["the model and the reports are the same: these were not made with them"]
    if unequal:
        return LockVerdict("different", [named, *_first(unequal)])
    old = _hashes(recorded.model) if recorded.model and str(MODEL) in differing else new
    return _matching("equivalent", [named, *measured], old, new)


def _compare_folder(path: Path, root: Path, recorded: Recorded) -> tuple[list[str], str]:
    """Return how a recorded folder differs from that in `root`, and what was measured."""
    folder = dict(recorded.folders()).get(path)
    if folder is None:
        what = "model" if path == MODEL else "backtest"
        return [f"the recorded {what} is in no cache or remote to compare with"], ""
    if path == BACKTEST:
        return compare_backtests(folder, root / path)
    return compare_folders(root, folder, root / path)


def _matching(
    status: Status, why: list[str], old: tuple[str, str], new: tuple[str, str]
) -> LockVerdict:
    return LockVerdict(status, why, old[0], new[0], old[1], new[1])


def _hashes(folder: Path) -> tuple[str, str]:
    """Return the sha256 of a folder's model and of its manifest; empty if there is none."""
    manifest = folder / MANIFEST_FILE
    return model_sha256(folder), digest(manifest) if manifest.is_file() else ""


def _first(unequal: list[str]) -> list[str]:
    more = len(unequal) - NAMED
    return [*unequal[:NAMED], *([f"and {more} more differences"] if more > 0 else [])]
